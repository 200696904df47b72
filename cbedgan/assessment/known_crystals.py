"""The crystals behind stacks: of the train part, which a generator has seen as pictures only, and of what it drew."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.crystal.census.beside import beside
from cbedgan.crystal.crystals import Crystal
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile

REAL = "real"  # derivation of crystals made from real ones


def real_crystals(table: SampleTable) -> tuple[list[Crystal], str]:
    """One crystal of each real-derived material, and why there are none, "" where there are."""
    told = [json.loads(row) if row else {} for row in table.provenance.tolist()]
    holding = np.array([isinstance(one, dict) and "crystal" in one for one in told], dtype=bool)
    if not holding.any():
        return [], "the rows of the set hold no crystals"
    rows = np.flatnonzero(holding & (table.derivation == REAL))
    if not len(rows):
        return [], "the set has no crystals derived from real ones"
    first = np.unique(table.material[rows], return_index=True)[1]
    return [Crystal.from_record(told[row]["crystal"]) for row in rows[first].tolist()], ""


def drawn_figures(drawn: Path, real: Sequence[Crystal], seed: int) -> dict[str, Any]:
    """How the crystals of a file of drawn stacks are built, beside real ones."""
    with StackFile(drawn) as file:
        crystals = [Crystal.from_record(json.loads(row)["crystal"]) for row in file.table.provenance.tolist()]
    return beside(crystals, real, seed=seed)
