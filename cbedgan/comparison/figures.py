"""The pictures of the report, each drawn from arrays or from the report's own numbers and returned as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from cbedgan.comparison.arms import ARMS
from cbedgan.comparison.walk import Walk
from classifier.crystal.spacegroup import symbol
from classifier.statistics.metrics import SHOT_CLASSES

INK, MUTED, LINE, SHADE = "#1f2933", "#66727f", "#d5dbe1", "#f3f5f7"
VERDICT_COLOURS = {"helped": "#1b7f5c", "hurt": "#b3261e", "no difference": "#51606f", "cannot tell": "#a8adb3"}
ARM_COLOURS = {"real": "#66727f", "duplicated_reals": "#c98a1b", "reserve_reals": "#1b7f5c",
               "interior_synthetic": "#3b82c4", "boundary_synthetic": "#c2410c"}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "axes.edgecolor": LINE, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": MUTED, "ytick.color": INK, "axes.linewidth": 0.8, "ytick.major.width": 0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9.5, "axes.titlelocation": "left",
    "axes.titlepad": 8, "legend.frameon": False}
SIDE_BY_SIDE = 40
"""Up to so many groups are drawn one beside the other; more go over a logarithmic axis of training materials."""


def picture(draw: Callable[..., Figure]) -> Callable[..., bytes]:
    """Run a drawing function in the report's style and hand back its figure as PNG bytes."""
    @wraps(draw)
    def drawn(*arguments: Any, **named: Any) -> bytes:
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            draw(*arguments, **named).savefig(buffer, format="png", dpi=180)
        return buffer.getvalue()
    return drawn


def new_figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def arm_colour(arm: str) -> str:
    """Colour of an arm; a logit-adjusted variant has that of its source."""
    return ARM_COLOURS[arm.removesuffix("_logit_adjusted")]


def in_points(values: Sequence[float | None]) -> np.ndarray:
    """Recalls or their differences as percentage points; null becomes NaN."""
    return 100 * np.array([np.nan if value is None else value for value in values], float)


@picture
def contrasts(rows: list[dict[str, Any]], band: float) -> Figure:
    """Forest of differences of mean recall: one line a pair of arms, one panel a shot class, corrected intervals."""
    pairs = list(dict.fromkeys((row["arm"], row["reference"]) for row in rows))
    shots = [shot for shot in SHOT_CLASSES if any(row["shot"] == shot for row in rows)]
    figure = new_figure(9.6, 0.62 + 0.36 * len(pairs))
    panels = figure.subplots(1, len(shots), sharey=True, squeeze=False)[0]
    for axes, shot in zip(panels, shots, strict=True):
        chosen = {(row["arm"], row["reference"]): row for row in rows if row["shot"] == shot}
        zero_line(axes, band)
        for y, pair in enumerate(pairs):
            row = chosen[pair]
            low, middle, high = in_points([row["corrected"]["low"], row["estimate"], row["corrected"]["high"]])
            colour = VERDICT_COLOURS[row["verdict"]]
            axes.plot([low, high], [y, y], color=colour, lw=2, solid_capstyle="round")
            axes.plot(middle, y, "o", color=colour, ms=5.5, mec="white", mew=0.8)
        axes.set(title=f"{shot} groups ({row['groups']})", xlabel="difference of recall (points)",
                 ylim=(len(pairs) - 0.4, -0.6))
        axes.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(pairs)), [f"{ARMS[arm].label}  vs  {ARMS[other].label}" for arm, other in pairs])
    return figure


def zero_line(axes: Axes, band: float) -> None:
    """Mark zero and the band of differences that count as none, on the x axis."""
    axes.axvspan(-100 * band, 100 * band, color=SHADE, lw=0)
    axes.axvline(0, color=MUTED, lw=0.8)


@picture
def groups(rows: list[dict[str, Any]], arm: str, reference: str, band: float) -> Figure:
    """Recall of each group in two arms, and the difference, against the number of training materials."""
    rows = sorted(rows, key=lambda row: (-row["training_materials"], row["space_group"]))
    materials = np.array([row["training_materials"] for row in rows])
    beside = len(rows) <= SIDE_BY_SIDE
    x = np.arange(len(rows), dtype=float) if beside else np.maximum(materials, 1).astype(float)
    shift = 0.14 if beside else 0.0
    figure = new_figure(9.6, 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1))
    for name, offset in ((reference, -shift), (arm, shift)):
        low, middle, high = (in_points([row["recall"][name][key] for row in rows])
                             for key in ("low", "estimate", "high"))
        above.vlines(x + offset, low, high, color=arm_colour(name), lw=1.6, alpha=0.55)
        above.plot(x + offset, middle, "o", color=arm_colour(name), ms=5, mec="white", mew=0.7, label=ARMS[name].label)
    above.set(ylabel="recall (%)", ylim=(-3, 103))
    above.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.17), borderaxespad=0)
    below.axhspan(-100 * band, 100 * band, color=SHADE, lw=0)
    below.axhline(0, color=MUTED, lw=0.8)
    differences = [row["difference"] for row in rows]
    colours = [VERDICT_COLOURS[difference["verdict"]] for difference in differences]
    below.vlines(x, in_points([difference["corrected"]["low"] for difference in differences]),
                 in_points([difference["corrected"]["high"] for difference in differences]), color=colours, lw=2)
    below.scatter(x, in_points([difference["estimate"] for difference in differences]), c=colours, s=28, zorder=3,
                  edgecolors="white", linewidths=0.7)
    below.set_ylabel("difference (points)")
    if beside:
        for edge in np.flatnonzero(np.diff([SHOT_CLASSES.index(row["shot"]) for row in rows])) + 0.5:
            above.axvline(edge, color=LINE, lw=0.8, ls=(0, (4, 3)))
            below.axvline(edge, color=LINE, lw=0.8, ls=(0, (4, 3)))
        below.set_xticks(x, [f"{row['space_group']}\n{row['training_materials']}" for row in rows])
        below.set_xlabel("space group and number of training materials")
    else:
        below.set(xscale="log", xlabel="number of training materials")
    return figure


