"""A stack drawn with the symmetry that it shows, in the graphical symbols of International Tables."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from classifier.explanation.shown import ShownSymmetry
from classifier.explanation.words import pattern_line
from classifier.foundation.drawing import INKED, MUTED, new_figure, picture
from classifier.pattern.geometry import Detector

MIRROR_COLOUR, DARK_COLOUR = "#4fb3ff", "#ffb020"
FAINTEST = 1e-6  # of all the light, a pixel: as dark as black
LENS = [(-0.45, 0), (-0.3, 0.55), (0, 1), (0.3, 0.55), (0.45, 0), (0.3, -0.55), (0, -1), (-0.3, -0.55)]  # two-fold axis
AXIS = {2: LENS, 3: (3, 0, 0), 4: (4, 0, 45), 6: (6, 0, 0)}  # markers


@picture(INKED)
def explained_stack(stack: Float[np.ndarray, "3 H H"], detector: Detector, shown: Sequence[ShownSymmetry], *,
                    title: str, below: str) -> Figure:
    """The patterns of a stack on a logarithmic scale, each with its axis, mirror lines and dark rows.

    Parameters
    ----------
    stack, detector, shown : intensities, what the pixels mean, and what each pattern shows
    title, below : lines over and under all of it
    """
    figure = new_figure(9.6, 4.2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, weight="bold")
    half = detector.size_pixels * detector.pixel_size / 2
    grid = figure.subplots(1, len(stack))
    for number, (axes, pattern, one) in enumerate(zip(np.atleast_1d(grid), stack, shown, strict=True), 1):
        pattern = np.maximum(pattern, 0)
        light = np.log10(pattern / max(float(pattern.sum()), np.finfo(float).tiny) + FAINTEST)
        axes.imshow(light, origin="lower", cmap="gray", extent=(-half, half, -half, half), interpolation="nearest",
                    vmin=np.log10(FAINTEST), vmax=max(float(light.max()), np.log10(FAINTEST) + 1))
        _draw(axes, one, half)
        axes.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[])
        axes.set_title(f"pattern {number}: {one.symbol}")
        axes.set_xlabel(_wrapped(pattern_line(one)), fontsize=7.5, color=MUTED)
    figure.supxlabel(below, x=0.01, ha="left", fontsize=8, color=MUTED)
    return figure


def _draw(axes, one: ShownSymmetry, half: float) -> None:
    centre = np.array(one.centre if one.zone_axis is None else one.zone_axis)
    dark = {row.azimuth_degree: row for row in one.dark}
    for line in one.mirrors:
        along = np.array([np.cos(np.radians(line)), np.sin(np.radians(line))])
        ends = np.array([[-1.5, 1.5]]) * half if line not in dark else np.array([[-1.5, -0.88], [0.88, 1.5]]) * half
        for first, last in ends / (1 if line not in dark else max(abs(along))):
            axes.plot(*np.transpose([centre + first * along, centre + last * along]), lw=1.1,
                      color=MIRROR_COLOUR if line not in dark else DARK_COLOUR, ls="-" if line not in dark else "--")
    turn = np.linspace(0, 2 * np.pi, 73)
    for row in one.dark:
        for x, y in row.reflections:
            axes.plot(x + row.disk_radius * np.cos(turn), y + row.disk_radius * np.sin(turn), color=DARK_COLOUR, lw=1.1)
    if one.order > 1:
        axes.plot(*centre, ls="", marker=AXIS[one.order], ms=15, mfc="black", mec="white", mew=1.2)


def _wrapped(text: str, most: int = 58) -> str:
    """The text in lines of at most so many characters."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) + 1 > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
