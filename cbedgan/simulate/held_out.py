"""What the validation and test parts of a split hold, so that a set to train on in addition can be made without it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cbedgan.crystal.crystals import Crystal
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import rows_of


@dataclass(frozen=True)
class HeldOut:
    """Structure types and formulas of the held-out parts, each with its space group; it goes to processes that plan."""

    structure_types: frozenset[tuple[int, str]]
    formulas: frozenset[tuple[int, str]]
    split_digest: str

    @classmethod
    def of(cls, split: Path, stacks: Path) -> "HeldOut":
        """Of the split of these stacks."""
        with StackFile(stacks) as file:
            parted = load_split(split, stack_digest=file.identity)
            table = file.table.take(rows_of(file, parted.parts["validation"] + parted.parts["test"]))
        groups = table.space_group.tolist()
        return cls(frozenset(zip(groups, table.structure_type.tolist(), strict=True)),
                   frozenset(zip(groups, table.formula.tolist(), strict=True)), parted.digest)

    def free(self, table: SampleTable) -> Bool[np.ndarray, " N"]:
        """Whether each row is of a structure type and a formula that they do not hold."""
        groups = table.space_group.tolist()
        return np.array([(group, kind) not in self.structure_types and (group, formula) not in self.formulas
                         for group, kind, formula in zip(groups, table.structure_type.tolist(),
                                                         table.formula.tolist(), strict=True)], dtype=bool)

    def reason(self, crystal: Crystal) -> str | None:
        """Say why the crystal must stay out of training, or None."""
        if (crystal.space_group, crystal.structure_type) in self.structure_types:
            return f"validation or test hold the structure type {crystal.structure_type}"
        if (crystal.space_group, crystal.formula) in self.formulas:
            return f"validation or test hold {crystal.formula} of this space group"
        return None
