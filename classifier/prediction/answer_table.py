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

# Parts of labelled stacks in the order in which they are told: never together.
PARTS = {"test": "test part", "": "materials that it did not learn from (where they chose its thresholds, --split "
         "tells them apart)", "validation": "validation part, which chose its thresholds",
         "train": "materials that it learned from, which say nothing of new ones"}
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
            Text(_siblings(answer), style=style),
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
                           "answers": [{**answer.to_json(), "part": part} for answer, part in
                                       zip(answers, predictions.part.tolist(), strict=True)]})
    with atomic_path(beside[1]) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        ranks = range(1, 1 + max((len(answer.groups) for answer in answers), default=0))
        levels = list(answers[0].levels) if answers else []
        rows.writerow(["sample_id", "verdict", "refusals",
                       *(f"{name}_{rank}" for rank in ranks for name in ("space_group", "symbol", "probability")),
                       *(name for level in levels for name in (level, f"{level}_probability")),
                       "siblings_not_ruled_out", "nearest_training_materials", "plausible_groups", "part"])
        rows.writerows([answer.sample_id, "refused" if answer.refusals else "answered", "; ".join(answer.refusals),
                        *(value for group, p in answer.groups for value in (group, symbol(group), f"{p:.6g}")),
                        *(value for name, p in answer.levels.values() for value in (name, f"{p:.6g}")),
                        " ".join(str(group) for group, _ in answer.siblings),
                        "; ".join(f"{material} {far:.4g}" for material, _, far in answer.nearest),
                        " ".join(str(group) for group, _ in answer.plausible), part]
                       for answer, part in zip(answers, predictions.part.tolist(), strict=True))
    return [path, *beside]


def _verdict(answer: Answer) -> Text:
    if not answer.refusals:
        return Text("answered", style="green")
    return Text("refused: " + "; ".join(answer.refusals), style="red")


def _siblings(answer: Answer) -> str:
    """Those that it knows and does not rule out, and how many it does not know."""
    known = "\n".join(_group(*entry) for entry in answer.siblings)
    if not answer.unknown:
        return known or "none"
    return f"{known or 'none that it knows'}; {len(answer.unknown)} that it does not know"


def _group(space_group: int, probability: float) -> str:
    return f"{space_group} {symbol(space_group)} {probability:.2f}"


def _remarks(answers: Sequence[Answer], rules: Rules, predictions: Predictions) -> list[str]:
    """What is to be said below the table."""
    lines = [] if len(answers) <= SHOWN else [f"... and {len(answers) - SHOWN} more: --out writes them all."]
    kinds = Counter(reason.split(" (")[0].split(":")[0] for answer in answers for reason in answer.refusals)
    refused = sum(bool(answer.refusals) for answer in answers)
    lines.append(f"{len(answers) - refused} answered, {refused} refused"
                 + "".join(f"; {count} {kind}" for kind, count in kinds.most_common()) + ".")
    lines += _by_label(answers, predictions)
    if rules.in_set:
        size = np.mean([len(answer.plausible) for answer in answers]) if answers else 0.0
        lines.append(f"Plausible groups, {size:.1f} a stack, are to hold the true one in {rules.coverage:.0%}, on "
                     "average over few-shot groups, medium and many: --out names them."
                     + _covered(answers, predictions))
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


def _by_label(answers: Sequence[Answer], predictions: Predictions) -> list[str]:
    """How many are right by the file's own labels, of each part by itself: what was learned is no test."""
    labelled, lines = predictions.space_group > 0, []
    right = np.array([answer.groups[0][0] for answer in answers]) == predictions.space_group
    given = np.array([not answer.refusals for answer in answers])
    for part in (one for one in PARTS if one in set(predictions.part[labelled].tolist())):
        rows = labelled & (predictions.part == part)
        lines.append(f"By the file's own labels, {PARTS[part]}: {right[rows].mean():.1%} of {rows.sum()} right"
                     + (f", {right[rows & given].mean():.1%} of the {(rows & given).sum()} answered."
                        if (rows & given).any() else "."))
    return lines


def _covered(answers: Sequence[Answer], predictions: Predictions) -> str:
    """How often the plausible groups do hold the true one, by labels of what was not learned; nothing where none is."""
    held = [any(group == truth for group, _ in answer.plausible) for answer, truth, part in
            zip(answers, predictions.space_group.tolist(), predictions.part.tolist(), strict=True)
            if truth > 0 and part in ("", "test")]
    return f" Here they do in {np.mean(held):.1%} of what was not learned." if held else ""
