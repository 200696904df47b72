"""Preferred orientation: crystallites that lie with the same planes towards the plane of the specimen.

The weight of a reflection at an angle a to the planes' normal is (m^2 cos^2 a + sin^2 a / m)^(-3/2), 1 on the average
over directions (A. March 1932; W. A. Dollase, J. Appl. Cryst. 19, 267, 1986).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor

from cbedgan.crystal.crystals import Crystal
from classifier.foundation.config import Config

Plane = tuple[int, int, int]


def _plain(content: Any) -> Any:
    """A file's lists as the tuples that they stand for."""
    return tuple(_plain(part) for part in content) if isinstance(content, list) else content


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 < bounds[0] <= bounds[1]:
        raise ValueError("bounds must be positive, and the first must not lie above the second")
    return bounds


class OrientationConfig(Config):
    """march: between these, drawn evenly, 1 for no preference, below 1 for platelets, above for needles; planes:
    Miller indices in the conventional cell, of which each crystal draws one."""

    march: Annotated[tuple[float, float], BeforeValidator(_plain), AfterValidator(_ordered)]
    planes: Annotated[tuple[Plane, ...], BeforeValidator(_plain), Field(min_length=1)] = (
        (0, 0, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1))


@dataclass(frozen=True, eq=False)
class PreferredOrientation:
    """normal: of the planes, in the frame of the lattice, any length; march: see `OrientationConfig`."""

    normal: Float[Tensor, "B 3"]
    march: Float[Tensor, " B"]

    def weight(self, g: Float[Tensor, "B P 3"], length: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
        """How many crystallites diffract at each reflection, 1 on the average over directions.

        Parameters
        ----------
        g : reflections in 1/angstrom
        length : of these, not 0
        """
        normal = self.normal / self.normal.norm(dim=1, keepdim=True)
        square = (torch.einsum("bpi,bi->bp", g, normal) / length).square()
        march = self.march[:, None]
        return (march.square() * square + (1 - square) / march)**-1.5


def drawn_orientation(config: OrientationConfig, seed: int) -> tuple[Plane, float]:
    """The plane and the march that a crystal draws by its seed, to be recorded."""
    stream = np.random.default_rng(seed)
    march = float(stream.uniform(*config.march))
    return config.planes[int(stream.integers(len(config.planes)))], march


def orientation_of(crystals: Sequence[Crystal], drawn: Sequence[tuple[Plane, float]],
                   dtype: torch.dtype) -> PreferredOrientation:
    """What crystals have drawn, as tensors."""
    normals = [np.array(plane) @ np.linalg.inv(crystal.lattice).T
               for crystal, (plane, _) in zip(crystals, drawn, strict=True)]
    return PreferredOrientation(torch.from_numpy(np.array(normals)).to(dtype),
                                torch.tensor([march for _, march in drawn], dtype=dtype))
