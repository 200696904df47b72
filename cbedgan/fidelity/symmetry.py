"""Symmetry of generated patterns against real ones of their group: axes along the beam and mirror lines."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cbedgan.fidelity.wasserstein import wasserstein_1
from classifier.pattern.symmetry import azimuthal_spectrum, mirror_share, n_fold_share

FOLDS = (2, 3, 4, 6)
OPERATIONS = (*(f"{n}-fold" for n in FOLDS), "mirror")
SHOWN = 0.1  # a group shows a symmetry in one of its patterns where the median of the real residuals is no more
SMALLEST = 1e-5  # mean residual that counts as none: rounding leaves as much
AT_ONCE = 128  # stacks


def symmetry_residuals(x: Float[Tensor, "N C *spatial"]) -> Float[Tensor, "N C 5"] | None:
    """Residuals of patterns under 2-, 3-, 4-, 6-fold axes and the best mirror line.

    0 = symmetric, see classifier.pattern.symmetry; None for samples that are no patterns.
    """
    if x.ndim != 4:
        return None
    residuals = [torch.zeros(0, x.shape[1], len(OPERATIONS))]
    for part in x.split(AT_ONCE):
        spectrum = azimuthal_spectrum(part)
        residuals.append(torch.stack([*(n_fold_share(spectrum, n) for n in FOLDS), mirror_share(spectrum)], -1).float())
    return torch.cat(residuals)


def shown_symmetries(real: Float[Tensor, "m C 5"], class_idx: Int[Tensor, " m"], classes: int) -> Bool[Tensor, "K C 5"]:
    """Which symmetries the real stacks of each class show in each pattern, from their residuals.

    What a group demands of a pattern depends on its zone axis, which is the same for most stacks of a group: so the
    real stacks say it. A class without any shows none.
    """
    shown = torch.zeros(classes, *real.shape[1:], dtype=torch.bool)
    for k in class_idx.unique().tolist():
        shown[k] = real[class_idx == k].median(0).values <= SHOWN
    return shown


def symmetry_figures(made: Float[Tensor, "n C 5"], made_class: Int[Tensor, " n"], real: Float[Tensor, "m C 5"],
                     real_class: Int[Tensor, " m"], shown: Bool[Tensor, "K C 5"]) -> dict[str, Any]:
    """Compare residuals where symmetries are shown; {} for none.

    ratio: mean of the residuals of shown symmetries, generated over real, of all stacks and by class in groups (not of
    medians: simulated stacks are symmetric to rounding, so that the median of many groups is zero); mean, median: of
    these residuals; operations: their means, one by one; kept: share of them below the limit at which a symmetry counts
    as shown; added: share of the other residuals that are below it, symmetry where there should be none; each with the
    same of the real stacks. difference: Wasserstein-1 distance between the distributions of all residuals.

    Parameters
    ----------
    made, made_class : residuals of generated stacks, and the class of each
    real, real_class : of real ones
    shown : of each class
    """
    mine, theirs = made[shown[made_class]], real[shown[real_class]]
    if not len(mine) or not len(theirs):
        return {}
    groups = {}
    for k in real_class.unique().tolist():
        pair = [values[classes == k] for values, classes in ((made, made_class), (real, real_class))]
        if shown[k].any() and len(pair[0]):
            groups[k] = {"ratio": _ratio(*(values[:, shown[k]] for values in pair)), "difference": _difference(*pair)}
    figures = {"ratio": _ratio(mine, theirs), "median": float(mine.median()), "median_real": float(theirs.median()),
               "mean": float(mine.mean()), "mean_real": float(theirs.mean()), "difference": _difference(made, real)}
    for end, residuals, classes in (("", made, made_class), ("_real", real, real_class)):
        low, wanted = residuals <= SHOWN, shown[classes]
        figures |= {f"kept{end}": float(low[wanted].float().mean()),
                    f"added{end}": float(low[~wanted].float().mean()) if (~wanted).any() else 0.0}
    operations = {}
    for i, name in enumerate(OPERATIONS):
        one, other = (values[..., i][shown[classes][..., i]] for values, classes in ((made, made_class),
                                                                                    (real, real_class)))
        if len(one) and len(other):
            operations[name] = {"generated": float(one.mean()), "real": float(other.mean())}
    return {**figures, "operations": operations, "groups": groups}


def _difference(mine: Tensor, theirs: Tensor) -> float:
    """Wasserstein-1 distance between residuals [n, C, 5] and [m, C, 5], mean over the operations."""
    return sum(wasserstein_1(mine[..., i], theirs[..., i]) for i in range(len(OPERATIONS))) / len(OPERATIONS)


def _ratio(mine: Tensor, theirs: Tensor) -> float:
    return float(mine.mean().clamp(min=SMALLEST) / theirs.mean().clamp(min=SMALLEST))
