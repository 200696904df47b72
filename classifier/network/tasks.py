"""What can be learned beside the space group: which tasks there are, and their targets from a sample table.

Targets are columns side by side; a row that lacks one is NaN there. They are never an input.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import gemmi
import numpy as np
from pydantic import Field

from classifier.crystal.levels import level_index
from classifier.crystal.spacegroup import CRYSTAL_SYSTEMS
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError, reported
from classifier.samples.sampletable import SampleTable

Task = Literal["cell_lengths", "cell_angles", "d_spacings", "beam_energy", "crystal_system", "elements"]
ELEMENTS: tuple[str, ...] = tuple(gemmi.Element(number).name for number in range(1, 104))
# Columns of each task. Lengths, spacings and energy are logarithms: their errors are relative.
COLUMNS: dict[Task, tuple[str, ...]] = {
    "cell_lengths": ("log a", "log b", "log c"),  # angstrom, of the cell in the table: the conventional one
    "cell_angles": ("alpha", "beta", "gamma"),  # degree, of the same cell
    "d_spacings": ("log d1", "log d2", "log d3"),  # angstrom, of each pattern's shortest visible reflection
    "beam_energy": ("log energy",),  # keV
    "crystal_system": CRYSTAL_SYSTEMS,  # one of them is 1
    "elements": ELEMENTS,  # 1 where the formula has the element
}
CLASSES: tuple[Task, ...] = ("crystal_system",)
PRESENCES: tuple[Task, ...] = ("elements",)


class TasksConfig(Config):
    """weights: of the tasks' losses beside the space group's, which counts 1; each in units of its best constant guess.

    weighting: "fixed", or "uncertainty": a log variance for every loss, the space group's too, is learned from where
    the weights set it (Kendall, Gal and Cipolla 2018, arXiv 1705.07115).
    """

    weights: Annotated[dict[Task, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    weighting: Literal["fixed", "uncertainty"] = "fixed"


def refuse_leak(tasks: TasksConfig | None, pose_input: bool, unordered: str | None = None) -> None:
    """Refuse (InputError) a task whose answer is among the inputs, or that needs an order of the patterns.

    unordered: the setting that takes their order from them; None: they have one.
    """
    if tasks is None or "d_spacings" not in tasks.weights:
        return
    if pose_input:
        raise InputError(source="model.tasks", rule="no task may be answered by an input",
                         value="d_spacings beside pose_input, which holds |g1| = 1 / d", remedy="Leave one out.")
    if unordered is not None:
        raise InputError(source="model.tasks", rule="d_spacings are those of patterns in their order",
                         value=unordered, remedy="Leave one of them out.")


def columns_of(tasks: Sequence[Task]) -> dict[Task, slice]:
    """Where each task's columns lie when those of all tasks stand side by side, in the order of COLUMNS."""
    present: list[Task] = [task for task in COLUMNS if task in tasks]
    ends = np.cumsum([0, *(len(COLUMNS[task]) for task in present)]).tolist()
    return {task: slice(first, last) for task, first, last in zip(present, ends, ends[1:], strict=False)}


def targets(table: SampleTable, tasks: Sequence[Task], *, source: object) -> np.ndarray:
    """Targets float32 [N, T] of N samples, columns as in columns_of; NaN where the table does not know."""
    every = {"cell_lengths": lambda: _log(table.cell_lengths_angstrom),
             "cell_angles": lambda: table.cell_angles_degree,
             "d_spacings": lambda: -_log(table.shortest_g_inv_angstrom),
             "beam_energy": lambda: _log(table.beam_energy_kev)[:, None],
             "crystal_system": lambda: _system(table.space_group),
             "elements": lambda: np.array([_presence(one, source) for one in table.formula]).reshape(-1, len(ELEMENTS))}
    return np.concatenate([every[task]() for task in columns_of(tasks)], axis=1).astype(np.float32)


def check_training_targets(values: np.ndarray, tasks: Sequence[Task], *, source: object) -> None:
    """Refuse (InputError) tasks that the training part [N, T] cannot teach: unknown targets, or an energy for all."""
    for task, columns in columns_of(tasks).items():
        unknown = ~np.isfinite(values[:, columns]).all(1)
        if unknown.any():
            raise InputError(source=source, rule=f"the task {task} needs its target for every training sample",
                             value=f"{int(unknown.sum())} of {len(values)} unknown",
                             remedy="Leave the task out, or complete the table.")
        if task == "beam_energy" and np.ptp(values[:, columns]) < 1e-6:
            raise InputError(source=source, rule="the task beam_energy needs more than one energy",
                             value=f"{np.exp(values[0, columns][0]):g} keV everywhere", remedy="Leave the task out.")


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.where(values > 0, values, np.nan))


def _system(space_group: np.ndarray) -> np.ndarray:
    """Crystal system one-hot [N, 7]; NaN where the group is unknown."""
    labelled = space_group > 0
    rows = np.full((len(space_group), len(CRYSTAL_SYSTEMS)), np.nan)
    rows[labelled] = np.eye(len(CRYSTAL_SYSTEMS))[level_index(space_group[labelled], "crystal_system")]
    return rows


def _presence(formula: str, source: object) -> np.ndarray:
    """Which elements a formula such as "SrTiO3" names, 0 or 1 [103]; NaN for an empty one."""
    with reported(f"{source}, formula {formula}", rule="must be symbols of elements with numbers behind them",
                  remedy="Correct it, or leave the task elements out."):
        if re.sub(r"[A-Z][a-z]?[\d.]*|[()\[\]\s]\d*", "", formula):
            raise ValueError(formula)
        row = np.full(len(ELEMENTS), np.nan if not formula else 0.0)
        row[[ELEMENTS.index(symbol) for symbol in re.findall(r"[A-Z][a-z]?", formula)]] = 1
        return row
