"""Which synthetic stacks are accepted, and by what name the others are rejected; every limit comes from real stacks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from classifier.config import Config

REASONS = ("not_finite", "out_of_range", "class_probability", "realism", "copy")
ACCEPTED = len(REASONS)
"""Code of an accepted stack; smaller codes index REASONS."""
ROWS = 1024
"""Rows of a distance matrix held at a time."""
PROBED_REALS = 2048
"""Real stacks on which the distance between different materials is measured at most."""


class AcceptanceConfig(Config):
    """Limits of the five tests.

    interior_probability, boundary_probability: least probability that the second classifier must give to the claimed
    class, or to both classes of a boundary stack together; range_factor: by how much sums and peak of the patterns may
    leave the range of real ones; neighbours: k of the distance to real features; realism_quantile: of that distance
    among real stacks, the class radius; realism_factor: multiplies the radius; small_class: classes of fewer materials
    take the radius of all; copy_quantile: of the nearest distances between real stacks of different materials, below
    which a synthetic stack counts as a copy.
    """

    interior_probability: float
    boundary_probability: float
    range_factor: float
    neighbours: int
    realism_quantile: float
    realism_factor: float
    small_class: int
    copy_quantile: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Stacks to judge: x [n, 3, H, W] normalised for the classifier, and their intensity.

    probability [n, K] and features [n, F] come from the second classifier; claimed: int64 [n, 2], the classes of a
    boundary stack, the same class twice for an interior one.
    """

    x: Tensor
    intensity: Tensor
    probability: Tensor
    features: Tensor
    claimed: Tensor


@dataclass(frozen=True, eq=False)
class Reference:
    """What real training stacks look like: x [N, D], features [N, F], class_idx [N]; radius [K] of each class in
    features; copy_distance in x; lowest and highest sum of a pattern; highest pixel."""

    x: Tensor
    features: Tensor
    class_idx: Tensor
    neighbours: int
    radius: Tensor
    copy_distance: float
    sum_range: tuple[float, float]
    peak: float

    @classmethod
    def fit(cls, x: Tensor, intensity: Tensor, features: Tensor, class_idx: Tensor, material: np.ndarray,
            config: AcceptanceConfig, *, classes: int) -> Reference:
        """Measure the limits on real training stacks: x, intensity [N, 3, H, W], features [N, F] and labels [N]."""
        code = torch.from_numpy(np.unique(material, return_inverse=True)[1])
        sums = intensity.double().sum((-2, -1))
        flat = x.flatten(1)
        return cls(flat, features, class_idx, config.neighbours,
                   class_radius(features, class_idx, code, config, classes=classes),
                   _copy_distance(flat, code, config.copy_quantile), (float(sums.min()), float(sums.max())),
                   float(intensity.max()))


def judge(batch: Batch, reference: Reference, config: AcceptanceConfig) -> Tensor:
    """Return for each stack the index of the first of REASONS that rejects it, or ACCEPTED, int64 [n]."""
    finite = torch.isfinite(batch.x).flatten(1).all(1) & torch.isfinite(batch.intensity).flatten(1).all(1)
    sums = batch.intensity.double().sum((-2, -1))
    low, high = reference.sum_range
    inside = ((sums >= low / config.range_factor) & (sums <= high * config.range_factor)).all(1)
    inside &= batch.intensity.flatten(1).amax(1) <= reference.peak * config.range_factor
    first, second = batch.claimed.T
    boundary = first != second
    claimed = batch.probability.gather(1, batch.claimed)
    probability = claimed[:, 0] + torch.where(boundary, claimed[:, 1], 0)
    least = torch.where(boundary, config.boundary_probability, config.interior_probability)
    near = torch.stack([real_distance(batch.features, reference, column) <= config.realism_factor
                        * reference.radius[column] for column in (first, second)]).any(0)
    novel = nearest_distance(batch.x.flatten(1), reference.x) >= reference.copy_distance
    passed = torch.stack([finite, inside, probability >= least, near, novel])
    return torch.where(passed.all(0), ACCEPTED, (~passed).to(torch.uint8).argmax(0))


def real_distance(features: Tensor, reference: Reference, class_idx: Tensor) -> Tensor:
    """Distance [n] of features [n, F] to their k-th nearest real stack of the class class_idx [n] (the farthest of
    fewer; infinite where the class has none)."""
    found = []
    for part, classes in zip(features.split(ROWS), class_idx.split(ROWS), strict=True):
        distance = torch.cdist(part, reference.features)
        found.append(_kth(distance, reference.class_idx[None] == classes[:, None], reference.neighbours))
    return torch.cat(found) if found else features.new_zeros(0)


def nearest_distance(x: Tensor, real: Tensor) -> Tensor:
    """Distance [n] of each row of x [n, D] to the nearest row of real [N, D]."""
    found = [torch.cdist(part, real).amin(1) for part in x.split(ROWS)]
    return torch.cat(found) if found else x.new_zeros(0)


def class_radius(features: Tensor, class_idx: Tensor, material: Tensor, config: AcceptanceConfig, *,
                 classes: int) -> Tensor:
    """Radius [K]: quantile of the distance of real stacks to their k-th neighbour of another material of their class.

    In classes of fewer than `small_class` materials it would rest on next to nothing: they take that of all stacks.
    """
    found = []
    for rows in torch.arange(len(features)).split(ROWS):
        usable = (class_idx[rows, None] == class_idx[None]) & (material[rows, None] != material[None])
        found.append(_kth(torch.cdist(features[rows], features), usable, config.neighbours))
    distance = torch.cat(found)
    measured = torch.isfinite(distance)
    pooled = distance[measured].quantile(config.realism_quantile) if measured.any() else distance.new_tensor(torch.inf)
    radius = pooled.repeat(classes)
    for k in range(classes):
        own = measured & (class_idx == k)
        if len(material[own].unique()) >= config.small_class:
            radius[k] = distance[own].quantile(config.realism_quantile)
    return radius


def _copy_distance(x: Tensor, material: Tensor, quantile: float) -> float:
    """Quantile of the distance from a real stack to the nearest of another material; 0 with a single material."""
    rows = torch.linspace(0, len(x) - 1, min(len(x), PROBED_REALS)).round().long()
    nearest = []
    for part in rows.split(ROWS):
        distance = torch.cdist(x[part], x)
        nearest.append(distance.masked_fill(material[part, None] == material[None], torch.inf).amin(1))
    nearest = torch.cat(nearest)
    nearest = nearest[torch.isfinite(nearest)]
    return float(nearest.quantile(quantile)) if len(nearest) else 0.0


def _kth(distance: Tensor, usable: Tensor, k: int) -> Tensor:
    """k-th smallest usable entry of each row [n, N], or the largest where fewer are usable; infinite without any."""
    nearest = distance.masked_fill(~usable, torch.inf).topk(min(k, distance.shape[1]), largest=False).values
    available = usable.sum(1).clamp(1, nearest.shape[1])
    return nearest.gather(1, available[:, None] - 1)[:, 0]
