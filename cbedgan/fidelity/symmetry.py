"""Symmetry of generated patterns against real ones of their group: axes along the beam and mirror lines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cbedgan.fidelity.wasserstein import wasserstein_1
from classifier.pattern import azimuthal_spectrum, mirror_share, n_fold_share

FOLDS = (2, 3, 4, 6)
OPERATIONS = (*(f"{n}-fold" for n in FOLDS), "mirror")
SHOWN = 0.1  # a group shows a symmetry in one of its patterns where the median of the real residuals is no more
SMALLEST = 1e-3  # residual that counts as none: pixels and rounding leave as much
AT_ONCE = 128  # stacks


def symmetry_residuals(x: Tensor) -> Tensor | None:
    """Residuals float32 [N, C, 5] of patterns x [N, C, H, W] under 2-, 3-, 4-, 6-fold axes and the best mirror line.

    0 = symmetric, see classifier.pattern; None for samples that are no patterns.
    """
    if x.ndim != 4:
        return None
    found = [torch.zeros(0, x.shape[1], len(OPERATIONS))]
    for part in x.split(AT_ONCE):
        spectrum = azimuthal_spectrum(part)
        found.append(torch.stack([*(n_fold_share(spectrum, n) for n in FOLDS), mirror_share(spectrum)], -1).float())
    return torch.cat(found)


def symmetry_figures(made: Tensor, made_class: Tensor, real: Tensor, real_class: Tensor) -> dict[str, Any]:
    """Compare residuals made [n, C, 5] and real [m, C, 5] group by group; {} where real stacks show no symmetry.

    Only the symmetries that a group's real stacks show in a pattern are held against its generated ones: every other
    residual is large by nature. ratio: sum of the medians over all of these, generated over real, of a group and of
    all; kept: share of generated residuals below the limit at which a symmetry counts as shown, kept_real: of real
    ones; difference: mean over the operations of the Wasserstein-1 distance between the distributions of all residuals.
    """
    sums, groups, kept = torch.zeros(2), {}, torch.zeros(3)
    for k in real_class.unique().tolist():
        mine, theirs = made[made_class == k], real[real_class == k]
        if not len(mine):
            continue
        median = theirs.median(0).values
        shown = median <= SHOWN
        pair = torch.stack([mine.median(0).values[shown], median[shown]]).clamp(min=SMALLEST).sum(1)
        if not shown.any():
            continue
        sums += pair
        kept += torch.stack([(mine[:, shown] <= SHOWN).float().mean(), (theirs[:, shown] <= SHOWN).float().mean(),
                             torch.tensor(1.0)])
        groups[k] = float(pair[0] / pair[1])
    difference = [wasserstein_1(made[..., i], real[..., i]) for i in range(len(OPERATIONS))]
    if not groups:
        return {}
    return {"ratio": float(sums[0] / sums[1]), "kept": float(kept[0] / kept[2]), "kept_real": float(kept[1] / kept[2]),
            "difference": sum(difference) / len(difference), "groups": groups}
