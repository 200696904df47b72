"""What one-dimensional kinds share: shares of the highest or of the range, and the drawing of a curve over its axis."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from classifier.foundation.drawing import ACCENT, INKED, MUTED, new_figure, picture
from classifier.pattern.grid import GridAxis

LEAST = 1e-30  # of a highest value or range that is divided by


def share_of_highest(values: Float[np.ndarray, "N C P"]) -> Float[np.ndarray, "N C P"]:
    """Curves in shares of their highest value, float32; what is below zero counts as zero."""
    kept = np.maximum(values, 0)
    return (kept / np.maximum(kept.max(axis=-1, keepdims=True), LEAST)).astype(np.float32)


def share_of_range(values: Float[np.ndarray, "N C P"]) -> Float[np.ndarray, "N C P"]:
    """Curves from their lowest value, 0, to their highest, 1, float32; a flat one is 0."""
    low = values.min(axis=-1, keepdims=True)
    return ((values - low) / np.maximum(values.max(axis=-1, keepdims=True) - low, LEAST)).astype(np.float32)


@picture(INKED)
def drawn_curve(sample: np.ndarray, axis: GridAxis) -> Figure:
    """The curves [C, P] of a sample over their axis."""
    figure = new_figure(3.6, 1.3)
    plot = figure.subplots()
    for curve, colour in zip(sample, [ACCENT] + [MUTED] * (len(sample) - 1), strict=True):
        plot.plot(axis.coordinates(), curve, color=colour, linewidth=0.8)
    plot.set(xlabel=f"{axis.name.replace('_', ' ')}{f' ({axis.unit})' if axis.unit else ''}", yticks=[],
             xlim=(axis.first, axis.coordinates()[-1]))
    return figure
