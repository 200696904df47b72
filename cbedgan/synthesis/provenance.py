"""What a synthetic stack says of itself: the record from which it can be made again, and its row in a stack file."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbedgan.gan.network.latents import z_seeds
from classifier.samples.stackfile import SampleTable

KINDS = ("interior", "boundary")


def interior_seeds(space_group: int, seed: int, numbers: range) -> np.ndarray:
    """Seeds int64 [n] of the latents of these numbers inside a group; none is one of the probe's."""
    return z_seeds(seed, space_group, KINDS.index("interior"), n=len(numbers), first=numbers.start)


def interior_record(space_group: int, *, seed: int, z_seed: int) -> dict[str, Any]:
    """The record of a stack made from a fresh latent of its group alone."""
    return {"kind": "interior", "space_group": space_group, "seed": seed, "z_seed": z_seed}


def synthetic_table(names: Sequence[str], space_group: int | np.ndarray,
                    records: Sequence[dict[str, Any]]) -> SampleTable:
    """Table of synthetic stacks [m] by name, each a material of its own; records also hold the generator's digest."""
    return SampleTable.build(
        len(names), sample_id=names, material=names, structure_type="synthetic", space_group=space_group,
        origin="synthetic", partition="train",
        provenance=[json.dumps(record, sort_keys=True) for record in records])
