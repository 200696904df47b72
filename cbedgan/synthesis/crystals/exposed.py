"""A crystal as a synthetic stack: exposed as the generator's set is, its label measured, its row complete; and which
may be trained on."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from cbedgan.crystal.crystals import Crystal, measure_symmetry
from cbedgan.crystal.supergroup import quiet_moyo
from cbedgan.gan.crystals.draw import SampledStack
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.gan.crystals.views import views_of
from cbedgan.simulate.cbed.stack import refusal, simulate_every_view
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.held_out import HeldOut
from cbedgan.synthesis.crystals.copies import Copies
from classifier.foundation.errors import InputError

HELD_OUT, COPY = "validation or test hold its type or formula", "copy of a real stack"  # why one is refused


class Fit(NamedTuple):
    """What may be trained on, beside the real stacks."""

    held_out: HeldOut
    copies: Copies

    def crystal(self, crystal: Crystal) -> str:
        """What speaks against the crystal, "" if nothing does."""
        return HELD_OUT if self.held_out.reason(crystal) is not None else ""

    def stack(self, stack: Float[np.ndarray, "3 S S"]) -> str:
        """What speaks against the stack."""
        return COPY if self.copies.holds(stack) else ""


def exposed(crystal: Crystal, space_group: int, instrument: Instrument, stream: np.random.Generator, fit: Fit,
            refused: Counter[str]) -> SampledStack | None:
    """The stack, with its views, of a crystal that is of the group when it is measured as written; None where it must
    be refused.

    Parameters
    ----------
    crystal, space_group : the crystal, and the label
    instrument : what it is exposed to
    stream : chooses among its energies and thicknesses
    fit : which crystals and stacks may be trained on
    refused : by reason; counted here
    """
    reason = fit.crystal(crystal) or ("" if _group(crystal) == space_group else "another group")
    config = instrument.config
    if not reason and refusal(crystal, config) is not None:
        reason = "not to be simulated"
    if not reason:
        energy = config.beam_energies_kev[int(stream.integers(len(config.beam_energies_kev)))]
        try:
            stacks, table = simulate_every_view(crystal, config, beam_energy_kev=energy, views=(),
                                                engine=engine_of(config))[0]
            which = int(stream.integers(len(stacks)))
            one = SampledStack(crystal, stacks[which], replace(table.take([which]), derivation=np.array(["random"])))
            reason = fit.stack(one.stack)
            if not reason:
                return one._replace(views=views_of(crystal, one.row, instrument))
        except InputError:
            reason = "not to be rendered"
    refused[reason] += 1
    return None


def labelled(one: SampledStack, name: str, told: dict[str, Any]) -> SampledStack:
    """The stack with the row of a synthetic one, which tells how it was made; its crystal is a material of its own."""
    provenance = json.dumps({**json.loads(one.row.provenance[0]), **told}, separators=(",", ":"))
    return one._replace(row=replace(one.row, sample_id=np.array([name]), origin=np.array(["synthetic"]),
                                    partition=np.array(["train"]), provenance=np.array([provenance])))


def _group(crystal: Crystal) -> int | None:
    """What moyopy measures at the precision of every crystal."""
    try:
        with quiet_moyo():
            return int(measure_symmetry(*crystal.primitive()).number)
    except ValueError:  # moyopy's
        return None
