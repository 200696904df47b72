"""Answers as a table for the terminal, and as JSON and CSV files."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import atomic_path, write_json
from classifier.prediction.answers import SIBLING_SHARE, Answer, Rules
from classifier.prediction.predict import Predictions
from classifier.prediction.task_answers import in_words
from classifier.prediction.trust import PLAUSIBLE

SHOWN = 50  # stacks printed; files hold all of them


def answer_table(answers: Sequence[Answer], rules: Rules, predictions: Predictions) -> Group:
    """The first SHOWN answers, how many were answered and right where the file tells, and the rules."""
    table = Table(box=None, pad_edge=False, header_style="dim", row_styles=("", "on grey11"))
    for name in ("stack", "groups", "level", "siblings not ruled out", "nearest in training"):
        table.add_column(name, overflow="fold", min_width=18 if name == "groups" else None)
    for answer in answers[:SHOWN]:
        style = "dim" if answer.refusals else ""
        table.add_row(
            Text(answer.sample_id + "\n").append(_verdict(answer)),
            Text("\n".join(_group(*entry) for entry in answer.groups), style=style),
            Text("\n".join([*(f"{name} {p:.2f}" for name, p in answer.levels.values()),
                            *in_words(answer.properties).split("; ")]).strip(), style=style),
            Text("\n".join(_group(*entry) for entry in answer.siblings) or "none", style=style),
            Text("\n".join(f"{material} ({group}) {far:.2f}" for material, group, far in answer.nearest)))
    return Group(table, *(Text(line) for line in _remarks(answers, rules, predictions)))


def write_answers(path: Path, answers: Sequence[Answer], rules: Rules, predictions: Predictions) -> list[Path]:
    """Write predictions (npz) to path and beside it the answers and rules as JSON and CSV; return the paths."""
    path = Path(path)
    beside = [path.with_suffix(suffix) for suffix in (".json", ".csv")]
    predictions.save(path)
    verdicts = {"trust_fitted": rules.fitted, "accuracy": rules.accuracy, "probability_not_ruled_out": rules.plausible,
                "coverage": rules.coverage, "confidence": rules.confidence if math.isfinite(rules.confidence) else None}
    write_json(beside[0], {"rules": verdicts, "provenance": predictions.provenance,
                           "answers": [answer.to_json() for answer in answers]})
    with atomic_path(beside[1]) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        ranks = range(1, 1 + max((len(answer.groups) for answer in answers), default=0))
        levels = list(answers[0].levels) if answers else []
        rows.writerow(["sample_id", "verdict", "refusals",
                       *(f"{name}_{rank}" for rank in ranks for name in ("space_group", "symbol", "probability")),
                       *(name for level in levels for name in (level, f"{level}_probability")),
                       "siblings_not_ruled_out", "nearest_training_materials", "plausible_groups"])
        rows.writerows([answer.sample_id, "refused" if answer.refusals else "answered", "; ".join(answer.refusals),
                        *(value for group, p in answer.groups for value in (group, symbol(group), f"{p:.6g}")),
                        *(value for name, p in answer.levels.values() for value in (name, f"{p:.6g}")),
                        " ".join(str(group) for group, _ in answer.siblings),
                        "; ".join(f"{material} {far:.4g}" for material, _, far in answer.nearest),
                        " ".join(str(group) for group, _ in answer.plausible)]
                       for answer in answers)
    return [path, *beside]


def _verdict(answer: Answer) -> Text:
    if not answer.refusals:
        return Text("answered", style="green")
    return Text("refused: " + "; ".join(answer.refusals), style="red")


def _group(space_group: int, probability: float) -> str:
    return f"{space_group} {symbol(space_group)} {probability:.2f}"


def _remarks(answers: Sequence[Answer], rules: Rules, predictions: Predictions) -> list[str]:
    """What is to be said below the table."""
    lines = [] if len(answers) <= SHOWN else [f"... and {len(answers) - SHOWN} more: --out writes them all."]
    kinds = Counter(reason.split(" (")[0].split(":")[0] for answer in answers for reason in answer.refusals)
    refused = sum(bool(answer.refusals) for answer in answers)
    lines.append(f"{len(answers) - refused} answered, {refused} refused"
                 + "".join(f"; {count} {kind}" for kind, count in kinds.most_common()) + ".")
    labelled = predictions.space_group > 0
    if labelled.any():
        right = np.array([answer.groups[0][0] for answer in answers]) == predictions.space_group
        given = np.array([not answer.refusals for answer in answers])
        lines.append(f"By the file's own labels: {right[labelled].mean():.1%} of {labelled.sum()} right"
                     + (f", {right[labelled & given].mean():.1%} of the {(labelled & given).sum()} answered."
                        if (labelled & given).any() else "."))
    if rules.in_set:
        size = np.mean([len(answer.plausible) for answer in answers]) if answers else 0.0
        lines.append(f"Plausible groups, {size:.1f} a stack, are to hold the true one in {rules.coverage:.0%}, on "
                     "average over few-shot groups, medium and many: --out names them."
                     + _covered(answers, predictions.space_group))
    enough = (f"{SIBLING_SHARE:g} of the first group's" if rules.plausible is None else
              f"{rules.plausible:.3g}, which the true group reached in {PLAUSIBLE:.0%} of validation")
    lines.append(f"Siblings: direct sub- and supergroups of the first group with a probability of at least {enough}.")
    if any(answer.unknown for answer in answers):
        lines.append("Those that the classifier never saw cannot be ruled out either: the JSON file of --out names "
                     "them.")
    if not rules.fitted:
        lines.append("Trust was not fitted for every classifier given: probabilities are not calibrated, and nothing "
                     "is refused. Train again with a validation part.")
    return lines


def _covered(answers: Sequence[Answer], space_group: np.ndarray) -> str:
    """How often the plausible groups do hold the true one, by the file's own labels; nothing where it has none."""
    held = [any(group == truth for group, _ in answer.plausible)
            for answer, truth in zip(answers, space_group.tolist(), strict=True) if truth > 0]
    return f" Here they do in {np.mean(held):.1%}." if held else ""
