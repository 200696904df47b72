"""The picture of densification: recall on validation and t* against rounds, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from classifier.foundation.drawing import ACCENT, EDGE, INK, MUTED, STYLE, in_percent, new_figure, picture

SHOWN = {"balanced": (INK, "balanced"), "few": (EDGE, "few-shot"), "medium": (ACCENT, "medium-shot"),
         "many": (MUTED, "many-shot")}


@picture(STYLE)
def curve(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw two panels; what is not known leaves a gap."""
    figure = new_figure(8.0, 3.0)
    recall, threshold = figure.subplots(1, 2)
    number = [row["round"] for row in rows]
    for name, (colour, label) in SHOWN.items():
        recall.plot(number, in_percent([row[name] for row in rows]), "o-", color=colour, label=label, ms=4)
    for name, colour, label in (("t_star_first", MUTED, "classifiers of round 0"), ("t_star", INK, "of this round")):
        threshold.plot(number, [np.nan if row[name] is None else row[name] for row in rows], "o-", color=colour,
                       label=label, ms=4)
    recall.set(title="Recall on validation (%)", xlabel="round", xticks=number)
    threshold.set(title="Median t* (angstrom), new crystals every round", xlabel="round", xticks=number)
    for axes in (recall, threshold):
        axes.legend()
    return figure
