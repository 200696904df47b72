"""Crystals without end for a training of the classifier: each stack is a new crystal, drawn and rendered on demand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.natural_crystals import NaturalConfig
from cbedgan.crystal.random_crystals import RandomCrystalConfig
from cbedgan.crystal.sources import CrystalSource, SizedSource, of_size
from cbedgan.crystal.supergroup import hidden_supergroup
from cbedgan.simulate.cbed.simulate_config import SimulateConfig, ViewConfig
from cbedgan.simulate.cbed.stack import StacksAndRows, refusal, simulate_every_view
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.held_out import HeldOut
from cbedgan.simulate.units import INTENSITY_UNIT, frame
from classifier.foundation.errors import InputError
from classifier.foundation.registry import own_sources
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import Frame
from classifier.stream.stack_source import DrawnStack
from classifier.stream.stream_config import StreamConfig

AXIS = "axis"  # the name of the stacks on their zone axes, among the views
Share = Annotated[float, Field(ge=0)]


class CrystalStreamConfig(StreamConfig):
    """What a training draws from these crystals, and which of them.

    view_shares: of the stacks, by name of a view, "axis" for the zone axes; group_shares: of the stacks, by space
    group, relative, 1 where none is named; maximum_random_atoms: by space groups that need larger cells; held_out:
    crystals whose structure type or formula validation or test of the split hold.
    """

    view_shares: dict[str, Share] = {AXIS: 1.0}
    group_shares: dict[int, Share] = {}
    maximum_random_atoms: dict[int, int] = {}
    held_out: Literal["passed_over", "allowed"] = "passed_over"


class EndlessConfig(SimulateConfig):
    """A simulated set without plan and without end; crystals come from `crystals.random`."""

    stream: CrystalStreamConfig

    @model_validator(mode="after")
    def _stacks_can_be_drawn(self) -> "EndlessConfig":
        names = {AXIS, *(view.name for view in self.views)}
        shares = self.stream.view_shares
        if not set(shares) <= names or not sum(shares.values()) > 0:
            raise ValueError(f"stream.view_shares must name some of {', '.join(sorted(names))}, not all with 0")
        if len({view.size_pixels or self.detector.size_pixels for view in self.drawn_views()}) > 1:
            raise ValueError("the views that stream.view_shares names must have pixels of one size")
        if self.crystals.random is None:
            raise ValueError("crystals.random must say what the crystals are drawn from")
        if self.stream.maximum_random_atoms and not isinstance(self.crystals.random, SizedSource):
            raise ValueError("stream.maximum_random_atoms goes with a source of sized cells")
        if self.crystals.groups:
            raise ValueError("crystals.groups must be empty: the groups are those of the split")
        return self

    def drawn_views(self) -> list[ViewConfig]:
        """The views that stacks are drawn of; "axis" has no further property."""
        there = {AXIS: ViewConfig(name=AXIS), **{view.name: view for view in self.views}}
        return [there[name] for name, share in self.stream.view_shares.items() if share > 0]


@dataclass(frozen=True)
class EndlessCrystals:
    """The source of a training on a split: `classifier.stream.stack_source.StackSource`, of plain values."""

    config: EndlessConfig
    group_shares: dict[int, float]
    apart: HeldOut | None
    name: str

    @classmethod
    def of(cls, config: EndlessConfig, *, split: Path, stacks: Path, name: str) -> "EndlessCrystals":
        """For the groups of a split, and apart from what it holds out unless the configuration allows that.

        Parameters
        ----------
        config : of the crystals
        split, stacks : of the training
        name : in errors
        """
        with StackFile(stacks) as file:
            groups = load_split(split, stack_digest=file.identity).space_groups
        if strange := sorted(set(config.stream.group_shares) - set(groups)):
            raise InputError(source=f"{name}, stream.group_shares", rule="must name space groups of the split",
                             value=strange, remedy="Leave these out.")
        apart = HeldOut.of(split, stacks) if config.stream.held_out == "passed_over" else None
        return cls(config, {group: config.stream.group_shares.get(group, 1.0) for group in groups}, apart, name)

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def stream(self) -> StreamConfig:
        return self.config.stream

    @property
    def frame(self) -> Frame:
        """Of every stack: the views have pixels of one size."""
        view = self.config.drawn_views()[0]
        return Frame(frame(self.config, view.name), self.config.detector.pose, INTENSITY_UNIT)

    def record(self) -> dict[str, Any]:
        apart = {} if self.apart is None else {"apart from the held-out parts of the split": self.apart.split_digest}
        return {"config": self.config.model_dump(mode="json"), **self.config.crystals.inputs(),
                **own_sources(self.config), **apart}

    def draw(self, space_group: int, generator: np.random.Generator) -> DrawnStack:
        """Draw crystals until one can be rendered; InputError where none of many can."""
        config, source = self.config, _source(self.config, space_group)
        view = _chosen(config.drawn_views(), config.stream.view_shares, generator)
        energy = config.beam_energies_kev[generator.integers(len(config.beam_energies_kev))]
        passed_over, reason = 0, "no crystal"
        for _ in range(source.attempts):
            crystal = source.draw(space_group, generator)
            if crystal is None or crystal.space_group != space_group:
                continue
            if self.apart is not None and (held := self.apart.reason(crystal)):
                passed_over, reason = passed_over + 1, held
                continue
            made = _rendered(crystal, config, view, energy)
            if isinstance(made, str):
                reason = made
                continue
            stacks, rows = made
            one = int(generator.integers(len(rows)))  # of a series of thicknesses
            return DrawnStack(stacks[one], rows.take([one]), passed_over)
        raise InputError(source=f"{self.name}, space group {space_group}", rule="every group must be drawn",
                         value=f"{source.attempts} draws in vain, the last reason: {reason}",
                         remedy=f"Allow larger cells (stream.maximum_random_atoms) or more attempts, or leave the "
                                f"group out: stream.group_shares = {{ {space_group} = 0.0 }}.")


def _source(config: EndlessConfig, space_group: int) -> CrystalSource:
    assert config.crystals.random is not None
    return of_size(config.crystals.random, config.stream.maximum_random_atoms.get(space_group))


def _chosen(views: list[ViewConfig], shares: dict[str, float], generator: np.random.Generator) -> ViewConfig:
    """One of the views, as often as its share says."""
    weights = np.array([shares[view.name] for view in views])
    return views[generator.choice(len(views), p=weights / weights.sum())]


def _rendered(crystal: Crystal, config: EndlessConfig, view: ViewConfig, energy: float) -> StacksAndRows | str:
    """The crystal's stacks in a view, or why there are none."""
    source = config.crystals.random
    assert source is not None
    if not isinstance(source, NaturalConfig | RandomCrystalConfig):  # which have looked already
        above = hidden_supergroup(crystal, source.supergroup_tolerance_angstrom)
        if above is not None:
            return f"hardly to be told from space group {above}"
    if (refused := refusal(crystal, config)) is not None:
        return refused
    try:
        return simulate_every_view(crystal, config, beam_energy_kev=energy, engine=engine_of(config),
                                   views=() if view.name == AXIS else (view,))[-1]
    except InputError as error:
        return str(error)
