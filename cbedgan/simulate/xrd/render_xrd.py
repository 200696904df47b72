"""Crystals to powder patterns, many at once."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.crystal.crystals import Crystal
from cbedgan.simulate.powder.scatterers import Scatterers, alike, scatterers
from cbedgan.simulate.xrd.orientation import PreferredOrientation, drawn_orientation, orientation_of
from cbedgan.simulate.xrd.peaks import reflection_peaks
from cbedgan.simulate.xrd.profiles import farthest_degree, pattern_of
from cbedgan.simulate.xrd.xrd_config import XrdConfig
from classifier.foundation.errors import InputError

MOST_PHASES = 2.0**20  # of a batch: reflections times sites


def xrd_patterns(atoms: Scatterers, config: XrdConfig,
                 orientation: PreferredOrientation | None = None) -> Float[Tensor, "B L"]:
    """Powder patterns on the configuration's axis, the highest point of each is 1; differentiable.

    Parameters
    ----------
    atoms : B crystals
    config : of the patterns
    orientation : of the crystallites, None: at random
    """
    peaks = reflection_peaks(atoms, config.lines[0].wavelength_angstrom, farthest_degree(config),
                             orientation=orientation)
    pattern = pattern_of(peaks, config)
    return pattern / pattern.amax(1, keepdim=True)


@torch.no_grad()
def render_xrd(crystals: Sequence[Crystal], config: XrdConfig, seeds: Sequence[int] = (), *,
               dtype: torch.dtype = torch.float32) -> Float[Tensor, "N L"]:
    """Powder patterns of crystals, in their order; InputError where an element has no form factor.

    Parameters
    ----------
    crystals, config : and of what kind of pattern
    seeds : one a crystal, where orientations are drawn
    dtype : of the patterns
    """
    patterns = torch.empty(len(crystals), config.points, dtype=dtype)
    drawn = [drawn_orientation(config.orientation, seed) for seed in seeds] if config.orientation else []
    if config.orientation and len(drawn) != len(crystals):
        raise InputError(source="seeds of preferred orientations", rule="there must be one for each crystal",
                         value=f"{len(drawn)} for {len(crystals)}", remedy="Give as many.")
    for batch in alike([_work(crystal) for crystal in crystals], MOST_PHASES):
        some = [crystals[k] for k in batch]
        orientation = orientation_of(some, [drawn[k] for k in batch], dtype) if drawn else None
        patterns[batch] = xrd_patterns(scatterers(some, config.vibration, dtype=dtype), config, orientation)
    return patterns


def _work(crystal: Crystal) -> float:
    """About how many phases: reflections go with the primitive cell's volume."""
    lattice, _, numbers = crystal.primitive()
    return float(abs(torch.linalg.det(torch.from_numpy(lattice)))) * 2 * len(numbers)
