"""All figures of a generator: generated stacks of the classes of the real ones, and real stacks in their place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cbedgan.fidelity.brightness import brightness_figures
from cbedgan.fidelity.collapse import collapsed, spread_ratio
from cbedgan.fidelity.coverage import Balls
from cbedgan.fidelity.disks import disk_figures
from cbedgan.fidelity.halves import HALVINGS, Halvings, sample_rows
from cbedgan.fidelity.memorisation import Neighbours, Training
from cbedgan.fidelity.realness import Learner, convolutional, largest_auc, logistic, pixel_vectors
from cbedgan.fidelity.symmetry import shown_symmetries, symmetry_figures
from cbedgan.likeness.accuracy import accuracy_score
from cbedgan.likeness.bars import summary
from cbedgan.likeness.distances import distances, floor_of_kid, pooled
from cbedgan.likeness.measured_stacks import MeasuredStacks, Ruler
from cbedgan.likeness.unseen import UnseenFeatures, unseen_kid
from classifier.crystal.spacegroup import ClassMap
from classifier.samples.dataset import StackSet
from classifier.statistics.metrics import SHOT_CLASSES, materials_per_class, shot_class

WILD = 2.0  # times the largest |x| of real stacks: what a generator draws beyond counts as this


@dataclass(frozen=True)
class Effort:
    """How much to measure: stacks: real ones at most, and as many generated; seed: of every choice; least_of_group:
    generated stacks of every group at least; network_epochs: of the convolutional network that tells real from
    generated, 0 for none; disk_patterns: whose disk lattice is looked for, of each origin."""

    stacks: int
    seed: int
    least_of_group: int = 0
    network_epochs: int = 0
    disk_patterns: int = 0


@dataclass(frozen=True, eq=False)
class Assessment:
    """figures: plain numbers; real, made: what they are of; neighbours: nearest training stack of each made one;
    nearness: its distance [M] over that between training stacks of its group, 0 for a copy."""

    figures: dict[str, Any]
    real: MeasuredStacks
    made: MeasuredStacks
    neighbours: Neighbours
    nearness: Tensor


def measure(samples: StackSet, generate: Callable[[Tensor], Tensor], ruler: Ruler, effort: Effort, *,
            held_out: StackSet | None = None, unseen: Sequence[UnseenFeatures] = ()) -> Assessment:
    """Compare generated stacks with real ones, "generated" and "real" (the floor) side by side.

    The real stacks are halved by material; one half, and generated stacks of the same classes, are compared with the
    other half by the same functions.

    Parameters
    ----------
    samples : the train part
    generate : class_idx [M] -> x [M, C, *spatial]
    ruler : by what both are measured
    effort : how much of them
    held_out : real stacks of no material of the train part, for what needs such
    unseen : see unseen_kid
    """
    class_map, seed = ruler.class_map, effort.seed
    rows = sample_rows(samples.class_idx.cpu().numpy(), effort.stacks, seed)
    chosen = torch.from_numpy(rows)
    real = ruler.measured(samples.x[chosen.to(samples.x.device)].cpu(), samples.class_idx.cpu()[chosen],
                          samples.material[rows])
    # The first are of the classes of the real stacks, one by one; then come some of the groups that have few.
    lacking = (effort.least_of_group - torch.bincount(real.class_idx, minlength=len(class_map))).clamp(min=0)
    lacking = lacking * torch.bincount(real.class_idx, minlength=len(class_map)).clamp(max=1)
    wanted = torch.cat([real.class_idx, torch.arange(len(class_map)).repeat_interleave(lacking)])
    drawn = _tamed(generate(wanted), WILD * float(real.x.abs().max()))
    made = ruler.measured(drawn, wanted, np.arange(len(wanted)))
    paired = made.take(torch.arange(len(real)))
    materials = materials_per_class(samples.class_idx.cpu().numpy(), samples.material, len(class_map))
    shot = shot_class(materials)

    shown = None if real.residuals is None else shown_symmetries(real.residuals, real.class_idx, len(class_map))
    halvings = Halvings.draw(real.class_idx.numpy(), real.unit, HALVINGS, seed)
    figures = _against_floor(real, paired, halvings, shot, shown, seed)
    training = Training.of(real.x, real.class_idx, torch.from_numpy(real.unit))
    neighbours = training.nearest(made.x)
    kind = shot[real.class_idx.numpy()]
    copied = {"": training.figures(neighbours.take(torch.arange(len(real))))} | {
        name: training.figures(neighbours.take(torch.from_numpy(np.flatnonzero(kind == name)))) for name in
        figures["shots"]}
    for name, of_shot in figures["shots"].items():
        of_shot["copies"] = copied[name]
    figures["spread"] = _spread(made, real, halvings, class_map)
    figures |= {"copies": copied[""], "realness": _realness(real, paired, halvings, effort),
                "groups": _groups(real, made, neighbours, training, shown, figures["spread"], class_map, materials)}
    if made.x.ndim == 4 and effort.disk_patterns:
        figures["disks"] = _disks(real, paired, ruler, effort)
    if held_out is not None and len(held_out):
        figures |= _held_out(real, paired, ruler.measured(
            held_out.x.cpu(), held_out.class_idx.cpu(), held_out.material), training, shot, seed)
    if unseen:
        figures["unseen"] = unseen_kid(real, paired, samples.sample_id[rows], unseen, shot, seed)
    figures["summary"] = summary(figures)
    return Assessment(figures, real, made, neighbours, training.nearness(neighbours))


def _against_floor(real: MeasuredStacks, made: MeasuredStacks, halvings: Halvings, shot: np.ndarray,
                   shown: Tensor | None, seed: int) -> dict[str, Any]:
    """Distances to the reference half, of all groups and of each shot group pooled; samples: in that half."""
    def halves(of: Halvings) -> tuple[MeasuredStacks, MeasuredStacks, MeasuredStacks]:
        rows, pair, others, other_pair = of.rows(real.unit)
        first, second = torch.from_numpy(rows), torch.from_numpy(others)
        return (replace(made.take(first), unit=pair), replace(real.take(second), unit=other_pair),
                replace(real.take(first), unit=pair))

    generated, candidate, reference = halves(halvings)
    figures = {"samples": len(reference), "generated": pooled(generated, reference, shown, seed),
             "real": pooled(candidate, reference, shown, seed) | floor_of_kid(real, halvings)}
    shots = {}
    for name in SHOT_CLASSES:
        own = halvings.take(shot[halvings.class_idx] == name)
        if own.class_idx.size:
            generated, candidate, reference = halves(own)
            shots[name] = {"generated": distances(generated, reference, seed),
                           "real": distances(candidate, reference, seed) | floor_of_kid(real, own)}
    return figures | {"shots": shots}


def _spread(made: MeasuredStacks, real: MeasuredStacks, halvings: Halvings, class_map: ClassMap) -> dict[str, Any]:
    """Collapse of each space group: ratios of features and of pixels, either of which raises the alarm.

    alarm_real: the groups in which the candidate half of the real stacks would raise it.
    """
    def ratios(one: MeasuredStacks, other: MeasuredStacks) -> tuple[dict[int, float], dict[int, float]]:
        return (spread_ratio(one.f, one.class_idx, other.f, other.class_idx),
                spread_ratio(one.x, one.class_idx, other.x, other.class_idx))

    half = torch.from_numpy(np.isin(real.unit, halvings.candidate[0]))
    features, pixels = ratios(made, real)
    return {"ratio": {str(class_map.space_group(k)): value for k, value in features.items()},
            "pixels": {str(class_map.space_group(k)): value for k, value in pixels.items()},
            "median": float(np.median(list(features.values()))) if features else None,
            "alarm": [class_map.space_group(k) for k in collapsed(features, pixels)],
            "alarm_real": [class_map.space_group(k) for k in collapsed(*ratios(real.take(half), real))]}


def _tamed(x: Tensor, limit: float) -> Tensor:
    """x with values within -limit..limit, so that a generator that has diverged is measured, and not an error."""
    return x.nan_to_num(nan=limit).clamp(-limit, limit)


def _realness(real: MeasuredStacks, made: MeasuredStacks, halvings: Halvings, effort: Effort) -> dict[str, Any]:
    """AUC of real against generated by each view of the stacks, beside that of one real half against the other."""
    half = np.isin(real.unit, halvings.candidate[0])
    vectors = pixel_vectors(torch.cat([real.x, made.x]), effort.seed)
    views: dict[str, tuple[Tensor, Tensor, Learner]] = {
        "features": (real.f, made.f, logistic), "pixels": (vectors[:len(real)], vectors[len(real):], logistic)}
    if real.azimuthal is not None and made.azimuthal is not None:
        views["azimuthal"] = (real.azimuthal, made.azimuthal, logistic)
    if effort.network_epochs and real.x.ndim == 4:
        views["network"] = (real.x, made.x, convolutional(effort.network_epochs, effort.seed))
    return largest_auc(views, real.unit, half, effort.seed)


def _groups(real: MeasuredStacks, made: MeasuredStacks, neighbours: Neighbours, training: Training,
            shown: Tensor | None, spread: dict[str, Any], class_map: ClassMap, materials: np.ndarray
            ) -> list[dict[str, Any]]:
    """One row a space group, by number of training materials: what can be said of it alone."""
    balls = Balls.around(real.f, torch.from_numpy(real.unit))
    inside = None if balls is None else balls.holding(made.f)
    symmetry = {} if shown is None or made.residuals is None or real.residuals is None else symmetry_figures(
        made.residuals, made.class_idx, real.residuals, real.class_idx, shown).get("groups", {})
    rows = []
    for k in np.argsort(-materials, kind="stable").tolist():
        own, mine = real.class_idx == k, made.class_idx == k
        if not own.any():
            continue
        near = training.figures(neighbours.take(mine))
        number = class_map.space_group(k)
        row = {"space_group": number, "shot": str(shot_class(materials[k:k + 1])[0]),
               "materials": int(materials[k]), "generated": int(mine.sum()),
               "spread": spread["ratio"].get(str(number)), "spread_pixels": spread["pixels"].get(str(number)),
               "symmetry": symmetry.get(k, {}).get("ratio"),
               "symmetry_difference": symmetry.get(k, {}).get("difference"),
               "coverage": None if balls is None or inside is None else balls.coverage(inside[mine][:, own]),
               "copies": near.get("share"), "authenticity": near.get("authenticity")}
        if made.brightness is not None and real.brightness is not None:
            row |= brightness_figures(made.brightness.take(mine), real.brightness.take(own))
        rows.append(row)
    return rows


def _disks(real: MeasuredStacks, made: MeasuredStacks, ruler: Ruler, effort: Effort) -> dict[str, Any]:
    """Disk lattices of generated patterns and of real ones of the same groups, each of a pattern drawn of its stack."""
    random = np.random.default_rng([effort.seed, 4])
    rows = torch.from_numpy(random.permutation(len(real))[:effort.disk_patterns])
    which = torch.from_numpy(random.integers(real.x.shape[1], size=len(rows)))
    return {name: disk_figures(ruler.transform.denormalise(one.x[rows, which]).numpy(), ruler.frame.detector)
            for name, one in (("generated", made), ("real", real))}


def _held_out(real: MeasuredStacks, made: MeasuredStacks, others: MeasuredStacks, training: Training, shot: np.ndarray,
              seed: int) -> dict[str, Any]:
    """What unseen real stacks say: how near they lie to the training stacks, and how well groups are learned."""
    learned = {name: accuracy_score(one, others, shot, seed) for name, one in (("generated", made), ("real", real))}
    copies = training.figures(training.nearest(others.x))
    return {"held_out": {"samples": len(others), "copies": copies}, "accuracy": learned}
