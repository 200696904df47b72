"""The report of a study: its content as JSON, one HTML file with its pictures inside, and a table in plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from cbedgan.comparison import wording
from cbedgan.comparison.evaluate import Evaluation
from cbedgan.comparison.figures import VERDICT_COLOURS
from cbedgan.comparison.figures import contrasts as contrasts_figure
from cbedgan.study import figures
from cbedgan.study.added import Numbers, alike
from cbedgan.study.findings import contrasts, disagreement, gain_by_materials, harmed, members, recovery
from cbedgan.study.plan import judged_on, question, told_numbers
from cbedgan.study.study_config import StudyConfig
from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import write_json, write_text
from classifier.foundation.page import page, percent, plain_text, points, times
from classifier.inspection.power import KIND_NAMES
from classifier.pattern.condition import Condition
from classifier.statistics.power import BETWEEN_SEEDS, DISCORDANT

SHOTS = ("few", "medium", "many", "all")


@dataclass(frozen=True)
class StudyEvidence:
    """What a report is made of. evaluations: by place, "test" or a file's name, and condition; materials: int [K];
    numbers: {arm: {space_group: stacks added}}; powers: of the test part; elsewhere: counts of each file."""

    config: StudyConfig
    evaluations: dict[tuple[str, Condition], Evaluation]
    space_groups: Sequence[int]
    materials: np.ndarray
    numbers: Numbers
    powers: list[dict[str, Any]]
    elsewhere: dict[str, dict[str, Any]]
    provenance: dict[str, Any]


def write_study(evidence: StudyEvidence, out: Path) -> Path:
    """Write out/report.json, study.txt and report.html; return the path of the latter."""
    report, config = content(evidence), evidence.config
    curves = {config.labels[name]: arm["by_materials"] for name, arm in report["arms"].items() if arm["by_materials"]}
    drawn = {"contrasts": contrasts_figure(report["contrasts"], config.labels, config.judgement.band)}
    if curves:
        drawn["gains"] = figures.gains(curves, config.judgement.band)
    text = page("cbedgan.study", "report.html.j2", report=report, pictures=drawn, labels=config.labels, shots=SHOTS,
                kinds=KIND_NAMES, colours=VERDICT_COLOURS, symbol=symbol,
                comparison=partial(wording.comparison, labels=config.labels))
    write_json(out / "report.json", report)
    write_text(out / "study.txt", plain_text(report["headline"], report["setting"], "", study_table(report)))
    return write_text(out / "report.html", text)


def content(evidence: StudyEvidence) -> dict[str, Any]:
    """Everything that the report says, as JSON content; what cannot be computed is null."""
    config, judgement = evidence.config, evidence.config.judgement
    whole = evidence.evaluations["test", config.conditions[0]]
    decisive = whole.by_derivation[config.crystals] if config.crystals != "all" else whole
    primary = decisive.primary()
    told = (f"{config.labels[primary['arm']]}, against {config.labels[primary['reference']]},", "help")
    return {
        "headline": wording.headline(primary, told, alpha=judgement.alpha, band=judgement.band),
        "setting": f"{primary['groups']} such groups, judged on {judged_on(config)}: {primary['units']} "
                   f"{judgement.unit.replace('_', ' ')}s that no training has seen, {len(config.seeds)} seeds, "
                   + ("a draw of the added stacks for each." if len(config.source_seeds) > 1 else
                      "one draw of the added stacks: intervals do not cover another."),
        "question": question(config), "primary": primary,
        "disagreement": {"assumed": {"discordant": DISCORDANT, "between_seeds": BETWEEN_SEEDS},
                         "found": disagreement(decisive, primary["arm"], primary["reference"])},
        "contrasts": [row | {"equal_numbers": evidence.numbers[row["arm"]] == evidence.numbers[row["reference"]]}
                      for row in contrasts(decisive, config.pairs)],
        "arms": _arms(evidence, decisive),
        "places": [_place(evidence, *key, crystals, evaluation) for key, whole in evidence.evaluations.items()
                   for crystals, evaluation in (("", whole), *whole.by_derivation.items())],
        "numbers": [{"space_group": group, "training_materials": number,
                     "added": {name: of_arm.get(group, 0) for name, of_arm in evidence.numbers.items()}}
                    for group, number in zip(evidence.space_groups, evidence.materials.tolist(), strict=True)],
        "equal_numbers": alike(config), "power": evidence.powers, "elsewhere": evidence.elsewhere,
        "provenance": evidence.provenance}


def _arms(evidence: StudyEvidence, decisive: Evaluation) -> dict[str, dict[str, Any]]:
    """Every arm: what it adds, its scores, and against nothing added its recovery, gain by materials and harm."""
    config, nothing, real = evidence.config, evidence.config.nothing, evidence.config.equal_real
    rows, scores = {}, decisive.arms()
    for name, arm in config.arms.items():
        added = evidence.numbers[name]
        comparable = real is not None and name not in (nothing, real) and added == evidence.numbers[real]
        curve = None if name == nothing else gain_by_materials(decisive, name, nothing) | {"groups": [
            {"space_group": evidence.space_groups[row["class_idx"]], "estimate": row["estimate"],
             "training_materials": int(evidence.materials[row["class_idx"]])}
            for row in decisive.groups(name, nothing)]}
        rows[name] = {
            **arm.model_dump(mode="json"), "stacks_added": sum(added.values()), "told_numbers": told_numbers(added),
            "images": config.training(name, config.seeds[0]).images, "scores": scores[name],
            "recovery": {shot: recovery(decisive, name, nothing, real, shot) for shot in members(decisive)}
            if comparable and real is not None else None,
            "by_materials": curve, "harmed": [] if name == nothing else [
                {"space_group": evidence.space_groups[row["class_idx"]], **row}
                for row in harmed(decisive, name, nothing)]}
    return rows


def _place(evidence: StudyEvidence, where: str, condition: Condition, crystals: str, evaluation: Evaluation
           ) -> dict[str, Any]:
    """What all arms score on one set of crystals under a condition, their gains, and the question asked there."""
    config = evidence.config
    return {"where": where, "condition": condition, "crystals": crystals, "units": evaluation.trials.n_units,
            "samples": len(evaluation.trials.class_idx), "arms": evaluation.arms(),
            "gains": contrasts(evaluation, [(name, config.nothing) for name in config.arms if name != config.nothing]),
            "primary": evaluation.primary() if config.judgement.primary.shot in evaluation.shots() else None}


def study_table(report: dict[str, Any]) -> Table:
    """Every arm's recall, gains and recovery on the decisive crystals, for a terminal."""
    config = report["provenance"]["config"]
    shots = [shot for shot in SHOTS if shot in {row["shot"] for row in report["contrasts"]}]
    table = Table(title=f"{config['conditions'][0]}, {config['crystals']} test crystals; percent, and gains over "
                  f"{config['nothing']} in points with corrected intervals", box=None, title_justify="left")
    for name in ("arm", "stacks", *(f"{shot}: recall, gain" for shot in shots), "recovery, few"):
        table.add_column(name, justify="left" if name == "arm" else "right", no_wrap=True)
    gains = {(row["arm"], row["shot"]): row for row in report["contrasts"] if row["reference"] == config["nothing"]}
    for name, arm in report["arms"].items():
        cells = []
        for shot in shots:
            score = arm["scores"]["balanced_accuracy" if shot == "all" else f"{shot}_recall"]
            gain = gains.get((name, shot))
            cells.append(percent(score["estimate"]) + ("" if gain is None else
                         f", {points(gain['estimate'])} ({wording.spread(gain['corrected'])}) {gain['verdict']}"))
        few = (arm["recovery"] or {}).get("few")
        table.add_row(name, str(arm["stacks_added"]), *cells,
                      "" if few is None else f"{times(few['estimate'])} ({times(few['low'])} to {times(few['high'])})")
    return table
