"""The picture of a study: the learning curve of every strategy beside that of random, as PNG bytes."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"random": "#66727f", "entropy": "#3b82c4", "margin": "#1b7f5c", "bald": "#7c4dbd", "core_set": "#c98a1b",
           "boundary": "#c2410c"}
LABELS = {"random": "random", "entropy": "entropy", "margin": "margin", "bald": "BALD (ensemble)",
          "core_set": "core-set", "boundary": "boundary (GAN's probe)"}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "axes.edgecolor": "#d5dbe1", "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 9.5, "axes.titlelocation": "left", "legend.frameon": False}


def learning_curves(content: dict[str, Any]) -> bytes:
    """Draw every metric against labelled materials: a panel a strategy, in it random in grey; intervals as bands."""
    others = [strategy for strategy in LABELS if strategy in content["strategies"] and strategy != "random"]
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.2 + 2.1 * max(1, len(others)), 2.5 * len(content["metrics"])), layout="constrained",
                        facecolor="white")
        panels = figure.subplots(len(content["metrics"]), max(1, len(others)), sharex=True, sharey="row", squeeze=False)
        for row, (metric, title) in zip(panels, content["metrics"].items(), strict=True):
            for axes, strategy in zip(row, others or ["random"], strict=True):
                for name in dict.fromkeys(("random", strategy)):
                    _curve(axes, content["labelled_materials"], content["strategies"][name][metric]["curve"], name)
            row[0].set_ylabel(f"{title} (%)")
        for axes, strategy in zip(panels[0], others or ["random"], strict=True):
            axes.set_title(LABELS[strategy], color=COLOURS[strategy])
        for axes in panels[-1]:
            axes.set(xlabel="labelled materials", xticks=content["labelled_materials"])
        figure.savefig(buffer, format="png", dpi=180)
    return buffer.getvalue()


def _curve(axes: Axes, labelled: list[int], curve: list[dict[str, float | None]], strategy: str) -> None:
    low, middle, high = (100 * np.array([point[end] for point in curve], float) for end in ("low", "estimate", "high"))
    axes.fill_between(labelled, low, high, color=COLOURS[strategy], alpha=0.14, lw=0)
    axes.plot(labelled, middle, "o-", color=COLOURS[strategy], lw=1.6, ms=4)
