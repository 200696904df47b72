"""The page of inspect: what stack files hold and what is wrong with them, with stacks of every space group."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from classifier.foundation.atomic import write_text
from classifier.foundation.errors import InputError
from classifier.foundation.page import page
from classifier.inspection.catalog import Catalog
from classifier.kind.cbed import DECADES
from classifier.kind.measurement_kind import drawn_sample
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import SHOT_CLASSES

STACKS_SHOWN = 2  # of each group, of different materials where there are


def write_inspection_page(path: Path, catalog: Catalog) -> None:
    """Write `found` as one HTML page without any outside resource, a few stacks of each group pictured in it."""
    groups, drawn = catalog.groups(), _pictures(catalog)
    write_text(path, page(
        "classifier.inspection", "page.html.j2", filters={"log10": math.log10}, catalog=catalog,
        groups=[{**asdict(group), "stacks": drawn[group.space_group]} for group in groups],
        frequent=sorted(groups, key=lambda group: -group.materials), shots=SHOT_CLASSES, decades=DECADES,
        materials=len(np.unique(catalog.samples.material[catalog.samples.material != ""])),
        most=max((group.materials for group in groups), default=0)))


def _pictures(catalog: Catalog) -> dict[int, list[dict[str, Any]]]:
    """{space group: its pictured stacks}, each a PNG with the names of sample and file; None for a damaged one."""
    files = [StackFile(Path(entry.path)) for entry in catalog.files]
    starts = np.cumsum([0, *map(len, files)])
    table, drawn = catalog.samples, {}
    for group in np.unique(table.space_group[table.space_group > 0]):
        drawn[int(group)] = []
        for row in _chosen(np.flatnonzero(table.space_group == group), table.material):
            file = files[catalog.file_idx[row]]
            try:
                picture = drawn_sample(file.read([row - starts[catalog.file_idx[row]]])[0], file.grid)
            except InputError:
                picture = None
            drawn[int(group)].append({"picture": picture, "sample": str(table.sample_id[row]),
                                      "material": str(table.material[row]), "formula": str(table.formula[row]),
                                      "file": file.path.name})
    for file in files:
        file.close()
    return drawn


def _chosen(rows: np.ndarray, materials: np.ndarray) -> np.ndarray:
    """A few of the rows: the first of the first materials, or the first ones where there are not so many materials."""
    _, first = np.unique(materials[rows], return_index=True)
    several = np.sort(first)[:STACKS_SHOWN]
    return rows[several] if len(several) == STACKS_SHOWN else rows[:STACKS_SHOWN]
