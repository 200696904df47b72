"""Which synthetic stacks are accepted, and by what name the others are rejected; every limit comes from real stacks."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from classifier.foundation.config import Config

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
    among real stacks, their reach; realism_factor: multiplies it; small_class: classes of fewer materials take the
    reach of all classes into themselves; copy_quantile: of the nearest distances between real stacks of different
    materials, below which a synthetic stack counts as a copy.
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
class CandidateStacks:
    """Stacks to decide on: x [n, 3, H, W] normalised for the classifier, and their intensity.

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
    """What real training stacks look like: x [N, D], features [N, F], class_idx [N].

    reach: [K, K], how far in features real stacks of class i lie from class j (see `class_reach`); copy_distance: in x;
    sum_range: lowest and highest sum of a pattern; peak: highest pixel.
    """

    x: Tensor
    features: Tensor
    class_idx: Tensor
    reach: Tensor
    copy_distance: float
    sum_range: tuple[float, float]
    peak: float

    @classmethod
    def fit(cls, x: Float[Tensor, "N 3 H W"], intensity: Float[Tensor, "N 3 H W"], features: Float[Tensor, "N F"],
            class_idx: Int[Tensor, " N"], material: np.ndarray, config: AcceptanceConfig, *,
            classes: int) -> "Reference":
        """Measure the limits on real training stacks.

        Parameters
        ----------
        x, intensity : normalised, and physical
        features : that the second classifier gives
        class_idx, material : labels [N]
        config : of the limits
        classes : number of them
        """
        code = torch.from_numpy(np.unique(material, return_inverse=True)[1])
        sums, flat = intensity.double().sum((-2, -1)), x.flatten(1)
        return cls(flat, features, class_idx, class_reach(features, class_idx, code, config, classes=classes),
                   copy_distance(flat, code, config.copy_quantile), (float(sums.min()), float(sums.max())),
                   float(intensity.max()))


def decide(batch: CandidateStacks, reference: Reference, config: AcceptanceConfig) -> Int[Tensor, " n"]:
    """Return for each stack the index of the first of REASONS that rejects it, or ACCEPTED."""
    finite = torch.isfinite(batch.x).flatten(1).all(1) & torch.isfinite(batch.intensity).flatten(1).all(1)
    sums = batch.intensity.double().sum((-2, -1))
    low, high = reference.sum_range
    inside = ((sums >= low / config.range_factor) & (sums <= high * config.range_factor)).all(1)
    inside &= batch.intensity.flatten(1).amax(1) <= reference.peak * config.range_factor
    boundary = batch.claimed[:, 0] != batch.claimed[:, 1]
    claimed = batch.probability.gather(1, batch.claimed)
    probability = claimed[:, 0] + torch.where(boundary, claimed[:, 1], 0)
    least = torch.where(boundary, config.boundary_probability, config.interior_probability)
    novel = nearest_distance(batch.x.flatten(1), reference.x) >= reference.copy_distance
    passed = torch.stack([finite, inside, probability >= least, _realistic(batch, reference, config), novel])
    return torch.where(passed.all(0), ACCEPTED, (~passed).to(torch.uint8).argmax(0))


def _realistic(batch: CandidateStacks, reference: Reference, config: AcceptanceConfig) -> Bool[Tensor, " n"]:
    """Whether a stack lies no farther from its two claimed classes together than real stacks of either do.

    In the interior both are one class, and this is the class radius. A boundary stack must lie between its two
    classes, where it is far from each of them but the sum of the distances is that of the real stacks.
    """
    classes = batch.claimed.unique()
    distance = class_distance(batch.features, reference.features, reference.class_idx, config.neighbours, classes)
    column = torch.searchsorted(classes, batch.claimed)
    (a, b), reach = batch.claimed.T, reference.reach
    allowed = torch.maximum(reach[a, a] + reach[a, b], reach[b, b] + reach[b, a])
    return distance.gather(1, column).sum(1) <= config.realism_factor * allowed


def class_distance(features: Float[Tensor, "n F"], real: Float[Tensor, "N F"], class_idx: Int[Tensor, " N"],
                   neighbours: int, classes: Int[Tensor, " M"], same: tuple[Tensor, Tensor] | None = None
                   ) -> Float[Tensor, "n M"]:
    """Distance of features to their k-th nearest real stack of each class; infinite where a class has none.

    Parameters
    ----------
    features : to be measured
    real, class_idx : features and classes of the real stacks
    neighbours : k; where a class has fewer stacks, the farthest of them counts
    classes : which are asked for
    same : labels [n] and [N]; real stacks of the same label are not counted
    """
    distances = torch.full((len(features), len(classes)), torch.inf)
    for column, k in enumerate(classes.tolist()):
        members = torch.nonzero(class_idx == k)[:, 0]
        for rows in torch.arange(len(features)).split(ROWS) if len(members) else ():
            distance = torch.cdist(features[rows], real[members])
            usable = torch.ones_like(distance, dtype=torch.bool)
            if same is not None:
                usable = same[0][rows, None] != same[1][members]
            nearest = distance.masked_fill(~usable, torch.inf).topk(min(neighbours, len(members)), largest=False).values
            last = usable.sum(1).clamp(1, nearest.shape[1]) - 1
            distances[rows, column] = nearest.gather(1, last[:, None])[:, 0]
    return distances


def class_reach(features: Float[Tensor, "N F"], class_idx: Int[Tensor, " N"], material: Int[Tensor, " N"],
                config: AcceptanceConfig, *, classes: int) -> Float[Tensor, "K K"]:
    """Quantile, over real stacks of class i, of the distance to their k-th neighbour in class j.

    Stacks of the same material are no neighbours. The reach of a class into itself would rest on next to nothing where
    it has fewer than `small_class` materials: there that of all stacks is taken. NaN for a class without stacks.

    Parameters
    ----------
    features, class_idx, material : of the real stacks
    config : its quantile, k and `small_class`
    classes : number of them, K
    """
    distance = class_distance(features, features, class_idx, config.neighbours, torch.arange(classes),
                              same=(material, material))
    own = distance.gather(1, class_idx[:, None])[:, 0]
    pooled = own[torch.isfinite(own)].quantile(config.realism_quantile) if torch.isfinite(own).any() else torch.nan
    reach = torch.full((classes, classes), torch.nan)
    for k in class_idx.unique().tolist():
        reach[k] = distance[class_idx == k].quantile(config.realism_quantile, dim=0, interpolation="lower")
        if len(material[class_idx == k].unique()) < config.small_class:
            reach[k, k] = pooled
    return reach


def nearest_distance(x: Float[Tensor, "n D"], real: Float[Tensor, "N D"]) -> Float[Tensor, " n"]:
    """Distance of each row of x to the nearest row of real."""
    nearest = [torch.cdist(part, real).amin(1) for part in x.split(ROWS)]
    return torch.cat(nearest) if nearest else x.new_zeros(0)


def copy_distance(x: Float[Tensor, "N D"], material: Int[Tensor, " N"], quantile: float) -> float:
    """Quantile of the distance from a real stack to the nearest of another material; 0 with a single material."""
    rows = torch.linspace(0, len(x) - 1, min(len(x), PROBED_REALS)).round().long()
    nearest = []
    for part in rows.split(ROWS):
        distance = torch.cdist(x[part], x)
        nearest.append(distance.masked_fill(material[part, None] == material[None], torch.inf).amin(1))
    nearest = torch.cat(nearest)
    nearest = nearest[torch.isfinite(nearest)]
    return float(nearest.quantile(quantile)) if len(nearest) else 0.0
