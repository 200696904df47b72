"""The pictures of the report, each drawn from arrays or from the report's own numbers and returned as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from cbedgan.comparison.arms import ARMS
from cbedgan.comparison.walk import Walk
from classifier.crystal.spacegroup import crystal_system, symbol
from classifier.foundation.drawing import ACCENT, DASHED, EDGE, INK, LINE, MUTED, ROWS, SHADE, ends, new_figure, picture
from classifier.statistics.metrics import SHOT_CLASSES

VERDICT_COLOURS = {"helped": "#1b7f5c", "hurt": "#b3261e", "no difference": "#51606f", "cannot tell": "#a8adb3"}
ARM_COLOURS = {"real": MUTED, "duplicated_reals": "#c98a1b", "reserve_reals": "#1b7f5c",
               "interior_synthetic": ACCENT, "boundary_synthetic": EDGE, "hard_synthetic": "#7a4fa3",
               "boundary_shuffled_labels": "#d08770"}
SIDE_BY_SIDE = 40
"""Up to so many groups are drawn one beside the other; more go over a logarithmic axis of training materials."""


def arm_colour(arm: str) -> str:
    """Colour of an arm; a logit-adjusted variant has that of its source."""
    return ARM_COLOURS[arm.removesuffix("_logit_adjusted")]


@picture(ROWS)
def contrasts(rows: list[dict[str, Any]], arm_labels: Mapping[str, str], band: float) -> Figure:
    """Forest of differences of mean recall: one line a pair of arms, one panel a shot class, corrected intervals."""
    pairs = list(dict.fromkeys((row["arm"], row["reference"]) for row in rows))
    panels = {}
    for shot in (*SHOT_CLASSES, "all"):
        chosen = {(row["arm"], row["reference"]): row for row in rows if row["shot"] == shot}
        if chosen:
            panels[f"{shot} groups ({chosen[pairs[0]]['groups']})"] = [chosen[pair] for pair in pairs]
    return forest(panels, [f"{arm_labels[arm]}  vs  {arm_labels[other]}" for arm, other in pairs], band,
                  new_figure(9.6, 0.62 + 0.36 * len(pairs)), xlabel="difference of recall (points)")


def forest(panels: dict[str, list[dict[str, Any]]], names: Sequence[str], band: float, figure: Figure, **labels: str
           ) -> Figure:
    """Differences in the colours of their verdicts, with corrected intervals, beside zero and the band of none.

    Parameters
    ----------
    panels : {title: differences from above}
    names : of the differences
    band : within which they count as none
    figure : to draw in
    labels : of the axes
    """
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, rows) in zip(drawn, panels.items(), strict=True):
        axes.axvspan(-100 * band, 100 * band, color=SHADE, lw=0)
        axes.axvline(0, color=MUTED, lw=0.8)
        for y, (row, low, middle, high) in enumerate(zip(rows, *_corrected(rows), strict=True)):
            colour = VERDICT_COLOURS[row["verdict"]]
            axes.plot([low, high], [y, y], color=colour, lw=2, solid_capstyle="round")
            axes.plot(middle, y, "o", color=colour, ms=5.5, mec="white", mew=0.8)
        axes.set(title=title, ylim=(len(names) - 0.4, -0.6), **labels)
        axes.spines["left"].set_visible(False)
    drawn[0].set_yticks(range(len(names)), names)
    return figure


def _corrected(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates of differences between the ends of their corrected intervals, in points."""
    return ends({**row["corrected"], "estimate": row["estimate"]} for row in rows)


@picture(ROWS)
def groups(rows: list[dict[str, Any]], primary: dict[str, Any], band: float) -> Figure:
    """Recall of each group in the two primary arms, and the difference, against the number of training materials."""
    rows = sorted(rows, key=lambda row: (-row["training_materials"], row["space_group"]))
    materials = np.array([row["training_materials"] for row in rows])
    beside = len(rows) <= SIDE_BY_SIDE
    x = np.arange(len(rows), dtype=float) if beside else np.maximum(materials, 1).astype(float)
    shift = 0.14 if beside else 0.0
    figure = new_figure(9.6, 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1))
    for name, offset in ((primary["reference"], -shift), (primary["arm"], shift)):
        low, middle, high = ends([row["recall"][name] for row in rows])
        above.vlines(x + offset, low, high, color=arm_colour(name), lw=1.6, alpha=0.55)
        above.plot(x + offset, middle, "o", color=arm_colour(name), ms=5, mec="white", mew=0.7, label=ARMS[name].label)
    above.set(ylabel="recall (%)", ylim=(-3, 103))
    above.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.17), borderaxespad=0)
    below.axhspan(-100 * band, 100 * band, color=SHADE, lw=0)
    below.axhline(0, color=MUTED, lw=0.8)
    colours = [VERDICT_COLOURS[row["difference"]["verdict"]] for row in rows]
    low, middle, high = _corrected([row["difference"] for row in rows])
    below.vlines(x, low, high, color=colours, lw=2)
    below.scatter(x, middle, c=colours, s=28, zorder=3, edgecolors="white", linewidths=0.7)
    below.set_ylabel("difference (points)")
    if beside:
        for edge in np.flatnonzero(np.diff([SHOT_CLASSES.index(row["shot"]) for row in rows])) + 0.5:
            for axes in (above, below):
                axes.axvline(edge, color=LINE, lw=0.8, ls=DASHED)
        below.set_xticks(x, [f"{row['space_group']}\n{row['training_materials']}" for row in rows])
        below.set_xlabel("space group and number of training materials")
    else:
        below.set(xscale="log", xlabel="number of training materials")
    return figure


