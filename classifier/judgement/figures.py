"""The pictures of a judgement, each drawn from its JSON content and returned as PNG bytes."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from classifier.crystal.spacegroup import CRYSTAL_SYSTEMS, crystal_system
from classifier.foundation.drawing import ACCENT, DASHED, EDGE, INK, INKED, LINE, MUTED, ends, new_figure, picture

COLOURS = ("#8a8f98", ACCENT, "#1b7f5c", "#c98a1b", "#8a3b8f", EDGE, INK)
SYSTEM_COLOURS = dict(zip(CRYSTAL_SYSTEMS, COLOURS, strict=True))
LEVEL_LABELS = {"crystal_system": "crystal system (7)", "laue_class": "Laue class (11)",
                "bravais_lattice": "Bravais lattice (14)", "point_group": "point group (32)"}


@picture(INKED)
def within(content: dict[str, Any]) -> Figure:
    """A_i, its differences, and the accuracy at each level of the answer."""
    figure = new_figure(9.6, 3.1)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 0.9, 1.45))
    low, value, high = ends(content["accuracy_within"])
    i = np.arange(1, len(value) + 1)
    left.fill_between(i, low, high, color=ACCENT, alpha=0.2, lw=0)
    left.plot(i, value, "o-", color=ACCENT, ms=5, mec="white", mew=0.7)
    groups = len(content["space_groups"])
    left.plot(i, 100 * np.minimum(i / groups, 1), color=MUTED, lw=1, ls=(0, (3, 2)), label=f"guessing among {groups}")
    left.set(title="among the first i answers, $A_i$", xlabel="i", ylabel="materials (%)", xticks=i, ylim=(0, 102))
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.14))
    low, gain, high = ends(content["accuracy_gain"])
    middle.bar(i[1:], gain, width=0.55, color=ACCENT, alpha=0.55)
    middle.vlines(i[1:], low, high, color=ACCENT, lw=1.6)
    middle.set(title="gain $A_i - A_{i-1}$", xlabel="i", ylabel="points", xticks=i[1:])
    rows: list[tuple[Any, ...]] = [
        ("space group", content["accuracy_within"][0], content["scores"]["balanced_accuracy"])]
    rows += [(label, *(content["scores"][f"{level}_{kind}"] for kind in ("accuracy", "balanced_accuracy")))
             for level, label in reversed(LEVEL_LABELS.items())]
    for offset, place, colour, label in ((-0.13, 1, ACCENT, "of all materials"), (0.13, 2, EDGE, "mean over classes")):
        low, value, high = ends([row[place] for row in rows])
        y = np.arange(len(rows)) + offset
        right.hlines(y, low, high, color=colour, lw=2, alpha=0.6)
        right.plot(value, y, "o", color=colour, ms=5, mec="white", mew=0.7, label=label)
    right.set_yticks(range(len(rows)), [row[0] for row in rows], color=INK)
    right.tick_params(axis="y", length=0)
    right.set(title="one answer at each level", xlabel="right (%)", xlim=(None, 102), ylim=(-0.6, len(rows) - 0.4))
    right.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=2, borderaxespad=0.2, columnspacing=1.0)
    return figure


@picture(INKED)
def recalls(content: dict[str, Any]) -> Figure:
    """Recall of each group against the order of its point group and, where known, its training materials."""
    rows = content["groups"]
    trained = rows[0]["training_materials"] is not None
    figure = new_figure(9.6, 3.7)
    panels = figure.subplots(1, 2 if trained else 1, sharey=True, squeeze=False)[0]
    size = 16 + 90 * np.sqrt([row["training_materials"] if trained else row["materials"] for row in rows]) / np.sqrt(
        max(row["training_materials"] if trained else row["materials"] for row in rows) or 1)
    order = np.array([row["order"] for row in rows])
    _scatter(panels[0], rows, _beside(order, 0.2), size)
    ticks = np.unique(order)
    panels[0].set_xscale("log", base=2)
    panels[0].set_xticks(ticks, [str(tick) for tick in ticks])
    panels[0].minorticks_off()
    panels[0].set(xlabel="operations of the point group", ylabel="recall (%)", ylim=(-4, 104))
    if trained:
        materials = np.maximum([row["training_materials"] for row in rows], 1)
        _scatter(panels[1], rows, _beside(materials, 0.06), size)
        panels[1].set(xscale="log", xlabel="training materials")
        ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000, 3000)
                 if materials.min() / 1.2 <= tick <= 1.2 * materials.max()]
        panels[1].set_xticks(ticks, [str(tick) for tick in ticks])
        panels[1].minorticks_off()
        for bound in (20.5, 99.5):
            panels[1].axvline(bound, color=LINE, lw=0.8, ls=DASHED, zorder=0)
    present = [system for system in CRYSTAL_SYSTEMS if any(row["crystal_system"] == system for row in rows)]
    figure.legend([Line2D([], [], marker="o", ls="", color=SYSTEM_COLOURS[system], mec="white") for system in present],
                  present, loc="outside upper left", ncols=len(present), handletextpad=0.1, columnspacing=1.2)
    return figure


def _beside(values: np.ndarray, width: float) -> np.ndarray:
    """Places on a logarithmic axis, [N]: equal values stand beside each other, up to so many octaves to a side."""
    places = values.astype(float)
    for value in np.unique(values):
        same = np.flatnonzero(values == value)
        if len(same) > 1:
            places[same] = value * 2**np.linspace(-width, width, len(same))
    return places


def _scatter(axes: Axes, rows: list[dict[str, Any]], x: np.ndarray, size: np.ndarray) -> None:
    """Recall of groups in the colours of their systems, with intervals, numbered."""
    low, value, high = ends([row["recall"] for row in rows])
    colours = [SYSTEM_COLOURS[row["crystal_system"]] for row in rows]
    axes.vlines(x, low, high, color=colours, lw=1, alpha=0.25)
    axes.scatter(x, value, s=size, c=colours, alpha=0.85, edgecolors="white", linewidths=0.7, zorder=3)
    if len(rows) <= 60:
        for at, height, row in zip(x, value, rows, strict=True):
            axes.annotate(row["space_group"], (at, height), (4, 3), textcoords="offset points", fontsize=5.8,
                          color=MUTED, zorder=4)


@picture(INKED)
def confusion(content: dict[str, Any]) -> Figure:
    """Confusion matrix in percent of the true group; crystal systems parted by lines, direct neighbours framed."""
    groups = [row["space_group"] for row in content["groups"]]
    place = [content["space_groups"].index(group) for group in groups]
    matrix = 100 * np.array([[np.nan if cell is None else cell for cell in row] for row in content["confusion"]])[
        np.ix_(place, place)]
    figure = new_figure(9.6, 9.0)
    axes = figure.subplots()
    image = axes.imshow(np.sqrt(matrix), cmap="Greys", vmin=0, vmax=10, interpolation="nearest")
    at = {where: k for k, where in enumerate(place)}
    edges = np.array([(at[j], at[i]) for i, j in content["direct_edges"] if i in at and j in at]).reshape(-1, 2)
    side = 330 / max(len(groups), 12)
    axes.scatter(edges[:, 0], edges[:, 1], marker="s", s=side**2, facecolors="none", edgecolors=EDGE,
                 linewidths=min(0.9, 60 / len(groups)), label="maximal subgroup or minimal supergroup")
    systems = [crystal_system(group) for group in groups]
    starts = [k for k in range(len(groups)) if k == 0 or systems[k] != systems[k - 1]]
    for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
        for line in (axes.axhline, axes.axvline) if start else ():
            line(start - 0.5, color="#8fb3d1", lw=0.9)
        axes.annotate(systems[start], (1, (start + end - 1) / 2), (6, 0), xycoords=("axes fraction", "data"),
                      textcoords="offset points", va="center", fontsize=8, color=MUTED)
    step = max(1, len(groups) // 60)
    ticks = range(0, len(groups), step)
    names = [groups[k] for k in ticks]
    axes.set_xticks(ticks, names, rotation=90, fontsize=7)
    axes.set_yticks(ticks, names, fontsize=7)
    axes.tick_params(length=0)
    axes.set(xlabel="answered space group", ylabel="true space group")
    axes.spines[["top", "right"]].set_visible(True)
    scale = figure.colorbar(image, ax=axes, location="top", shrink=0.42, aspect=30, anchor=(1, 0), pad=0.015,
                            label="of the true group (%)")
    scale.set_ticks(np.sqrt([0, 1, 5, 10, 25, 50, 100]).tolist(), labels=["0", "1", "5", "10", "25", "50", "100"])
    scale.outline.set_visible(False)
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.3)
    frame: Any = legend.legend_handles[0]
    frame.set_sizes([50])
    return figure


@picture(INKED)
def trust(content: dict[str, Any]) -> Figure:
    """Reliability, how the samples lie over confidence, and accuracy against coverage."""
    figure = new_figure(9.6, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    left.plot([0, 100], [0, 100], color=MUTED, lw=0.8, ls=(0, (3, 2)))
    for key, colour, label in (("as_is", MUTED, "as it is"), ("scaled_", ACCENT, "after temperature scaling")):
        if key not in content["reliability"]:
            continue
        share, confidence, accuracy = (np.array(content["reliability"][key][name], dtype=float)
                                       for name in ("share", "confidence", "accuracy"))
        left.plot(100 * confidence, 100 * accuracy, "-", color=colour, lw=1, alpha=0.6)
        left.scatter(100 * confidence, 100 * accuracy, s=8 + 260 * share, color=colour, alpha=0.75, lw=0, label=label)
    left.set(title="is the confidence right?", xlabel="confidence (%)", ylabel="right (%)", xlim=(0, 102),
             ylim=(-2, 102))
    legend = left.legend(loc="lower right")
    for handle in legend.legend_handles:
        handle.set_sizes([24])
    share = 100 * np.array(content["coverage"])
    low, value, high = ends(content["accuracy_at_coverage"])
    right.fill_between(share, low, high, color=ACCENT, alpha=0.2, lw=0)
    right.plot(share, value, color=ACCENT, lw=1.6)
    for at in (50.0, 100.0):
        k = int(np.argmin(np.abs(share - at)))
        right.plot(share[k], value[k], "o", color=ACCENT, ms=6, mec="white")
        right.annotate(f"{value[k]:.1f}", (share[k], value[k]), (0, 8), textcoords="offset points", ha="center")
    right.set(title="how right where it is most confident?", xlabel="materials answered, most confident first (%)",
              ylabel="right among them (%)", xlim=(0, 103), ylim=(min(40, np.nanmin(low) - 4), 103))
    return figure
