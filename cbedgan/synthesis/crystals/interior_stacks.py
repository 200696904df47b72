"""Stacks inside a group: crystals that the generator draws, as `sample` does, apart from those held out."""

from collections import Counter

from cbedgan.gan.crystals.draw import ArmConfig, SampledStack, draw_stack
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from cbedgan.synthesis.crystals.exposed import Fit, labelled
from cbedgan.synthesis.crystals.synthesize_config import Kind
from classifier.foundation.errors import InputError

TRIES = 8  # samples drawn for one stack, until one is no near-copy of a real one
FIRST = {"interior": 0, "hard": 10**9}  # stack whose samples come first: no sample is in both


def interior_stack(source: TrainedCrystals, arm: ArmConfig, kind: Kind, space_group: int, number: int, *, seed: int,
                   fit: Fit, refused: Counter[str]) -> SampledStack | None:
    """One stack; None where the group gives none. It is one of the `TRIES` samples that belong to its number.

    Parameters
    ----------
    source, arm, space_group, seed, refused : as for `draw_stack`
    kind, number : of the stack; "hard": one of the pool
    fit : which crystals and stacks may be trained on
    """
    first = TRIES * (FIRST[kind] + number)
    for sample in range(first, first + TRIES):
        try:
            one = draw_stack(source, arm, space_group, sample, seed=seed, refused=refused, against=fit.crystal,
                             views=True)
        except InputError:  # every attempt that its prior allows is counted already
            return None
        reason = fit.stack(one.stack)
        if not reason:
            return labelled(one, f"{kind}-{space_group}-{number:06d}", {"kind": kind})
        refused[reason] += 1
    return None
