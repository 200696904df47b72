"""predict --explain: what symmetry each stack's patterns show, which of the answered groups agree, and pictures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.text import Text

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import Basis
from classifier.explanation.agreement import Agreement, agreement
from classifier.explanation.figure import explained_stack
from classifier.explanation.shown import ShownSymmetry, shown_symmetries
from classifier.explanation.words import claims, group_line, pattern_line
from classifier.foundation.atomic import atomic_path
from classifier.foundation.run import progress
from classifier.pattern.condition import Condition
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.measurement import CONDITIONS, measured_copy
from classifier.prediction.answer_table import SHOWN
from classifier.prediction.answers import Answer
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import load_physical


def explain_answers(answers: Sequence[Answer], stacks: Path, view: ViewConfig, condition: Condition = "ideal", *,
                    pictures: Path | None = None) -> list[Answer]:
    """The answers with explanations, which come from the patterns alone, whatever the classifier.

    Parameters
    ----------
    answers, stacks, view, condition : one for each stack of the file, in its order; what the classifier saw of it
    pictures : folder for one PNG a stack, named by its sample id
    """
    with StackFile(stacks) as file:
        intensity, table, frame = load_physical(file, view)
        radius, field, bases = disk_radii(table, file.detector), field_radii(table, file.detector), disk_bases(table)
    intensity = measured_copy(torch.from_numpy(intensity), table.sample_id.tolist(), CONDITIONS[condition]).numpy()
    explained = []
    with progress("explain", len(answers)) as bar:
        for answer, stack, radii, fields, known, basis in zip(answers, intensity, radius, field, untilted(table), bases,
                                                              strict=True):
            shown = shown_symmetries(stack, frame.detector, [value if np.isfinite(value) else None for value in radii],
                                     fields, known, basis)
            groups = [agreement(group, shown) for group, _ in answer.groups]
            line = group_line(groups[0], groups[1:])
            explained.append(replace(answer, explanation=(*claims(shown), _of_groups(groups, line, shown))))
            if pictures is not None:
                _draw(pictures, answer, stack, frame.detector, shown, line)
            bar.advance()
    return explained


def disk_radii(table: SampleTable, detector: Detector) -> np.ndarray:
    """Radius of the disks of each pattern in units of the file's detector, float64 [N, 3]; NaN where it is unknown."""
    wavelength = np.array([[wavelength_angstrom(energy) if np.isfinite(energy) else np.nan]
                           for energy in table.beam_energy_kev.tolist()]).reshape(-1, 1)
    return (table.convergence_semi_angle_mrad * 1e-3 / wavelength / table.pixel_size_inv_angstrom
            * detector.pixel_size)


def field_radii(table: SampleTable, detector: Detector) -> np.ndarray:
    """How far from the middle of each pattern the import had light all around, as disk_radii; inf where all is in it.

    Beyond a turned field there is nothing, and its edges are no feature of the crystal.
    """
    reach = [told.get("field_inv_angstrom", [np.inf] * 3) for told in _provenance(table)]
    field = np.array(reach, dtype=np.float64).reshape(-1, 3) / table.pixel_size_inv_angstrom * detector.pixel_size
    return np.where(np.isfinite(field), field, np.inf)


def disk_bases(table: SampleTable) -> list[list[Basis | None]]:
    """The lattice of each pattern's disks that the import found, in |g1| and canonical pose; None: none is told."""
    return [[None if one is None else np.array(one, dtype=np.float64) for one in told.get("disk_lattice") or [None] * 3]
            for told in _provenance(table)]


def untilted(table: SampleTable) -> list[bool]:
    """Whether the beam is known to run along the axis: not where it was measured, or a simulated specimen tilted."""
    return [origin != "experimental" and "specimen" not in told
            for origin, told in zip(table.origin.tolist(), _provenance(table), strict=True)]


def _provenance(table: SampleTable) -> list[dict[str, Any]]:
    """What each row tells of itself; rows of other programs tell nothing that is known here."""
    told = []
    for text in table.provenance.tolist():
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            content = {}
        told.append(content if isinstance(content, dict) else {})
    return told


def explanation_text(answers: Sequence[Answer]) -> Text:
    """For the terminal: the first SHOWN stacks, a line for each pattern and one for the groups."""
    text = Text()
    for answer in answers[:SHOWN]:
        *_, groups = answer.explanation or ({},)
        text.append(f"\n{answer.sample_id}\n", style="bold")
        for number, line in enumerate(groups.get("patterns", []), 1):
            text.append(f"  pattern {number}: {line}\n")
        text.append(f"  {groups.get('text', '')}\n", style="dim")
    return text


def _of_groups(groups: Sequence[Agreement], line: str, shown: Sequence[ShownSymmetry]) -> dict[str, Any]:
    """The last entry of an explanation: what it says of the groups of the answer."""
    return {"claim": "groups", "text": line, "agrees": not groups[0].excluded,
            "excluded": [one.space_group for one in groups if one.excluded],
            "zone_axes": [None if axis is None else list(axis.zone_axis_uvw) for axis in groups[0].axes],
            "patterns": [f"{one.symbol}: {pattern_line(one)}" for one in shown]}


def _draw(folder: Path, answer: Answer, stack: np.ndarray, detector: Detector, shown: Sequence[ShownSymmetry],
          line: str) -> None:
    png = explained_stack(stack, detector, shown, title=answer.sample_id, below=line)
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in answer.sample_id)
    with atomic_path(Path(folder) / f"{name}.png") as temporary:
        temporary.write_bytes(png)
