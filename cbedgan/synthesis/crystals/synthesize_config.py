"""What synthesize makes of a generator of crystals: how many of each kind, and how."""

from typing import Annotated, Literal

from pydantic import Field

from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.synthesis.quota import SamplingStrategy
from classifier.foundation.config import Config

Kind = Literal["interior", "boundary"]


class BothSidesConfig(Config):
    """beyond: times t*, or t_data where that is more, how far crystals are distorted at most; reuse: how often a path
    is used, each time at another distortion; attempts: crystals drawn in vain for one stack until it is given up."""

    beyond: Annotated[float, Field(gt=1)] = 3.0
    reuse: Annotated[int, Field(ge=1)] = 2
    attempts: Annotated[int, Field(ge=1)] = 100


class SynthesizeCrystalsConfig(Config):
    """sampling_strategy: how many stacks of each kind a group gets, a kind that is not named none; arm: what of the
    training acts when crystals are drawn."""

    seed: Annotated[int, Field(ge=0)]
    sampling_strategy: dict[Kind, SamplingStrategy]
    arm: ArmConfig = ArmConfig()
    boundary: BothSidesConfig = BothSidesConfig()
