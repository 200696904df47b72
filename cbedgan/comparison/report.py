"""The report of a comparison: its content as JSON, and the same as one HTML file with its pictures inside."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.comparison import figures, wording
from cbedgan.comparison.arms import ARMS, kinds
from cbedgan.comparison.evaluate import Evaluation
from cbedgan.comparison.synthesis_told import synthesis_told
from cbedgan.comparison.walk import Walk
from classifier.crystal.spacegroup import crystal_system, symbol
from classifier.foundation.atomic import write_json, write_text
from classifier.foundation.page import page
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.grid import seen
from classifier.samples.split import Split
from classifier.samples.stackfile import StackFile

LABELS = {name: arm.label for name, arm in ARMS.items()}
PICTURED_GROUPS = 6
"""So many groups, the poorest that were added to, are shown with their stacks."""


@dataclass(frozen=True)
class Evidence:
    """What a report is made of. config: resolved CompareConfig; numbers: {space_group: stacks added}; walk: one path
    across a boundary, or None."""

    config: dict[str, Any]
    evaluation: Evaluation
    split: Split
    real: StackFile
    synthetic: StackFile
    numbers: dict[int, int]
    provenance: dict[str, Any]
    walk: Walk | None


def write_report(evidence: Evidence, out: Path) -> Path:
    """Write out/report.json and out/report.html; return the path of the latter."""
    report = content(evidence)
    text = render(report, pictures(evidence, report))
    write_json(out / "report.json", report)
    return write_text(out / "report.html", text)


def content(evidence: Evidence) -> dict[str, Any]:
    """Everything that the report says, as JSON content; what cannot be computed is null."""
    evaluation, judgement = evidence.evaluation, evidence.config["judgement"]
    primary = evaluation.primary()
    return {
        "headline": wording.headline(primary, wording.subject(primary["arm"]), alpha=judgement["alpha"],
                                     band=judgement["band"]),
        "setting": wording.setting(primary, LABELS, unit=judgement["unit"], seeds=len(evidence.config["seeds"])),
        "primary": primary,
        "contrasts": evaluation.contrasts(),
        "arms": {name: {"label": ARMS[name].label, "loss": ARMS[name].loss.kind, "source": ARMS[name].source,
                        "stacks_added": sum(evidence.numbers.values()) if ARMS[name].source else 0, "scores": scores}
                 for name, scores in evaluation.arms().items()},
        "derivations": {name: {"units": apart.trials.n_units, "arms": apart.arms(),
                               "primary": apart.primary() if primary["shot"] in apart.shots() else None}
                        for name, apart in evaluation.by_derivation.items()},
        "groups": _groups(evidence),
        "space_groups": list(evidence.split.space_groups),
        "confusion": {name: evaluation.confusion(name) for name in evaluation.logits},
        "stacks_added": {str(group): number for group, number in evidence.numbers.items()},
        "synthesis": synthesis_told(evidence.synthetic.path),
        "listed": evidence.split.listed,
        "provenance": evidence.provenance,
    }


def _groups(evidence: Evidence) -> list[dict[str, Any]]:
    """One row a tested group, by number of training materials: counts, recall of every arm, primary difference."""
    evaluation, groups = evidence.evaluation, evidence.split.space_groups
    primary = evaluation.config.primary
    recall = {name: evaluation.recall_intervals(name) for name in evaluation.logits}
    units = evaluation.trials.units_per_class()
    rows = [{
        "space_group": groups[k], "symbol": symbol(groups[k]), "crystal_system": crystal_system(groups[k]),
        "shot": str(evaluation.shot[k]), "training_materials": int(evaluation.training_materials[k]),
        "test_units": int(units[k]), "stacks_added": evidence.numbers.get(groups[k], 0),
        "recall": {name: recall[name][k] for name in recall}, "difference": difference,
    } for difference in evaluation.groups(primary.arm, primary.reference) for k in [difference["class_idx"]]]
    return sorted(rows, key=lambda row: (-row["training_materials"], row["space_group"]))


def pictures(evidence: Evidence, report: dict[str, Any]) -> dict[str, bytes]:
    """Every picture of the report by name, as PNG."""
    primary, band = report["primary"], evidence.config["judgement"]["band"]
    drawn = {"contrasts": figures.contrasts(report["contrasts"], LABELS, band),
             "groups": figures.groups(report["groups"], primary, band),
             "confusion": figures.confusion(report["confusion"], report["space_groups"], primary)}
    floor = evidence.config["classifier"]["intensity"]["floor"]
    rows, columns = _stacks(evidence)
    if rows:
        drawn["stacks"] = figures.stacks(rows, columns, floor)
    if evidence.walk is not None:
        drawn["path"] = figures.path(evidence.walk, floor)
    return drawn


def _stacks(evidence: Evidence) -> tuple[list[tuple[str, list[np.ndarray | None]]], list[str]]:
    """One real training stack and one synthetic stack of each kind for the poorest groups that were added to."""
    groups = evidence.split.space_groups
    poorest = sorted(evidence.numbers, key=lambda group: evidence.evaluation.training_materials[groups.index(group)])
    table, kind = evidence.real.table, kinds(evidence.synthetic.table)
    train = np.isin(table.sample_id, evidence.split.parts["train"])
    wanted = ViewConfig(**evidence.config["classifier"]["view"])
    names = [name for name in ("interior", "boundary", "hard") if (kind == name).any()]
    rows = []
    for group in poorest[:PICTURED_GROUPS]:
        real = _first(evidence.real, train & (table.space_group == group), wanted)
        made = [_first(evidence.synthetic, (kind == name) & (evidence.synthetic.table.space_group == group), wanted)
                for name in names]
        rows.append((f"{group}\n{symbol(group)}", [real, *made]))
    return rows, ["real, training part", *(f"{name} synthetic" for name in names)]


def _first(file: StackFile, eligible: np.ndarray, wanted: ViewConfig) -> np.ndarray | None:
    """The first eligible sample [C, *spatial] in the given view, or None."""
    rows = np.flatnonzero(eligible)[:1]
    return seen(file.read(rows), file.grid, wanted)[0][0] if len(rows) else None


def render(report: dict[str, Any], drawn: dict[str, bytes]) -> str:
    """Return the report as one HTML page without any outside resource."""
    return page("cbedgan.comparison", "report.html.j2", report=report, pictures=drawn,
                labels=LABELS, colours=figures.VERDICT_COLOURS, comparison=partial(wording.comparison, labels=LABELS))