@picture
def confusion(matrices: dict[str, np.ndarray], space_groups: Sequence[int], system_starts: Sequence[int],
              arm: str, reference: str) -> Figure:
    """Confusion matrices [K, K] of two arms in percent of the true group, and their difference; ordered by group.

    system_starts: class_idx at which each crystal system but the first begins; drawn as lines.
    """
    figure = new_figure(9.6, 4.05)
    panels = figure.subplots(1, 3)
    change = 100 * (matrices[arm] - matrices[reference])
    reach = max(float(np.abs(change).max()), 1.0)
    drawn = ((ARMS[reference].label, 100 * matrices[reference], "Greys", (0, 100)),
             (ARMS[arm].label, 100 * matrices[arm], "Greys", (0, 100)),
             ("difference (points)", change, "PuOr", (-reach, reach)))
    for axes, (title, values, colours, limits) in zip(panels, drawn, strict=True):
        image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
        for start in system_starts:
            axes.axhline(start - 0.5, color="#8fb3d1", lw=0.6)
            axes.axvline(start - 0.5, color="#8fb3d1", lw=0.6)
        axes.set_title(title)
        axes.set_xlabel("predicted space group")
        step = max(1, len(space_groups) // 20)
        ticks = range(0, len(space_groups), step)
        axes.set_xticks(ticks, [space_groups[k] for k in ticks], rotation=90, fontsize=6.5)
        axes.set_yticks(ticks, [space_groups[k] for k in ticks], fontsize=6.5)
        axes.tick_params(length=0, colors=MUTED)
        scale = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.62, aspect=28, pad=0.02)
        scale.outline.set_visible(False)
    panels[0].set_ylabel("true space group")
    return figure


@picture
def stacks(rows: list[tuple[str, list[np.ndarray | None]]], columns: Sequence[str], floor: float) -> Figure:
    """Stacks side by side: a row a group (label, one [3, H, W] intensity or None for each column), log scale."""
    figure = Figure(figsize=(9.6, 0.42 + 1.02 * len(rows)), facecolor="white")
    outer = figure.add_gridspec(len(rows), len(columns), left=0.105, right=0.998, bottom=0.012,
                                top=1 - 0.34 / (0.42 + 1.02 * len(rows)), wspace=0.05, hspace=0.06)
    brightest = max(float(stack.max()) for _, of_group in rows for stack in of_group if stack is not None)
    for r, (label, of_group) in enumerate(rows):
        for c, stack in enumerate(of_group):
            cells = outer[r, c].subgridspec(1, 3, wspace=0.025)
            for i in range(3):
                axes = figure.add_subplot(cells[i])
                if stack is None:
                    axes.set_facecolor(SHADE)
                else:
                    _pattern(axes, stack[i], floor, brightest)
                axes.set(xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set_visible(False)
                if r == 0 and i == 0:
                    axes.set_title(columns[c], pad=6)
                if c == 0 and i == 0:
                    axes.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    return figure


def _pattern(axes: Axes, pattern: np.ndarray, floor: float, brightest: float) -> None:
    """Show one pattern [H, W] on a log scale that starts at the floor; k_y grows upwards."""
    axes.imshow(np.maximum(pattern, floor), cmap="magma", norm=LogNorm(floor, brightest), origin="lower",
                interpolation="nearest")


@picture
def path(walk: Walk, floor: float) -> Figure:
    """One path across a boundary: patterns, from one group to the other, above the margin between them."""
    accent = ARM_COLOURS["boundary_synthetic"]
    figure = new_figure(9.6, 3.6)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    above, below = halves
    brightest = float(walk.patterns.max())
    for axes, pattern, t in zip(above.subplots(1, len(walk.patterns)), walk.patterns, walk.picture_t, strict=True):
        at_crossing = t == walk.crossing
        _pattern(axes, pattern, floor, brightest)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(f"t = {t:.2f}", color=accent if at_crossing else MUTED, fontsize=7.5)
        for spine in axes.spines.values():
            spine.set(visible=at_crossing, color=accent, linewidth=2)
    axes = below.subplots()
    axes.fill_between(walk.t, 0, walk.margin, where=walk.margin >= 0, color="#dbe7f3", interpolate=True, lw=0)
    axes.fill_between(walk.t, 0, walk.margin, where=walk.margin <= 0, color="#fbe5d6", interpolate=True, lw=0)
    axes.plot(walk.t, walk.margin, color=INK, lw=1.6)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.plot(walk.crossing, 0, "o", color=accent, ms=8, mec="white", mew=1.2)
    axes.set(xlabel="position t on the path", ylabel="margin (logits)", xlim=(0, 1))
    for group, shift, side in ((walk.space_groups[0], 4, "bottom"), (walk.space_groups[1], -4, "top")):
        axes.annotate(f"{'above' if shift > 0 else 'below'}: {group}\n{symbol(group)}", (1, 0), (8, shift),
                      xycoords=("axes fraction", "data"), textcoords="offset points", va=side, color=MUTED)
    return figure