@picture(ROWS)
def confusion(matrices: dict[str, Any], space_groups: Sequence[int], primary: dict[str, Any]) -> Figure:
    """Confusion matrices [K, K] of the primary arms in percent of the true group, and their difference.

    Ordered by group; lines part the crystal systems.
    """
    figure = new_figure(9.6, 4.05)
    panels = figure.subplots(1, 3)
    before, after = (np.array(matrices[primary[name]]) for name in ("reference", "arm"))
    change = 100 * (after - before)
    reach = max(float(np.abs(change).max()), 1.0)
    drawn = ((ARMS[primary["reference"]].label, 100 * before, "Greys", (0, 100)),
             (ARMS[primary["arm"]].label, 100 * after, "Greys", (0, 100)),
             ("difference (points)", change, "PuOr", (-reach, reach)))
    systems = [crystal_system(group) for group in space_groups]
    starts = [k for k in range(1, len(systems)) if systems[k] != systems[k - 1]]
    ticks = range(0, len(space_groups), max(1, len(space_groups) // 20))
    named = [space_groups[k] for k in ticks]
    for axes, (title, values, colours, limits) in zip(panels, drawn, strict=True):
        image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
        for start in starts:
            axes.axhline(start - 0.5, color="#8fb3d1", lw=0.6)
            axes.axvline(start - 0.5, color="#8fb3d1", lw=0.6)
        axes.set(title=title, xlabel="predicted space group")
        axes.set_xticks(ticks, named, rotation=90, fontsize=6.5)
        axes.set_yticks(ticks, named, fontsize=6.5)
        axes.tick_params(length=0, colors=MUTED)
        scale = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.62, aspect=28, pad=0.02)
        scale.outline.set_visible(False)
    panels[0].set_ylabel("true space group")
    return figure


@picture(ROWS)
def stacks(rows: list[tuple[str, list[np.ndarray | None]]], columns: Sequence[str], floor: float) -> Figure:
    """Samples side by side: a row a group (label, one [C, *spatial] or None for each column); patterns in log scale."""
    figure = Figure(figsize=(9.6, 0.42 + 1.02 * len(rows)), facecolor="white")
    outer = figure.add_gridspec(len(rows), len(columns), left=0.105, right=0.998, bottom=0.012,
                                top=1 - 0.34 / (0.42 + 1.02 * len(rows)), wspace=0.05, hspace=0.06)
    brightest = max(float(stack.max()) for _, of_group in rows for stack in of_group if stack is not None)
    channels = max(len(stack) for _, of_group in rows for stack in of_group if stack is not None)
    for r, (label, of_group) in enumerate(rows):
        for c, stack in enumerate(of_group):
            cells = outer[r, c].subgridspec(1, channels, wspace=0.025)
            for i in range(channels):
                axes = figure.add_subplot(cells[i])
                if stack is None:
                    axes.set_facecolor(SHADE)
                    axes.set(xticks=[], yticks=[])
                else:
                    _pattern(axes, stack[i], floor, brightest)
                for spine in axes.spines.values():
                    spine.set_visible(False)
                if r == 0 and i == 0:
                    axes.set_title(columns[c], pad=6)
                if c == 0 and i == 0:
                    axes.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    return figure


def _pattern(axes: Axes, pattern: np.ndarray, floor: float, brightest: float) -> None:
    """Show one pattern [H, W] on a log scale that starts at the floor, k_y upwards; or one curve [P] as it is."""
    if pattern.ndim == 1:
        axes.plot(pattern, color=INK, linewidth=0.6)
        axes.set(xticks=[], yticks=[], ylim=(-0.05 * brightest, 1.05 * brightest))
        return
    axes.imshow(np.maximum(pattern, floor), cmap="magma", norm=LogNorm(floor, brightest), origin="lower",
                interpolation="nearest")
    axes.set(xticks=[], yticks=[])


@picture(ROWS)
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
        axes.set_xlabel(f"t = {t:.2f}", color=accent if at_crossing else MUTED, fontsize=7.5)
        for spine in axes.spines.values():
            spine.set(visible=at_crossing, color=accent, linewidth=2)
    axes = below.subplots()
    for where, colour in ((walk.margin >= 0, "#dbe7f3"), (walk.margin <= 0, "#fbe5d6")):
        axes.fill_between(walk.t, 0, walk.margin, where=where, color=colour, interpolate=True, lw=0)
    axes.plot(walk.t, walk.margin, color=INK, lw=1.6)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.plot(walk.crossing, 0, "o", color=accent, ms=8, mec="white", mew=1.2)
    axes.set(xlabel="position t on the path", ylabel="margin (logits)", xlim=(0, 1))
    for group, shift, side in ((walk.space_groups[0], 4, "bottom"), (walk.space_groups[1], -4, "top")):
        axes.annotate(f"{'above' if shift > 0 else 'below'}: {group}\n{symbol(group)}", (1, 0), (8, shift),
                      xycoords=("axes fraction", "data"), textcoords="offset points", va=side, color=MUTED)
    return figure
