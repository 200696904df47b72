"""bench pose: how well the pose of raw frames is found from the image alone, and how often that is refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from cbedgan.bench.pose.raw_frames import RawFrame, raw_frame
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress
from classifier.pattern.condition import Condition
from classifier.pattern.geometry import Detector
from classifier.pattern.measurement import CONDITIONS, copy_seeds, measured
from classifier.pose.measure import AZIMUTH_DEGREE, CENTRE_PIXELS, LENGTH, MeasuredPose, measure_pose
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of

VISIBLE = TIE = 0.02
SAME = 0.1  # relative, of two vectors that are meant to be one
QUANTILES = {"median": 0.5, "p95": 0.95}


@dataclass(frozen=True)
class PoseErrors:
    """Of one answered frame: of the centre in pixels; of g1 from the nearest lattice vector, relative and in degrees.

    same_length, same_g: whether g1 is as long as the true one, and the very one (mates of it are not).
    """

    centre: float
    length: float
    azimuth: float
    same_length: bool
    same_g: bool

    @property
    def lattice_right(self) -> bool:
        """Whether the errors beside the choice of g1 are within the bounds: asked of nineteen of twenty."""
        return self.centre < CENTRE_PIXELS and self.length < LENGTH and self.azimuth < AZIMUTH_DEGREE


def bench_pose(stacks: Path, split: Path | None, *, part: str, conditions: Sequence[Condition], most: int, seed: int,
               radius_known: bool) -> list[dict[str, Any]]:
    """Poses of raw frames of a simulated set's crystals beside the truth, one dictionary a condition.

    Parameters
    ----------
    stacks, split, part : the stack file; split.json and the part of it, or None: every stack
    conditions : of the measurement; their errors of pose are left out, the frames have their own
    most, seed : crystals drawn at random, one frame each, and the seed of all that is drawn
    radius_known : whether the radius of the disks is told, as it is where the convergence angle is known
    """
    with StackFile(stacks) as file:
        rows = np.arange(len(file)) if split is None else rows_of(
            file, load_split(split, stack_digest=file.identity).parts[part])
        table = file.table.take(np.sort(np.random.default_rng(seed).permutation(rows)[:most]))
    frames: list[RawFrame] = []
    with progress("simulate raw frames", len(table)) as bar:
        for row in range(len(table)):
            draw = np.random.default_rng([seed, *copy_seeds([table.sample_id[row]])])
            axis = int(draw.integers(3))
            frames.append(raw_frame(table.provenance[row], table.zone_axis_uvw[row, axis],
                                    float(table.shortest_g_inv_angstrom[row, axis]), draw))
            bar.advance()
    return [_figures(frames, condition, seed, radius_known) for condition in conditions]


def _figures(frames: list[RawFrame], condition: Condition, seed: int, radius_known: bool) -> dict[str, Any]:
    config = CONDITIONS[condition].model_copy(update={"centre_pixels": 0.0, "scale": 0.0, "azimuth_degree": 0.0,
                                                      "distortion": None})
    errors, refusals = [], Counter()
    with progress(f"bench pose, {condition}", len(frames)) as bar:
        for number, frame in enumerate(frames):
            pattern = measured(torch.from_numpy(frame.image)[None, None], config, copy_seeds([number], seed=seed))
            try:
                found = measure_pose(pattern[0, 0].numpy(), Detector(len(frame.image), 1.0, "pixel"), visible=VISIBLE,
                                     tie=TIE, disk_radius=frame.radius if radius_known else None)
                errors.append(pose_errors(found, frame))
            except InputError as error:
                refusals[error.rule] += 1
            bar.advance()
    columns = {name: [getattr(one, name) for one in errors] for name in ("centre", "length", "azimuth")}
    return {"condition": condition, "frames": len(frames), "answered": len(errors), "refusals": dict(refusals),
            "lattice_right": sum(one.lattice_right for one in errors),
            "right": sum(one.lattice_right and one.same_length for one in errors),
            "same_g": sum(one.lattice_right and one.same_g for one in errors),
            **{f"{name}_{short}": float(np.quantile(values, share)) if values else float("nan")
               for name, values in columns.items() for short, share in QUANTILES.items()}}


def pose_errors(found: MeasuredPose, truth: RawFrame) -> PoseErrors:
    """What a pose found in pixels of a frame is wrong by."""
    g = found.pose.shortest_g
    near = np.round(g @ np.linalg.inv(truth.basis)) @ truth.basis
    length, true_length = np.hypot(*near), np.hypot(*truth.shortest_g)
    if length == 0:
        near, length = np.array([1e-9, 0.0]), 1e-9
    turn = abs(np.degrees(np.angle(complex(*g) / complex(*near))))
    return PoseErrors(float(np.hypot(*(found.pose.centre - truth.centre))), float(abs(np.hypot(*g) / length - 1)),
                      float(turn), bool(abs(length / true_length - 1) < TIE),
                      bool(np.hypot(*(g - truth.shortest_g)) < SAME * true_length))


def report(figures: Sequence[dict[str, Any]]) -> Table:
    """The figures of several conditions as a table."""
    table = Table("condition", "frames", "answered", "centre, lattice right", "and g1 as long", "centre px",
                  "|g1|", "azimuth", "refused because", box=None, header_style="dim")
    for one in figures:
        answered = max(one["answered"], 1)
        table.add_row(
            one["condition"], str(one["frames"]), str(one["answered"]), f"{one['lattice_right'] / answered:.1%}",
            f"{one['right'] / answered:.1%}", f"{one['centre_median']:.2f} ({one['centre_p95']:.2f})",
            f"{one['length_median']:.2%} ({one['length_p95']:.2%})",
            f"{one['azimuth_median']:.2f} ({one['azimuth_p95']:.2f}) degree",
            "; ".join(f"{count} {rule}" for rule, count in one["refusals"].items()))
    return table
