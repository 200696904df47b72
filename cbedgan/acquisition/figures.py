"""The picture of a study: learning curves of all strategies with their bands, as PNG bytes."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

COLOURS = {"random": "#66727f", "entropy": "#3b82c4", "margin": "#1b7f5c", "bald": "#7c4dbd", "core_set": "#c98a1b",
           "boundary": "#c2410c"}
LABELS = {"random": "random", "entropy": "entropy", "margin": "margin", "bald": "BALD (ensemble)",
          "core_set": "core-set", "boundary": "boundary (GAN's probe)"}
STYLE = {"font.family": "DejaVu Sans", "font.size": 8.5, "axes.edgecolor": "#d5dbe1", "axes.spines.top": False,
         "axes.spines.right": False, "axes.titlesize": 9.5, "axes.titlelocation": "left", "legend.frameon": False}


def learning_curves(content: dict[str, Any]) -> bytes:
    """Draw every metric against labelled materials: a line a strategy, its interval as a band of the same colour."""
    buffer, x = io.BytesIO(), content["labelled_materials"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained", facecolor="white")
        for axes, (metric, title) in zip(figure.subplots(1, len(content["metrics"])), content["metrics"].items(),
                                         strict=True):
            for strategy, found in content["strategies"].items():
                low, middle, high = (100 * np.array([point[end] for point in found[metric]["curve"]], float)
                                     for end in ("low", "estimate", "high"))
                axes.fill_between(x, low, high, color=COLOURS[strategy], alpha=0.1, lw=0)
                axes.plot(x, middle, "o-", color=COLOURS[strategy], lw=1.6, ms=4, label=LABELS[strategy])
            axes.set(title=f"{title} (%)", xlabel="labelled materials", xticks=x)
        axes.legend(loc="lower right")
        figure.savefig(buffer, format="png", dpi=180)
    return buffer.getvalue()
