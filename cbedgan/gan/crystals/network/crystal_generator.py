"""The network that moves drawn crystals: messages between neighbouring sites, told the group and a latent.

Steps are sums of directions to neighbours, and strains of their squares, with learned weights (as in arXiv 2102.09844):
so no choice of origin or axes matters. The last layers begin at zero: an untrained network changes nothing.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from cbedgan.gan.crystals.network.movable import CRYSTAL_NUMBERS, REACH, SITE_NUMBERS, Movable
from cbedgan.gan.crystals.network.moves import Moves
from classifier.foundation.config import Config

DISTANCES = 8  # bumps that a distance is told in
NEIGHBOURS = 8  # about as many as messages come from
NEAREST = 0.5  # of the first of them, in summed covalent radii


class CrystalGeneratorConfig(Config):
    """shift_angstrom, shape, growth, element_steps: most that a site moves, a length changes at constant volume
    (share), the volume changes (logarithm), an element changes along its family (places; 0: it stays)."""

    kind: Literal["crystals"]
    latent_dim: Annotated[int, Field(ge=1, le=256)] = 16
    width: Annotated[int, Field(ge=4, le=1024)] = 64
    rounds: Annotated[int, Field(ge=1, le=8)] = 2
    shift_angstrom: Annotated[float, Field(ge=0, le=1)] = 0.3
    shape: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    growth: Annotated[float, Field(ge=0, le=1)] = 0.3
    element_steps: Annotated[float, Field(ge=0, le=2)] = 1.0


def size_of(moves: Moves, config: CrystalGeneratorConfig) -> Float[Tensor, ""]:
    """Squares of the moves of a crystal over the most that each may be, summed over kinds of moves: 0 to 4."""
    volume = moves.strain.trace()
    shape = moves.strain - volume * torch.eye(3) / 3
    parts = [(moves.step.square().sum(1).mean(), config.shift_angstrom), (shape.square().sum(), config.shape),
             (volume.square(), config.growth), (moves.element_steps.square().mean(), config.element_steps)]
    return sum((part / most**2 for part, most in parts if most), moves.step.new_zeros(()))


class _Joined(NamedTuple):
    """Crystals as one graph: site numbers run through all of them."""

    of_sites: Float[Tensor, "S f"]
    of_crystals: Float[Tensor, "B g"]
    crystal: Int[Tensor, " S"]
    share: Float[Tensor, " S"]
    whence: Int[Tensor, " e"]
    whither: Int[Tensor, " e"]
    direction: Float[Tensor, "e 3"]
    reach: Float[Tensor, " e"]
    element: Int[Tensor, " S"]
    n_elements: list[int]


class CrystalGenerator(nn.Module):
    """(z, drawn crystals) -> their moves."""

    def __init__(self, config: CrystalGeneratorConfig) -> None:
        super().__init__()
        width, self.config, self.latent_dim = config.width, config, config.latent_dim
        self.crystal = _layers(CRYSTAL_NUMBERS + config.latent_dim, width, width)
        self.site = _layers(SITE_NUMBERS + width, width, width)
        self.messages = nn.ModuleList(_layers(2 * width + DISTANCES, width, width) for _ in range(config.rounds))
        self.updates = nn.ModuleList(_layers(2 * width, width, width) for _ in range(config.rounds))
        self.edge, self.element, self.volume = (_silent(layers) for layers in (
            _layers(2 * width + DISTANCES, width, 2), _layers(width, width, 1), _layers(width, width, 1)))

    def forward(self, z: Float[Tensor, "B L"], crystals: Sequence[Movable]) -> list[Moves]:
        """One latent for each crystal; float32, on the CPU, where crystals are."""
        graph, config = _joined(crystals), self.config
        told = self.crystal(torch.cat([graph.of_crystals, z], 1))
        h = self.site(torch.cat([graph.of_sites, told[graph.crystal]], 1))
        near = (1 - (graph.reach / REACH) ** 2).clamp(min=0)[:, None] ** 2
        bumps = torch.exp(-((graph.reach[:, None] - torch.linspace(NEAREST, REACH, DISTANCES)) * DISTANCES / 2) ** 2)
        for message, update in zip(self.messages, self.updates, strict=True):
            pairs = torch.cat([h[graph.whence], h[graph.whither], bumps], 1)
            came = torch.zeros_like(h).index_add(0, graph.whence, near / NEIGHBOURS * message(pairs))
            h = h + update(torch.cat([h, came], 1))
        weights = near * self.edge(torch.cat([h[graph.whence], h[graph.whither], bumps], 1))
        raw = h.new_zeros(len(h), 3).index_add(0, graph.whence, weights[:, :1] * graph.direction)
        squares = graph.direction[:, :, None] * graph.direction[:, None] - torch.eye(3) / 3
        strain = h.new_zeros(len(z), 3, 3).index_add(
            0, graph.crystal[graph.whence], (weights[:, 1] * graph.share[graph.whence])[:, None, None] * squares)
        mean = h.new_zeros(len(z), h.shape[1]).index_add(0, graph.crystal, h * graph.share[:, None])
        growth = config.growth * torch.tanh(self.volume(mean + told))
        strain = config.shape * _bounded(strain.flatten(1)).unflatten(1, (3, 3)) + growth[:, :, None] * torch.eye(3) / 3
        steps = config.shift_angstrom * _bounded(raw)
        n_elements = sum(graph.n_elements)
        count = torch.bincount(graph.element, minlength=n_elements)
        element_steps = h.new_zeros(n_elements).index_add(0, graph.element, self.element(h)[:, 0]) / count
        element_steps = config.element_steps * torch.tanh(element_steps)
        sites = [len(one.first) for one in crystals]
        return [Moves(*parts) for parts in zip(steps.split(sites), strain, element_steps.split(graph.n_elements),
                                               strict=True)]


def _layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, outputs))


def _silent(layers: nn.Sequential) -> nn.Sequential:
    """The same layers, the last of which says zero."""
    for parameter in layers[-1].parameters():
        nn.init.zeros_(parameter)
    return layers


def _bounded(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Vectors of the same directions and a length below 1."""
    return x / (1 + x.square().sum(1, keepdim=True)).sqrt()


def _joined(crystals: Sequence[Movable]) -> _Joined:
    columns: list[list[Tensor]] = [[] for _ in range(7)]
    sites = elements = 0
    for number, one in enumerate(crystals):
        apart = one.sites[one.whither] + one.beyond - one.sites[one.first[one.whence]]
        direction = torch.nn.functional.normalize(apart @ one.lattice, dim=1).float()
        n = len(one.first)
        for column, part in zip(columns, (
                torch.full((n,), number), torch.bincount(one.site, minlength=n).float() / len(one.site),
                one.whence + sites, one.site[one.whither] + sites, direction, one.reach.float(),
                one.kind[one.first] + elements), strict=True):
            column.append(part)
        sites, elements = sites + n, elements + len(one.elements)
    return _Joined._make([
        torch.cat([one.of_sites for one in crystals]), torch.stack([one.of_crystal for one in crystals]),
        *(torch.cat(column) for column in columns), [len(one.elements) for one in crystals]])
