"""The contact sheet: for every space group a row of real stacks above a row of generated ones, on one log scale."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from classifier.foundation.atomic import atomic_path

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


def mosaic(stacks: np.ndarray) -> np.ndarray:
    """Lay out stacks [rows, samples, patterns, H, W] as one picture [rows * (H + gap), ...], gaps and blanks NaN."""
    rows, samples, patterns, height, width = stacks.shape
    canvas = np.full((rows, height + GAP, samples, patterns * (width + GAP) + GAP), np.nan)
    for pattern in range(patterns):
        start = pattern * (width + GAP)
        canvas[:, :height, :, start:start + width] = stacks[:, :, pattern, ::-1].transpose(0, 2, 1, 3)
    return canvas.reshape(rows * (height + GAP), -1)
