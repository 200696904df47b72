"""The pictures of what the errors say, each drawn from the JSON content of a judgement and returned as PNG bytes."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from classifier.foundation.drawing import (
    ACCENT,
    DASHED,
    EDGE,
    INKED,
    LINE,
    MUTED,
    ROWS,
    ends,
    in_percent,
    new_figure,
    picture,
)
from classifier.foundation.page import times

MOST_NUMBERED = 60  # groups
COLOURS = {"before": MUTED, "now": ACCENT}


@picture(ROWS)
def separations(content: dict[str, Any]) -> Figure:
    """Errors by what separates truth and answer: of all materials, and of the errors beside the null."""
    rows = content["separations"]
    several = [when for when in COLOURS if when in rows[0]]
    figure = new_figure(9.6, 0.9 + 0.36 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    for when, offset in zip(several, (-0.15, 0.13) if len(several) == 2 else (0,), strict=True):
        y, colour = np.arange(len(rows)) + offset, COLOURS[when]
        for axes, kind in ((left, "errors"), (right, "share")):
            low, value, high = ends([row[when][kind] for row in rows])
            axes.hlines(y, low, high, color=colour, lw=2, alpha=0.6)
            axes.plot(value, y, "o", color=colour, ms=5.5, mec="white", mew=0.8, label=when, zorder=3,
                      clip_on=False)
        chance = in_percent([row[when]["share_by_chance"]["estimate"] for row in rows])
        right.plot(chance, y, "|", color=EDGE, ms=9, mew=1.6, zorder=2,
                   label="by chance" if when == "now" else None)
    left.set_yticks(range(len(rows)), [row["label"] for row in rows])
    left.set(title="confused, of all materials", xlabel="materials (%)", xlim=(0, None), ylim=(len(rows) - 0.4, -0.6))
    right.set(title="share of the errors", xlabel="errors (%)", xlim=(0, None))
    for axes in (left, right):
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", color=LINE, lw=0.5, alpha=0.5)
        axes.set_axisbelow(True)
    handles, labels = right.get_legend_handles_labels()
    chosen = [k for k, label in enumerate(labels) if label == "by chance" or len(several) == 2]
    right.legend([handles[k] for k in chosen], [labels[k] for k in chosen], loc="lower right")
    return figure


@picture(INKED)
def training_materials(content: dict[str, Any]) -> Figure:
    """Recall of each group against its training materials, and its smoothed mean with the interval over the groups."""
    found = content["recall_by_training_materials"]
    figure = new_figure(9.6, 3.6)
    axes = figure.subplots()
    rows = [row for row in content["groups"] if row["training_materials"]]
    axes.plot([row["training_materials"] for row in rows], in_percent([row["recall"]["estimate"] for row in rows]), "o",
              color=ACCENT, ms=4.5, mec="white", mew=0.6, alpha=0.55, zorder=2)
    for row in rows if len(rows) <= MOST_NUMBERED else ():
        if row["recall"]["estimate"] is not None:
            axes.annotate(row["space_group"], (row["training_materials"], 100 * row["recall"]["estimate"]), (4, 3),
                          textcoords="offset points", fontsize=5.8, color=MUTED)
    for when in (when for when in COLOURS if when in found):
        curve, rho = found[when]["curve"], found[when]["rho"]
        low, value, high = ends(curve)
        at = [place["training_materials"] for place in curve]
        axes.fill_between(at, low, high, color=COLOURS[when], alpha=0.16, lw=0)
        name = f"{when}: " if "before" in found else ""
        interval = f"{times(rho['low'])} to {times(rho['high'])}"
        axes.plot(at, value, color=COLOURS[when], lw=1.8, zorder=3,
                  label=f"{name}smoothed mean; rho {times(rho['estimate'])} ({interval})")
    for bound in (20.5, 99.5):
        axes.axvline(bound, color=LINE, lw=0.8, ls=DASHED, zorder=0)
    least, most = (found["now"]["curve"][k]["training_materials"] for k in (0, -1))
    ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000, 3000) if least / 1.2 <= tick <= 1.2 * most]
    axes.set(xscale="log", xlabel="training materials", ylabel="recall (%)", ylim=(-4, 104))
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    return figure
