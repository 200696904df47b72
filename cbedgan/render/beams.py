"""Which beams of a pattern interact, and at which points of the reciprocal lattice its potential is needed for that."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cbedgan.form.bright_net import is_weak
from cbedgan.form.form import Parts
from cbedgan.form.pattern_symmetry import operations
from cbedgan.render.constants import RenderConstants

PADDED = (16, 25, 40, 64, 100)  # patterns of about equally many beams are computed together
SAME_LENGTH = 1e-3  # |g1|: beams of one length are kept or left out together, as symmetry wants it


@dataclass(frozen=True, eq=False)
class Beams:
    """Beams of n patterns of a batch, padded to M of them.

    pattern [n]; g [n, M, 2] in |g1|, the direct beam first, zeros where there is none; point [n, M, M]: where among
    the potential's points g - g' of two beams stands, or behind the last one where there is no such pair.
    """

    pattern: Tensor
    g: Tensor
    point: Tensor


@dataclass(frozen=True, eq=False)
class Points:
    """The `count` points of reciprocal lattices where a batch needs potentials, as images [E] under the operations.

    point [E], in the order of Beams.point; pattern [E]; operation [E] of `operations`; hk [E, 2], the index of the
    image, and length [E], its distance from the origin in |g1|; sign [E], -1 where a glide line turns the phase round;
    weak bool [E], where only weak reflections lie.
    """

    count: int
    point: Tensor
    pattern: Tensor
    operation: Tensor
    hk: Tensor
    length: Tensor
    sign: Tensor
    weak: Tensor

    def weak_share(self, weight: Tensor) -> Tensor:
        """How much of each point is weak, [count + 1], by the weights [N, O] of the operations; 0 behind the last."""
        share = weight[self.pattern, self.operation] * self.weak
        return share.new_zeros(self.count + 1).index_add(0, self.point, share)


@dataclass(frozen=True, eq=False)
class Selection:
    """All that a layout needs of N patterns' beams: in groups, their potential's points, and one by one [D].

    pattern [D], g [D, 2], row [D]: the beam's place where the groups' beams [n * M] follow each other.
    """

    groups: tuple[Beams, ...]
    points: Points
    pattern: Tensor
    g: Tensor
    row: Tensor


def select_beams(form: Parts, half_width: float, constants: RenderConstants) -> Selection:
    """The beams of N patterns in a frame of half_width |g1| and around it, at most most_beams each, the shortest."""
    most, reach = constants.most_beams, max(constants.beam_reach * half_width, constants.least_beam_reach)
    index = _indices(form.net, reach)
    length, order = (index @ form.net).norm(dim=-1).sort(dim=1, stable=True)  # [N, H]
    end = torch.full((len(length),), reach)
    if length.shape[1] > most:
        end = torch.minimum(end, length[:, most] - SAME_LENGTH)
    kept = length < end[:, None]
    count = kept.sum(1)
    bucket = torch.searchsorted(torch.tensor([width for width in PADDED if width < most] + [most]), count)
    groups, places, rows, first, points = [], [], torch.zeros_like(order), 0, 0
    for pattern in (torch.nonzero(bucket == k).flatten() for k in bucket.unique()):
        width = int(count[pattern].max())
        held = kept[pattern, :width]
        hk = index[order[pattern, :width]].long() * held[..., None]
        point, found, found_hk = _differences(hk, held, points)
        groups.append(Beams(pattern, hk.float() @ form.net[pattern], point))
        places.append((pattern[found], found_hk))
        rows[pattern, :width] = first + torch.arange(held.numel()).reshape(held.shape)
        first, points = first + held.numel(), points + len(found)
    groups = [Beams(group.pattern, group.g, torch.where(group.point < 0, points, group.point)) for group in groups]
    pattern, which = torch.nonzero(kept, as_tuple=True)
    g = (index[order[pattern, which]][:, None] @ form.net[pattern]).squeeze(1)
    return Selection(tuple(groups), _images(form, *(torch.cat(column) for column in zip(*places, strict=True))),
                     pattern, g, rows[pattern, which])


def _differences(hk: Tensor, held: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """The different hk - hk' of beams [n, M, 2], where held [n, M].

    Number int [n, M, M] of each, from `first` on, -1 for none; and of all in turn the pattern 0..n-1 [q] and hk [q, 2].
    """
    most = 2 * int(hk.abs().max()) + 1
    side = 2 * most + 1
    apart = hk[:, :, None] - hk[:, None] + most
    key = (torch.arange(len(hk))[:, None, None] * side + apart[..., 0]) * side + apart[..., 1]
    pair = held[:, :, None] & held[:, None]
    number = torch.zeros(len(hk) * side * side, dtype=torch.long)
    number[key[pair]] = 1
    found = torch.nonzero(number).flatten()
    number[found] = torch.arange(first, first + len(found))
    here = torch.stack((found // side % side, found % side), 1) - most
    return torch.where(pair, number[key], -1), found // side**2, here


def _images(form: Parts, pattern: Tensor, hk: Tensor) -> Points:
    """Images of the points hk [Q, 2] of patterns [Q] under the operations that the patterns' shares allow."""
    allowed = operations(form.azimuth, form.share)
    point, operation = torch.nonzero(allowed.weight[pattern] > 0, as_tuple=True)
    owner, hk = pattern[point], hk.float()
    lattice = form.net[owner]
    g = (allowed.matrix[owner, operation] @ (hk[point][:, None] @ lattice).mT).squeeze(-1)
    image_hk = (g[:, None] @ torch.linalg.inv(lattice)).squeeze(1)
    glide = (1 - 2 * form.glide[owner] * (hk[point] % 2)).prod(1)  # alike at hk and -hk, whatever a path makes of it
    sign = torch.where(allowed.mirrored[owner, operation], glide, 1.0)
    length = g.norm(dim=1)
    weak = is_weak(image_hk.round(), length, form.strong[owner])
    return Points(len(pattern), point, owner, operation, image_hk, length, sign, weak)


def _indices(lattice: Tensor, length: float) -> Tensor:
    """All pairs of integers [H, 2] that give a vector of at most `length` in some of the lattices [N, 2, 2]."""
    reach = (torch.linalg.inv(lattice).norm(dim=1).amax(0) * length).clamp(max=64).ceil()
    first, second = (torch.arange(-float(most), float(most) + 1) for most in reach)
    return torch.cartesian_prod(first, second)
