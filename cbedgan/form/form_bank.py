"""Forms to draw from: those of the training stacks, each varied as far as its crystal system allows."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cbedgan.form.form import joined, parts
from cbedgan.form.indexed_net import FREEDOMS
from cbedgan.form.pattern_symmetry import MIRROR, NET_TOLERANCE, Operations, net_symmetry, operations, turned

NUMBERS = 1 + FREEDOMS  # standard normal numbers that decide a form


@dataclass(frozen=True, eq=False)
class FormBank:
    """Forms [F, C, COLUMNS] of training stacks with their class_idx [F], in any order."""

    forms: Tensor
    class_idx: Tensor

    def draw(self, class_idx: Tensor, normal: Tensor, strain: float) -> Tensor:
        """Forms [B, C, COLUMNS] of classes [B], decided by standard normal numbers [B, NUMBERS].

        The first chooses a training stack of the class, evenly; the others strain its cell by `strain`. Equal numbers
        choose stacks in equal places of the classes' rows. A class without stacks is drawn from all.
        """
        order = torch.argsort(self.class_idx, stable=True)
        ordered = self.class_idx[order].contiguous()
        first, last = (torch.searchsorted(ordered, class_idx.contiguous(), right=right) for right in (False, True))
        first, count = torch.where(last > first, first, 0), torch.where(last > first, last - first, len(order))
        uniform = torch.special.ndtr(normal[:, 0].double())
        place = (uniform * count).long().clamp(max=count - 1)
        forms = self.forms[order[first + place]]
        return deformed(forms, strain * normal[:, 1:]) if strain else forms


def deformed(form: Tensor, strain: Tensor) -> Tensor:
    """Forms [B, C, COLUMNS] after strains [B, FREEDOMS] of the cell, in units of their freedom.

    All patterns of a stack change together. What they do to a net is averaged over the operations that bring it onto
    itself: what looks more symmetric than the cell has to be stays so. g1 stays of length 1 along +x, as canonical pose
    has it, and mirror lines turn with the net.
    """
    known = parts(form.flatten(0, 1))
    freedom = known.freedom.unflatten(0, form.shape[:2])
    xx, yy, xy = (strain[:, None, :, None] * freedom).sum(2).flatten(0, 1).unbind(-1)
    wanted = torch.stack((torch.stack((xx, xy), -1), torch.stack((xy, yy), -1)), -2)
    own: Operations = operations(*net_symmetry(known.net))
    allowed = (own.weight[..., None, None] * (own.matrix.mT @ wanted[:, None] @ own.matrix)).sum(1)
    change = torch.eye(2) + allowed  # of column vectors; symmetric
    g1 = change[..., 0]
    back = turned(-torch.atan2(g1[:, 1], g1[:, 0]), torch.zeros(len(g1), dtype=torch.bool)) / g1.norm(
        dim=1)[:, None, None]
    change = back @ change
    line = (change @ torch.stack((known.azimuth.cos(), known.azimuth.sin()), -1)[..., None]).squeeze(-1)
    azimuth = torch.atan2(line[:, 1], line[:, 0]) % math.pi
    return joined(known._replace(net=known.net @ change.mT, azimuth=azimuth)).reshape(form.shape)


def with_symmetry_of(held: Tensor, other: Tensor) -> Tensor:
    """Forms `held` [B, C, COLUMNS] with the symmetry and glides of `other`, where their nets have such operations."""
    known, wanted = (parts(form.flatten(0, 1)) for form in (held, other))
    share = wanted.share * net_symmetry(known.net)[1]
    first, second = known.net.unbind(1)
    rectangular = (first * second).sum(1).abs() < NET_TOLERANCE * first.norm(dim=1) * second.norm(dim=1)
    glide = wanted.glide * (rectangular & (share[..., MIRROR] > 0))[:, None]
    return joined(known._replace(share=share, glide=glide)).reshape(held.shape)
