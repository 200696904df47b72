"""How pages draw: one style, figures of one make, and what a drawing function gives back: PNG bytes."""

import io
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

INK, MUTED, LINE, SHADE, ACCENT, EDGE = "#1f2933", "#66727f", "#d5dbe1", "#f3f5f7", "#3b82c4", "#c2410c"
DASHED: Any = (0, (4, 3))
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "axes.edgecolor": LINE, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 9.5, "axes.titlelocation": "left", "legend.frameon": False}
INKED = STYLE | {"axes.labelcolor": INK, "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED,
                 "axes.linewidth": 0.8, "axes.titlepad": 8}
ROWS = INKED | {"ytick.color": INK, "ytick.major.width": 0}  # names of rows stand at the y axis


def picture(style: Mapping[Any, Any]) -> Callable[[Callable[..., Figure]], Callable[..., bytes]]:
    """Run a drawing function in a style and hand back its figure as PNG bytes."""
    def decorate(draw: Callable[..., Figure]) -> Callable[..., bytes]:
        @wraps(draw)
        def drawn(*arguments: Any, **named: Any) -> bytes:
            buffer = io.BytesIO()
            with matplotlib.rc_context(dict(style)):
                draw(*arguments, **named).savefig(buffer, format="png", dpi=180)
            return buffer.getvalue()
        return drawn
    return decorate


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def in_percent(values: Iterable[float | None]) -> np.ndarray:
    """Shares or their differences in percent or points; None becomes NaN."""
    return 100 * np.array([np.nan if value is None else value for value in values], float)


def ends(rows: Iterable[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low ends, estimates and high ends of intervals in percent."""
    low, middle, high = in_percent([row[key] for row in rows for key in ("low", "estimate", "high")]).reshape(-1, 3).T
    return low, middle, high
