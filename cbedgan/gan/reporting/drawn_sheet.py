"""What a training of crystals ends with: drawn stacks beside real ones, and whether their crystals are told apart."""

from pathlib import Path
from typing import Any

from cbedgan.crystal.census.beside import beside
from cbedgan.crystal.census.known import REAL, UNSAID, drawn_crystals, real_crystals
from cbedgan.gan.reporting.contact_sheet import some_of_each, write_contact_sheet
from classifier.crystal.spacegroup import ClassMap, symbol
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import StackSet
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile


def write_drawn_sheet(path: Path, drawn: Path, samples: StackSet, class_map: ClassMap, transform: IntensityTransform, *,
                      title: str, seed: int) -> None:
    """Write a contact sheet of a file of drawn stacks, as many of each group, below as many real ones.

    Parameters
    ----------
    path, title : of the PNG
    drawn : stack file, in the order of groups
    samples : real stacks
    class_map, transform : of their labels, and their scale
    seed : of the choice of real ones
    """
    with StackFile(drawn) as file:
        stacks = file.read(range(len(file)))
    real = some_of_each(samples, class_map, transform, len(stacks) // len(class_map), seed).numpy()
    labels = [f"{number} {symbol(number)}" for number in class_map.space_groups]
    write_contact_sheet(path, real, stacks.reshape(real.shape), labels, title=title)


def told_apart(drawn: Path, table: SampleTable, seed: int) -> dict[str, Any]:
    """Whether a classifier of descriptors tells drawn crystals from those of a train part that are not drawn.

    0.5 is where nothing tells them; what real ones reach among themselves stands beside it. Only their number is said
    where there are too few.
    """
    real, _ = real_crystals(table, (REAL, UNSAID))
    figures = beside(drawn_crystals(drawn), real, seed=seed)
    return {name: figures[name] for name in ("crystals", "told_apart", "told_apart_real") if name in figures}
