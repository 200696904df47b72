"""Finished measurements of simulated stacks: the copies that networks are judged by, and what was drawn for them."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from classifier.pattern.condition import Condition
from classifier.pattern.measurement import CONDITIONS, copy_seeds, drawn, measured_copy
from classifier.samples.measured_samples import JUDGED_SEED

DECIMALS = 6  # of the values that are told


def as_measured(stacks: Float[np.ndarray, "T 3 H W"], sample_ids: list[str], condition: Condition
                ) -> tuple[Float[np.ndarray, "T 3 H W"], list[dict[str, Any]]]:
    """Stacks, in fractions of the incident beam, as one microscope measures them, and what it drew for each.

    They are the copies that `judged_under` and `predict --condition` make of the same samples.
    """
    copies = measured_copy(torch.from_numpy(stacks), sample_ids, CONDITIONS[condition], seed=JUDGED_SEED)
    values = drawn(CONDITIONS[condition], copy_seeds(sample_ids, seed=JUDGED_SEED), stacks.shape[1])
    told = [{"condition": condition, "electrons": CONDITIONS[condition].electrons, **{
        name: [round(float(one), DECIMALS) for one in value[k]] for name, value in values.items()}}
        for k in range(len(sample_ids))]
    return copies.numpy(), told
