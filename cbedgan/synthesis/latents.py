"""Where synthetic stacks are drawn: fresh latents inside a group; boundary points shifted towards the rare group."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from cbedgan.boundary.probefile import ProbedPaths, ProbeFile
from cbedgan.gan.network.generator import TrainedGenerator
from cbedgan.gan.network.latents import latents
from cbedgan.synthesis.provenance import KINDS, interior_record, interior_seeds

LEAST_CONFUSION = 0.01
"""A pair's weight never falls below that of this confusion: real stacks that confuse it may be missing."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Stacks that could be made of one group: mapped latents w [n, W] and, for each, the partner group int [n] (the
    group itself in the interior) and the record from which it can be made again."""

    space_group: int
    partner: np.ndarray
    w: Tensor
    records: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.records)


def interior(generator: TrainedGenerator, space_group: int, *, seed: int, numbers: range) -> Candidates:
    """Draw candidates of a group: fresh z, each from its own seed, and the group's e.

    Parameters
    ----------
    generator : that maps the latents
    space_group, numbers : of the candidates; their numbers in the group
    seed : of the stage
    """
    seeds = interior_seeds(space_group, seed, numbers)
    return Candidates(space_group, np.full(len(seeds), space_group), _mapped(generator, seeds, space_group), [
        interior_record(space_group, seed=seed, z_seed=z_seed) for z_seed in seeds.tolist()])


def boundary(generator: TrainedGenerator, probe: ProbeFile, space_group: int, *, seed: int, numbers: range,
             pair_probability: float, toward_rare: tuple[float, float], reuse: int) -> Candidates:
    """Draw candidates from the boundary points of a group: w + s (w_0 - w), w_0 where the path began, s drawn anew.

    Points come in a random order in which much confused partners come early (usable_points); the next round begins
    when all have come, so that fewer candidates than asked for may be left.

    Parameters
    ----------
    generator : that maps the latents at which the paths began
    probe : of the points
    space_group, seed, numbers : as in `interior`
    pair_probability : least probability of the two groups together
    toward_rare : interval of s, 0 at margin 0, 1 back at the beginning
    reuse : rounds at most
    """
    order = usable_points(probe.paths, space_group, pair_probability=pair_probability, seed=seed)
    number = np.arange(numbers.start, min(numbers.stop, reuse * len(order)))
    rows = probe.paths.take(order[number % max(len(order), 1)])
    low, high = toward_rare
    shift = np.array([np.random.default_rng([seed, space_group, KINDS.index("boundary"), i]).uniform(low, high)
                      for i in number.tolist()], dtype=np.float32)
    begin = _mapped(generator, rows.z_seed_a, space_group)
    point = torch.from_numpy(rows.w)
    w = point + torch.from_numpy(shift)[:, None] * (begin - point)
    records = [{
        "kind": "boundary", "space_group": space_group, "partner": int(rows.space_group_b[i]), "seed": seed,
        "probe_digest": probe.digest, "path": str(rows.kind[i]), "z_seed": int(rows.z_seed_a[i]),
        "z_seed_partner": int(rows.z_seed_b[i]), "crossing": float(rows.crossing[i]), "toward_rare": float(shift[i]),
        # Nine digits bring a float32 back exactly.
        "w": [float(f"{value:.9g}") for value in w[i].tolist()]} for i in range(len(rows))]
    return Candidates(space_group, rows.space_group_b.astype(np.int64), w, records)


def usable_points(paths: ProbedPaths, space_group: int, *, pair_probability: float, seed: int) -> Int[np.ndarray, " n"]:
    """Return rows of boundary points of a group in the order of use.

    Usable are paths to partners and rivals, not to controls, that begin on the group's side, and there the points at
    which the two groups together have some probability (elsewhere the boundary runs through a third group's region).
    Each has an exponential waiting time with its pair's confusion as rate: a random order that prefers confused pairs.

    Parameters
    ----------
    paths : all of a probe
    space_group : whose points
    pair_probability : least, of the two groups together
    seed : of the order
    """
    rows = np.flatnonzero((paths.space_group_a == space_group) & ~paths.control & np.isfinite(paths.crossing)
                          & (paths.margin_at_a >= 0) & (paths.p_a + paths.p_b >= pair_probability))
    waiting = np.random.default_rng([seed, space_group]).exponential(size=len(rows))
    return rows[np.argsort(waiting / np.maximum(paths.confusion[rows], LEAST_CONFUSION), kind="stable")]


def _mapped(generator: TrainedGenerator, seeds: np.ndarray, space_group: int) -> Tensor:
    with torch.no_grad():
        class_idx = torch.full((len(seeds),), generator.class_map.index(space_group))
        return generator.mapping(latents(seeds, generator.latent_dim), generator.embed(class_idx))
