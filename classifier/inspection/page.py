"""The page of inspect: what stack files hold and what is wrong with them, with stacks of every space group."""

import io
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.image import imsave

from classifier.foundation.atomic import write_text
from classifier.foundation.errors import InputError
from classifier.foundation.page import page
from classifier.inspection.catalog import Catalog
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import SHOT_CLASSES

STACKS_SHOWN = 2  # of each group, of different materials where there are
LARGEST_PICTURE = 96  # pixels a side; larger patterns are averaged over blocks
DECADES = 5  # of the grey scale, below the brightest pixel of a stack
GAP = 2  # pixels between patterns


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
                picture = picture_of(file.read([row - starts[catalog.file_idx[row]]])[0])
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


def picture_of(stack: np.ndarray) -> bytes:
    """The patterns of a stack [3, H, W] side by side, log scale, k_y upwards, as PNG."""
    blocks = -(-stack.shape[-1] // LARGEST_PICTURE)
    size = stack.shape[-1] // blocks
    cut = stack[:, :size * blocks, :size * blocks].astype(np.float64)
    small = cut.reshape(3, size, blocks, size, blocks).mean(axis=(2, 4))
    top = max(small.max(), np.finfo(np.float32).tiny)
    shade = np.log10(np.maximum(small / top, 10.0**-DECADES)) / DECADES + 1
    colours = matplotlib.colormaps["inferno"](shade[:, ::-1])
    canvas = np.zeros((size, 3 * size + 2 * GAP, 4))
    for k in range(3):
        canvas[:, k * (size + GAP):k * (size + GAP) + size] = colours[k]
    stream = io.BytesIO()
    imsave(stream, canvas, format="png")
    return stream.getvalue()
