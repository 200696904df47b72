"""The picture of a study: the learning curve of every strategy beside that of random, as PNG bytes."""

from typing import Any

from matplotlib.figure import Figure

from classifier.foundation.drawing import ACCENT, EDGE, MUTED, STYLE, ends, new_figure, picture

COLOURS = {"random": MUTED, "entropy": ACCENT, "margin": "#1b7f5c", "bald": "#7c4dbd", "core_set": "#c98a1b",
           "boundary": EDGE}
LABELS = {"random": "random", "entropy": "entropy", "margin": "margin", "bald": "BALD (ensemble)",
          "core_set": "core-set", "boundary": "boundary (GAN's probe)"}


@picture(STYLE)
def learning_curves(content: dict[str, Any]) -> Figure:
    """Draw every metric against labelled materials: a panel a strategy, in it random in grey; intervals as bands."""
    others = [strategy for strategy in LABELS if strategy in content["strategies"] and strategy != "random"]
    shown, labelled = others or ["random"], content["labelled_materials"]
    figure = new_figure(1.2 + 2.1 * len(shown), 2.5 * len(content["metrics"]))
    panels = figure.subplots(len(content["metrics"]), len(shown), sharex=True, sharey="row", squeeze=False)
    for row, (metric, title) in zip(panels, content["metrics"].items(), strict=True):
        for axes, strategy in zip(row, shown, strict=True):
            for name in dict.fromkeys(("random", strategy)):
                low, middle, high = ends(content["strategies"][name][metric]["curve"])
                axes.fill_between(labelled, low, high, color=COLOURS[name], alpha=0.14, lw=0)
                axes.plot(labelled, middle, "o-", color=COLOURS[name], lw=1.6, ms=4)
        row[0].set_ylabel(f"{title} (%)")
    for axes, strategy in zip(panels[0], shown, strict=True):
        axes.set_title(LABELS[strategy], color=COLOURS[strategy])
    for axes in panels[-1]:
        axes.set(xlabel="labelled materials", xticks=labelled)
    return figure
