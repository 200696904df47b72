"""What synthesize makes of a generator of crystals: how many of each kind, and how."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cbedgan.choice.preference import Preference
from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.synthesis.quota import SamplingStrategy
from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.pattern.condition import Condition

Kind = Literal["interior", "boundary", "hard"]
Pairs = Literal["even", "confused"]


class BothSidesConfig(Config):
    """Crystals are distorted by at least t_data, and by at least least_angstrom.

    beyond: times t*, or times that least distortion where it is more, how far they are distorted at most; reuse: how
    often a path is used, each time at another distortion; attempts: crystals drawn in vain for one stack until it is
    given up; pairs: how a group's stacks are shared among its partners, evenly or as it is confused with them.
    """

    least_angstrom: Annotated[float, Field(ge=0)] = 0.0
    beyond: Annotated[float, Field(gt=1)] = 3.0
    reuse: Annotated[int, Field(ge=1)] = 2
    attempts: Annotated[int, Field(ge=1)] = 100
    pairs: Pairs = "even"


class HardConfig(Config):
    """pool: stacks drawn for each that is kept; preference: which are, by what classifiers say of them under a
    condition, see `choose`."""

    pool: Annotated[float, Field(ge=1)] = 5.0
    preference: Preference = Preference(kind="denied")
    condition: Condition = "ideal"


class SelectionConfig(Config):
    """times: stacks drawn for each that is kept, of hard ones after the preference; kind: which are kept, see
    `synthesis.select`."""

    kind: Literal["random", "variety", "covariance", "prototype"]
    times: Annotated[float, Field(gt=1, le=100)] = 3.0


class SynthesizeCrystalsConfig(Config):
    """sampling_strategy: how many stacks of each kind a group gets, a kind that is not named none; arm: what of the
    training acts when crystals are drawn; copy_quantile: of the nearest distances between real stacks of different
    materials, below which a stack is a copy; selection: of a kind, from more than its quota; a kind that is not named
    keeps what is drawn."""

    seed: Annotated[int, Field(ge=0)]
    sampling_strategy: dict[Kind, SamplingStrategy]
    arm: ArmConfig = ArmConfig()
    boundary: BothSidesConfig = BothSidesConfig()
    hard: HardConfig = HardConfig()
    copy_quantile: Annotated[float, Field(ge=0, lt=1)] = 0.01
    selection: dict[Kind, SelectionConfig] = added({})

    @model_validator(mode="after")
    def _selects_of_what_is_made(self) -> "SynthesizeCrystalsConfig":
        if strange := set(self.selection) - set(self.sampling_strategy):
            raise InputError(source="selection", rule="must be of kinds in sampling_strategy", value=sorted(strange),
                             remedy="Name them there, or leave their selection out.")
        return self

    def times(self, kind: Kind) -> float:
        """Stacks drawn for each that is kept."""
        selected = self.selection[kind].times if kind in self.selection else 1.0
        return selected * (self.hard.pool if kind == "hard" else 1.0)
