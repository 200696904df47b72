"""The contact sheet: for every space group a row of real stacks above a row of generated ones, on one log scale."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.atomic import atomic_path
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import StackSet

GAP = 2  # pixels between patterns; twice that between stacks
PIXELS_PER_INCH = 100
DECADES = 5


def write_contact_sheet(path: Path, real: np.ndarray, generated: np.ndarray, labels: Sequence[str], *,
                        title: str = "", zoom: int = 2) -> None:
    """Draw real above generated samples as a PNG; those of NaN are left blank, and rows run upwards as k_y does.

    One scale of brightness for all, logarithmic over five decades below the brightest real pixel.

    Parameters
    ----------
    path : of the PNG
    real, generated : intensities [groups, samples, patterns, H, W]
    labels : one a group
    title : above all
    zoom : pixels of the PNG a pixel
    """
    top = float(np.nanmax(real))
    picture = np.concatenate([mosaic(np.concatenate((one, other))) for one, other in
                              zip(real[:, None], generated[:, None], strict=True)])
    shade = (np.log10(np.maximum(picture, top * 10.0**-DECADES)) - np.log10(top)) / DECADES + 1
    height, width = shade.shape[0] * zoom / PIXELS_PER_INCH, shade.shape[1] * zoom / PIXELS_PER_INCH
    left, above = 1.3, 0.4
    figure = Figure(figsize=(width + left, height + above), dpi=PIXELS_PER_INCH)
    axes = figure.add_axes((left / (width + left), 0, width / (width + left), height / (height + above)))
    colours = matplotlib.colormaps["inferno"].with_extremes(bad="white")
    axes.imshow(np.ma.masked_invalid(shade), cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    rows = shade.shape[0] / (2 * len(labels))
    for group, label in enumerate(labels):
        for below, origin in enumerate(("real", "generated")):
            axes.text(-4, (2 * group + below + 0.5) * rows, f"{label}\n{origin}" if not below else origin, fontsize=8,
                      ha="right", va="center")
    figure.text(0.01, 1 - 0.25 / (height + above), title, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def some_of_each(samples: StackSet, class_map: ClassMap, transform: IntensityTransform, count: int, seed: int
                 ) -> Float[Tensor, "K {count} C *spatial"]:
    """Intensities of `count` samples of each group, chosen by the seed; NaN where a group has fewer.

    Parameters
    ----------
    samples : on the scale of `transform`
    class_map : of their labels
    transform : scale of the samples
    count, seed : of the choice
    """
    x, classes = samples.x, samples.class_idx.cpu().numpy()
    found = torch.full((len(class_map), count, *x.shape[1:]), torch.nan)
    random = np.random.default_rng(seed)
    for k in range(len(class_map)):
        rows = random.permutation(np.flatnonzero(classes == k))[:count]
        found[k, : len(rows)] = transform.denormalise(x[torch.from_numpy(rows).to(x.device)].cpu())
    return found


def mosaic(stacks: np.ndarray) -> np.ndarray:
    """Lay out stacks [rows, samples, patterns, H, W] as one picture [rows * (H + gap), ...], gaps and blanks NaN."""
    rows, samples, patterns, height, width = stacks.shape
    canvas = np.full((rows, height + GAP, samples, patterns * (width + GAP) + GAP), np.nan)
    for pattern in range(patterns):
        start = pattern * (width + GAP)
        canvas[:, :height, :, start:start + width] = stacks[:, :, pattern, ::-1].transpose(0, 2, 1, 3)
    return canvas.reshape(rows * (height + GAP), -1)
