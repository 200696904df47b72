"""Stacks on both sides of a group's boundaries: crystals distorted into it, and crystals of it as they are.

Both have exact labels. A distorted crystal is of the subgroup from the first thousandth of an angstrom on; so is what
a classifier does not see yet.
"""

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from cbedgan.crystal.crystals import Crystal, standard_crystal
from cbedgan.crystal.sources import CrystalSource
from cbedgan.crystal.supergroup import quiet_moyo
from cbedgan.distortion.paths import paths_of
from cbedgan.gan.crystals.draw import SampledStack
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.simulate.cbed.stack import refusal
from cbedgan.synthesis.crystals.exposed import Fit, exposed, labelled
from cbedgan.synthesis.crystals.found_paths import FoundPath, FoundPaths
from cbedgan.synthesis.crystals.pairs import SIDES, Side
from cbedgan.synthesis.crystals.synthesize_config import BothSidesConfig
from classifier.foundation.errors import InputError

DISTORTIONS = 4  # tried on one path, whose least ones may be too small to be measured
DECIMALS = 7  # of a distortion in angstrom
INSTEAD = 10**9  # number of the first new path in place of one that gave nothing


class BoundaryStacks:
    """Draws them one by one; each depends on seed, side, group, partner and number alone, and on what is given
    here.

    Parameters
    ----------
    found : paths of `distort`
    source : of the crystals from which new paths start
    instrument : what crystals are exposed to
    fit : which crystals and stacks may be trained on; a path's at either end
    config, seed : how, and of the draws
    refused : by reason; counted here
    """

    def __init__(self, found: FoundPaths, source: CrystalSource, instrument: Instrument, fit: Fit,
                 config: BothSidesConfig, seed: int, refused: Counter[str]) -> None:
        self.found, self.source, self.instrument, self.fit = found, source, instrument, fit
        self.config, self.seed, self.refused = config, seed, refused
        self._new = lru_cache(maxsize=256)(self._new_path)

    def draw(self, side: str, space_group: int, partner: int, number: int) -> SampledStack | None:
        """One stack of the group beside its partner; None where all attempts were in vain."""
        return {"distorted": self._distorted, "undistorted": self._undistorted}[side](space_group, partner, number)

    def _distorted(self, space_group: int, partner: int, number: int) -> SampledStack | None:
        """Of a path from the partner, one of the file's until each has been used so often as it may."""
        there, reuse = self._usable(space_group, partner), self.config.reuse
        order = np.random.default_rng([self.seed, space_group, partner]).permutation(len(there))
        key, use = number // reuse, number % reuse
        if number < len(there) * reuse:
            made = self._along(there[order[number % len(there)]], number, number // len(there), INSTEAD)
            if made is not None:
                return made
            key = INSTEAD + number
        for attempt in range(self.config.attempts):
            path = self._new(space_group, partner, key, attempt)
            made = None if path is None else self._along(path, number, use, attempt)
            if made is not None:
                return made
        return None

    def _along(self, path: FoundPath, number: int, use: int, attempt: int) -> SampledStack | None:
        """The stack of a crystal somewhere on a path; its uses part the logarithm of the distortion among them."""
        between = path.reach.interval(path.end, self.config)
        assert between is not None
        for again in range(DISTORTIONS):
            stream = self._stream("distorted", *path.pair, number, attempt, again)
            share = stream.random()
            share = share if again else (use + share) / self.config.reuse
            distortion = round(between[0] * (between[1] / between[0])**share, DECIMALS)
            crystal = self._moved(path, distortion)
            one = None if crystal is None else self._exposed(crystal, path.subgroup, stream)
            if one is not None:
                return self._told(one, path.crystal.space_group, number, side="distorted", attempt=attempt, again=again,
                                  distortion_angstrom=distortion, t_data=path.reach.t_data, pair=list(path.pair),
                                  t_star=path.reach.t_star if np.isfinite(path.reach.t_star) else None,
                                  path=path.number, parent=path.crystal.record(), mode=path.mode.record())
        return None

    def _undistorted(self, space_group: int, partner: int, number: int) -> SampledStack | None:
        """Of a crystal of the group from which a path leads to the partner, one of the file's while there are any."""
        there = self._parents(space_group, partner)
        if number < len(there):
            stream = self._stream("undistorted", space_group, partner, number, INSTEAD)
            one = self._exposed(there[number], space_group, stream)
            if one is not None:
                return self._told(one, partner, number, side="undistorted", attempt=None)
        for attempt in range(self.config.attempts):
            stream = self._stream("undistorted", space_group, partner, number, attempt)
            crystal = self._drawn(space_group, stream)
            if crystal is None:
                continue
            if not paths_of(crystal, (partner,), self.found.config, self.instrument.config, self.seed):
                self.refused["no path"] += 1
                continue
            one = self._exposed(crystal, space_group, stream)
            if one is not None:
                return self._told(one, partner, number, side="undistorted", attempt=attempt)
        return None

    def _told(self, one: SampledStack, partner: int, number: int, **told: Any) -> SampledStack:
        space_group = one.crystal.space_group
        return labelled(one, f"boundary-{space_group}-{told['side']}-{partner}-{number:06d}", {
            "kind": "boundary", "space_group": space_group, "partner": partner, "seed": self.seed, "number": number,
            **told})

    def _new_path(self, space_group: int, partner: int, key: int, attempt: int) -> FoundPath | None:
        """A path into the group from a drawn crystal of the partner."""
        stream = self._stream("distorted", partner, space_group, key, attempt, DISTORTIONS)
        crystal = self._drawn(partner, stream)
        if crystal is None:
            return None
        made = paths_of(crystal, (space_group,), self.found.config, self.instrument.config, self.seed)
        reach = self.found.typical((crystal.space_group, space_group))
        if not made or reach.interval(made[0].end, self.config) is None:
            self.refused["no path" if not made else "patterns differ too late"] += 1
            return None
        return FoundPath(crystal, space_group, made[0].mode, made[0].end, reach)

    def _drawn(self, space_group: int, stream: np.random.Generator) -> Crystal | None:
        crystal = self.source.draw(space_group, stream)
        config = self.instrument.config
        if crystal is None or crystal.space_group != space_group or refusal(crystal, config) is not None:
            self.refused["not drawn"] += 1
            return None
        reason = self.fit.crystal(crystal)
        if reason:
            self.refused[reason] += 1
        return None if reason else crystal

    def _moved(self, path: FoundPath, distortion: float) -> Crystal | None:
        try:
            with quiet_moyo():
                return standard_crystal(*path.mode.cell(path.crystal, distortion), steady=True,
                                        source=f"{path.crystal.material}, {distortion:g} angstrom distorted")
        except InputError:
            self.refused["symmetry not to be measured"] += 1
            return None

    def _exposed(self, crystal: Crystal, space_group: int, stream: np.random.Generator) -> SampledStack | None:
        return exposed(crystal, space_group, self.instrument, stream, self.fit, self.refused)

    def _usable(self, space_group: int, partner: int) -> list[FoundPath]:
        """Paths of the file from the partner into the group that may be trained on, with something to be seen."""
        return [path for path in self.found.between(partner, space_group) if not self.fit.crystal(path.crystal)
                and path.reach.interval(path.end, self.config) is not None]

    def _parents(self, space_group: int, partner: int) -> list[Crystal]:
        return [one for one in self.found.crystals(space_group, partner) if not self.fit.crystal(one)]

    def _stream(self, side: Side, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, SIDES.index(side), *key])
