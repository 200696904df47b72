"""A path as a strip: its patterns at four distortions, beneath them margins and residuals along it, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cbedgan.distortion.report.states import CROSSED
from cbedgan.distortion.report.words import indices, operation
from classifier.crystal.spacegroup import symbol
from classifier.foundation.drawing import ACCENT, DASHED, EDGE, INKED, LINE, MUTED, new_figure, picture
from classifier.foundation.page import number

FAINTEST = 1e-4  # of the brightest diffracted pixel: as dark as black
LINE_COLOUR = "#4fb3ff"
COLOURS = ("#c98a1b", "#1b7f5c", "#7c4dbd", EDGE)
MOST_CURVES = 4


def chosen_strips(paths: Sequence[Mapping[str, Any]], materials: Mapping[str, int]) -> dict[int, str]:
    """Which paths are drawn, and why: of those that a classifier crosses the one with the median t*, the largest, the
    smallest (medians over classifiers), and that of the pair with the fewest training materials."""
    crossed = [k for k, path in enumerate(paths) if CROSSED in path["state"]]
    if not crossed:
        return {}
    by_t = sorted(crossed, key=lambda k: (path_t_star(paths[k]), k))
    rare = min(crossed, key=lambda k: (sum(materials[str(paths[k][key])] for key in ("space_group", "subgroup")), k))
    reasons = {by_t[len(by_t) // 2]: "median t*", by_t[-1]: "largest t*", by_t[0]: "smallest t*", rare: "rarest pair"}
    return {k: reasons[k] for k in sorted(reasons)}


def path_t_star(path: Mapping[str, Any]) -> float:
    """Median of a crossed path's thresholds over the classifiers that cross."""
    return float(np.median([t for t, state in zip(path["t_star"], path["state"], strict=True) if state == CROSSED]))


def strip_places(path: Mapping[str, Any]) -> dict[str, float]:
    """{name: angstrom} of the patterns of a strip, rising; what lies beyond the path's end is left out."""
    places = {"undistorted": 0.0, "t_data": path["t_data"], "t*": path_t_star(path), "end": path["end_angstrom"]}
    within = {name: t for name, t in places.items() if t is not None and t <= path["end_angstrom"]}
    return dict(sorted(within.items(), key=lambda one: one[1]))


@picture(INKED)
def strip(path: Mapping[str, Any], patterns: Float[np.ndarray, "n S S"], places: Mapping[str, float], pattern: int, *,
          bar: float) -> Figure:
    """One of the three patterns along a path, in a pose that turns with the crystal.

    Parameters
    ----------
    path : its record in paths.json
    patterns, places : at these distortions, in shares of the incident beam
    pattern : which of the three it is
    bar : residual that counts as missed
    """
    lost = path["lost"]["patterns"][pattern]
    figure = new_figure(9.6, 5.4)
    above, below = figure.subfigures(2, 1, height_ratios=(1.05, 1), squeeze=False).flat
    above.suptitle(f"{symbol(path['space_group'])} → {symbol(path['subgroup'])}, {path['crystal']['formula']}: pattern "
                   f"{pattern + 1} along {indices(lost['zone_axis_uvw'])}, {lost['before']} → {lost['after']}",
                   x=0.01, ha="left", fontsize=10, weight="bold")
    half, brightest = patterns.shape[-1] / 2, np.sort(patterns[0].ravel())[-8]
    for axes, image, (name, t) in zip(above.subplots(1, len(places), squeeze=False)[0], patterns, places.items(),
                                      strict=True):
        axes.imshow(np.log10(np.maximum(image / brightest, 0) + FAINTEST), origin="lower", cmap="gray",
                    extent=(-half, half, -half, half), vmin=np.log10(FAINTEST), vmax=0)
        axes.set(xticks=[], yticks=[], xlim=(-half, half), ylim=(-half, half))
        axes.set_title(name if t == 0 else f"{name}: {number(t)} Å")
        for one in lost["operations"] if t == 0 else ():
            if one["azimuth_degree"] is not None and not one["stays_in_projection"]:
                x, y = (1.5 * half * wave(np.radians(one["azimuth_degree"])) for wave in (np.cos, np.sin))
                axes.plot([-x, x], [-y, y], color=LINE_COLOUR, lw=1, ls=DASHED)
    left, right = below.subplots(1, 2)
    _margins(left, path)
    _residuals(right, path, pattern, bar)
    for axes in (left, right):
        axes.set(xscale="log", xlabel="distortion (Å)")
        for name, t in places.items():
            if name in ("t_data", "t*"):
                axes.axvline(t, color=MUTED, lw=0.8, ls=DASHED)
                axes.annotate(name, (t, 1), xycoords=("data", "axes fraction"), ha="center", fontsize=7.5, color=MUTED)
    return figure


def _margins(axes: Axes, path: Mapping[str, Any]) -> None:
    for row in path["margins"]:
        axes.plot(path["distortion_angstrom"], row[1:], color=ACCENT, lw=1.2, alpha=0.8)
    axes.axhline(0, color=LINE, lw=1)
    axes.set(ylabel="log p(subgroup) − log p(group)", title="margin, a line a classifier\n")


def _residuals(axes: Axes, path: Mapping[str, Any], pattern: int, bar: float) -> None:
    operations, residuals = path["lost"]["patterns"][pattern]["operations"], path["residuals"][pattern]
    order = sorted(range(len(operations)), key=lambda k: -residuals[k][-1])[:MOST_CURVES]
    for k, colour in zip(order, COLOURS, strict=False):
        axes.plot(path["distortion_angstrom"], 100 * np.array(residuals[k][1:]), color=colour, lw=1.2,
                  label=operation(operations[k]))
    axes.axhline(100 * bar, color=LINE, lw=1)
    axes.set(yscale="log", ylabel="relative L1 (%)", title="added difference from its image under what is lost\n")
    if order:
        axes.legend(fontsize=7)
    else:
        axes.text(0.5, 0.5, "no turn or mirror line goes", transform=axes.transAxes, ha="center", color=MUTED)
