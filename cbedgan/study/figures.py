"""The picture of a study: what each arm gains or costs, against the number of real training materials."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from classifier.foundation.drawing import ACCENT, DASHED, INKED, MUTED, SHADE, ends, new_figure, picture

ACROSS = 3  # panels side by side
HARM = "#b3261e"
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@picture(INKED)
def gains(curves: dict[str, dict[str, Any]], band: float) -> Figure:
    """One panel an arm: smoothed gain with pointwise intervals, and the groups themselves.

    Parameters
    ----------
    curves : {label: findings.gain_by_materials, with the gain of each group under "groups"}
    band : within which a difference counts as none
    """
    down = -(-len(curves) // ACROSS)
    figure = new_figure(9.6, 0.35 + 2.0 * down)
    panels = figure.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
    for axes, (label, curve) in zip(panels.flat, curves.items(), strict=False):
        materials = np.maximum(curve["materials"], 1)
        low, middle, high = ends(curve["gain"])
        axes.axhspan(-100 * band, 100 * band, color=SHADE, lw=0)
        axes.axhline(0, color=MUTED, lw=0.8)
        axes.plot([max(group["training_materials"], 1) for group in curve["groups"]],
                  [100 * group["estimate"] for group in curve["groups"]], "o", color=MUTED, ms=2.6, alpha=0.55, mew=0)
        axes.fill_between(materials, low, high, color=ACCENT, alpha=0.2, lw=0)
        axes.plot(materials, middle, color=ACCENT, lw=1.6)
        axes.plot(materials[high < 0], middle[high < 0], "o", color=HARM, ms=3.4, mew=0)
        if curve["ends_at"] is not None:
            axes.axvline(max(curve["ends_at"], 1), color=MUTED, lw=0.8, ls=DASHED)
        axes.set(title=label, xscale="log")
        shown = [number for number in TICKS if materials.min() <= number <= materials.max()]
        axes.set_xticks(shown, [str(number) for number in shown])
        axes.set_xticks([], minor=True)
    for axes in panels.flat[len(curves):]:
        axes.set_visible(False)
    figure.supxlabel("real training materials of the group", fontsize=8.5)
    figure.supylabel("gain of recall (points)", fontsize=8.5)
    return figure
