"""What a study is about to do, and which difference its test part can tell: printed before anything runs."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from cbedgan.comparison.wording import SHOT_RULES
from cbedgan.study.added import Numbers, alike
from cbedgan.study.study_config import StudyConfig
from classifier.foundation.page import plain_text
from classifier.inspection.power import KIND_NAMES, powers_of
from classifier.samples.split import Split
from classifier.samples.stackfile import SampleTable
from classifier.statistics.metrics import shot_class


def power_rows(config: StudyConfig, table: SampleTable, split: Split, materials: np.ndarray) -> list[dict[str, Any]]:
    """What the test part can tell with the study's seeds, by kind of crystal; differences are shares.

    Parameters
    ----------
    config : of the study
    table, split : of the real stacks
    materials : int [K], training materials
    """
    part = np.where(np.isin(table.sample_id, split.parts["test"]), "test", "")
    few = np.asarray(split.space_groups)[shot_class(materials) == "few"].tolist()
    return [asdict(row) for row in powers_of(table, part, "test", few, len(config.seeds))]


def question(config: StudyConfig) -> str:
    """The one question, in a sentence."""
    primary = config.judgement.primary
    return (f"The question fixed beforehand: {config.labels[primary.arm]} against {config.labels[primary.reference]}, "
            f"mean recall of the groups with {SHOT_RULES[primary.shot]} training materials, on {judged_on(config)}.")


def judged_on(config: StudyConfig) -> str:
    """On which test crystals and under which condition the question is answered."""
    kind = "" if config.crystals == "all" else f"{KIND_NAMES[config.crystals]} "
    return f"{kind}test crystals under the condition {config.conditions[0]}"


def plan_text(config: StudyConfig, numbers: Numbers, powers: list[dict[str, Any]], *, trainings: int, done: int,
              images: int) -> str:
    """The arms with what they add, the trainings and the power, as plain text.

    Parameters
    ----------
    config, numbers, powers : of the study
    trainings, done, images : how many there are and are finished, and stacks seen in all
    """
    draws = f"{len(config.source_seeds)} draws of what is added" if len(config.source_seeds) > 1 else "one draw"
    heads = sum(arm.post_hoc is not None for arm in config.arms.values()) * len(config.seeds)
    lines = [f"{len(config.arms)} arms x {len(config.seeds)} seeds: {trainings} trainings, {done} of them finished, "
             f"{images:,} stacks seen in all{f', and {heads} heads to mend' if heads else ''}; {draws}."]
    for members in alike(config):
        if len(members) > 1:
            lines.append(f"Equal numbers in every group: {', '.join(members)} ({told_numbers(numbers[members[0]])}).")
    return plain_text(question(config), *lines, "", arm_table(config, numbers), power_table_of_seeds(powers, config))


def arm_table(config: StudyConfig, numbers: Numbers) -> Table:
    """Every arm with what it adds and what else differs, to print."""
    table = Table("arm", "source", "stacks", "a group", "of the classifier", box=None, pad_edge=False,
                  header_style="dim")
    table.columns[2].justify = "right"
    for name, arm in config.arms.items():
        own = [f"{key} = {value}" for key, value in arm.classifier.items()]
        own += [] if arm.post_hoc is None else [f"post_hoc = {arm.post_hoc.kind}"]
        source = " ".join(filter(None, (arm.source, arm.kind, "shuffled" if arm.shuffled else "")))
        table.add_row(name, source, str(sum(numbers[name].values())), told_numbers(numbers[name]), ", ".join(own))
    return table


def told_numbers(numbers: dict[int, int]) -> str:
    """How many groups get how many stacks, e.g. "20 in 26 groups, 15 in 1"."""
    counts = Counter(numbers.values()).most_common()
    said = [f"{number} in {groups}" for number, groups in counts[:3]]
    if said:
        said[0] += " groups" if counts[0][1] > 1 else " group"
    return ", ".join(said + (["..."] if len(counts) > 3 else []))


def power_table_of_seeds(powers: list[dict[str, Any]], config: StudyConfig) -> Table:
    """Which difference of balanced accuracy each kind of test crystal can tell, in points, to print."""
    within = list(powers[0]["detectable"]) if powers else []
    table = Table("test crystals", "groups", "structure types", "materials",
                  *(f"correlation in a type {one}" for one in within), box=None, pad_edge=False, header_style="dim",
                  title="Difference of balanced accuracy, in points, that is found in four of five studies of "
                  f"{len(config.seeds)} seeds", title_justify="left")
    for row in powers:
        table.add_row(KIND_NAMES[row["kind"]], f"{row['groups']} {'few-shot' if row['shots'] == 'few' else ''}".strip(),
                      str(row["structure_types"]), str(row["materials"]),
                      *(f"{100 * value:.1f}" for value in row["detectable"].values()))
    return table
