"""The crystals behind the stacks of a file: of real materials, which a generator has seen as pictures, or drawn."""

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np

from cbedgan.crystal.crystals import Crystal
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile

REAL, UNSAID = "real", ""  # derivations: made from a real crystal; of a set whose rows do not say


def real_crystals(table: SampleTable, derivations: Collection[str] = (REAL,)) -> tuple[list[Crystal], str]:
    """One crystal of each material that is so derived, and why there are none, "" where there are."""
    told = [json.loads(row) if row else {} for row in table.provenance.tolist()]
    holding = np.array([isinstance(one, dict) and "crystal" in one for one in told], dtype=bool)
    if not holding.any():
        return [], "the rows of the set hold no crystals"
    rows = np.flatnonzero(holding & np.isin(table.derivation, list(derivations)))
    if not len(rows):
        return [], "the set has no crystals derived from real ones"
    first = np.unique(table.material[rows], return_index=True)[1]
    return [Crystal.from_record(told[row]["crystal"]) for row in rows[first].tolist()], ""


def drawn_crystals(drawn: Path) -> list[Crystal]:
    """The crystals of a file of drawn stacks."""
    with StackFile(drawn) as file:
        return [Crystal.from_record(json.loads(row)["crystal"]) for row in file.table.provenance.tolist()]
