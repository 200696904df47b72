"""A drawn stack as the views of the set show it: the same crystal under the same conditions, as in `simulate`."""

import json
from dataclasses import replace

import numpy as np

from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.simulate.cbed.stack import StacksAndRows, simulate_every_view
from cbedgan.simulate.engine import engine_of
from classifier.samples.sampletable import SampleTable


def views_of(crystal: Crystal, row: SampleTable, instrument: Instrument) -> tuple[StacksAndRows, ...]:
    """The one stack in each of the instrument's views, with the simulator's row; InputError where one cannot be made.

    It is rendered anew: stacks on the axes do not depend on which views a set has, nor on its widest tilt.
    """
    if not instrument.views:
        return ()
    config, told = instrument.with_views, json.loads(row.provenance[0])
    every = simulate_every_view(crystal, config, beam_energy_kev=told["beam_energy_kev"], engine=engine_of(config))
    which = told.get("of_series", 0)
    return tuple((stacks[which:which + 1], rows.take([which])) for stacks, rows in every[1:])


def named_as(row: SampleTable, seen: SampleTable) -> SampleTable:
    """The row of a view of the stack that `row` is of, with its name, and told how it was made."""
    provenance = json.dumps({**json.loads(row.provenance[0]), **json.loads(seen.provenance[0])}, separators=(",", ":"))
    return replace(seen, sample_id=row.sample_id, origin=row.origin, partition=row.partition,
                   derivation=row.derivation, provenance=np.array([provenance]))
