"""Crystals as a batch of tensors, through which gradients pass to cells, sites, occupancies and elements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import pi
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.vibration import debye_waller
from cbedgan.simulate.powder.form_factors import check_scatters

Vibration = Annotated[float, Field(ge=0)] | Literal["by_element"]
"""Mean square displacement along a direction in angstrom^2 of all atoms, or that of each element at 300 K."""


@dataclass(frozen=True, eq=False)
class Scatterers:
    """B cells of at most n sites of at most K kinds; a kind is an element, or a mixture of at most M of them.

    lattice: rows in angstrom; positions: fractional; occupancy: of each site, 0 where a crystal has fewer sites;
    kind: of each site, an index; elements: atomic numbers, 0: none; shares: of the elements in a kind;
    u_iso_angstrom2: mean square displacement of a kind along a direction, B = 8 pi^2 u.
    Any cell of a crystal will do, a primitive one is the quickest.
    """

    lattice: Float[Tensor, "B 3 3"]
    positions: Float[Tensor, "B n 3"]
    occupancy: Float[Tensor, "B n"]
    kind: Int[Tensor, "B n"]
    elements: Int[Tensor, "B K M"]
    shares: Float[Tensor, "B K M"]
    u_iso_angstrom2: Float[Tensor, "B K"]

    @property
    def volume(self) -> Float[Tensor, " B"]:
        """Of the cells, angstrom^3."""
        return torch.linalg.det(self.lattice).abs()

    def of_sites(self, of_kinds: Float[Tensor, "B K"]) -> Float[Tensor, "B n"]:
        """What belongs to each site's kind."""
        return of_kinds.gather(1, self.kind)


def scatterers(crystals: Sequence[Crystal], vibration: Vibration = 0.0, *,
               dtype: torch.dtype = torch.float64) -> Scatterers:
    """The primitive cells of crystals; InputError where an element has no form factor.

    Parameters
    ----------
    crystals : of a batch
    vibration : of their atoms
    dtype : of the tensors
    """
    cells = [crystal.primitive() for crystal in crystals]
    kinds = [np.unique(numbers, return_inverse=True) for _, _, numbers in cells]
    sites, most = max(len(numbers) for *_, numbers in cells), max(len(numbers) for numbers, _ in kinds)
    positions, occupancy = np.zeros((len(cells), sites, 3)), np.zeros((len(cells), sites))
    kind, elements = np.zeros((len(cells), sites), dtype=np.int64), np.zeros((len(cells), most), dtype=np.int64)
    displacement = np.zeros((len(cells), most))
    for row, (crystal, (_, places, _), (numbers, which)) in enumerate(zip(crystals, cells, kinds, strict=True)):
        for number in numbers.tolist():
            check_scatters(number, crystal.source)
        positions[row, :len(places)], occupancy[row, :len(places)], kind[row, :len(places)] = places, 1, which
        elements[row, :len(numbers)] = numbers
        displacement[row, :len(numbers)] = [_displacement(number, vibration) for number in numbers.tolist()]
    lattice, places, filled, u = (torch.from_numpy(part).to(dtype) for part in (
        np.array([lattice for lattice, *_ in cells]), positions, occupancy, displacement))
    numbers = torch.from_numpy(elements)[..., None]
    return Scatterers(lattice, places, filled, torch.from_numpy(kind), numbers, (numbers > 0).to(dtype), u)


def alike(sizes: Sequence[float], most: float) -> Iterator[list[int]]:
    """Indices in batches of about equal size, the largest first, so that little is padded.

    Parameters
    ----------
    sizes : of what belongs to each crystal
    most : of a batch: its number times its largest
    """
    batch: list[int] = []
    for index in np.argsort(-np.asarray(sizes), kind="stable").tolist():
        if batch and (sizes[index] < 0.7 * sizes[batch[0]] or (len(batch) + 1) * sizes[batch[0]] > most):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _displacement(number: int, vibration: Vibration) -> float:
    return debye_waller(number) / (8 * pi**2) if vibration == "by_element" else vibration
