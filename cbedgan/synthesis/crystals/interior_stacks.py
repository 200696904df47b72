"""Stacks inside a group: crystals that the generator draws, as `sample` does, apart from those held out."""

from collections import Counter

from cbedgan.gan.crystals.draw import ArmConfig, SampledStack, draw_stack
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from cbedgan.simulate.held_out import HeldOut
from cbedgan.synthesis.crystals.exposed import HELD_OUT, labelled
from classifier.foundation.errors import InputError

TRIES = 50  # samples drawn for one stack, until one is of no type or formula that is held out


def interior_stack(source: TrainedCrystals, arm: ArmConfig, space_group: int, number: int, *, seed: int,
                   held_out: HeldOut, refused: Counter[str]) -> SampledStack | None:
    """One stack; None where the group gives none. It is sample number `TRIES` times its own, or one of the next.

    Parameters
    ----------
    source, arm, space_group, number, seed, refused : as for `draw_stack`
    held_out : whose types and formulas are refused
    """
    for sample in range(TRIES * number, TRIES * (number + 1)):
        try:
            one = draw_stack(source, arm, space_group, sample, seed=seed, refused=refused)
        except InputError:  # every attempt that its prior allows is counted already
            return None
        if held_out.reason(one.crystal) is None:
            return labelled(one, f"interior-{space_group}-{number:06d}", {"kind": "interior"})
        refused[HELD_OUT] += 1
    return None
