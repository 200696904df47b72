"""The pictures of the ranking: recall by shot class, and differences against the reference, as PNG bytes."""

from typing import Any

from matplotlib.figure import Figure

from cbedgan.comparison.figures import forest
from classifier.foundation.drawing import ACCENT, DASHED, EDGE, MUTED, ROWS, in_percent, new_figure, picture
from classifier.statistics.metrics import SHOT_CLASSES

COLOURS = {"few": EDGE, "medium": "#c98a1b", "many": ACCENT}
NAMES = {"balanced_accuracy": "balanced accuracy", "top_1": "top-1", "top_6": "top-6", "macro_f1": "macro-F1"}


@picture(ROWS)
def shots(report: dict[str, Any]) -> Figure:
    """Mean recall of few, medium and many groups, one line a method, with plain intervals."""
    methods = report["methods"]
    drawn = [shot for shot in SHOT_CLASSES if f"{shot}_recall" in methods[0]["scores"]]
    figure = new_figure(9.6, 0.9 + 0.3 * len(methods))
    panels = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
    for axes, shot in zip(panels, drawn, strict=True):
        for y, method in enumerate(methods):
            recall = method["scores"][f"{shot}_recall"]
            low, middle, high = in_percent([recall["low"], recall["estimate"], recall["high"]])
            axes.plot([low, high], [y, y], color=COLOURS[shot], lw=2, solid_capstyle="round", alpha=0.6)
            axes.plot(in_percent(recall["per_seed"]), [y] * len(recall["per_seed"]), "|", color=MUTED, ms=5)
            axes.plot(middle, y, "o", color=COLOURS[shot], ms=5.5, mec="white", mew=0.8)
            if method["name"] == report["reference"]:
                axes.axvline(middle, color=MUTED, lw=0.8, ls=DASHED)
        axes.set(title=f"{shot} groups", xlabel="mean recall (%)", ylim=(len(methods) - 0.4, -0.6))
        axes.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(methods)), [method["label"] for method in methods])
    return figure


@picture(ROWS)
def differences(report: dict[str, Any]) -> Figure:
    """Differences against the reference in each judged score, one line a method, with corrected intervals."""
    rows = {(row["method"], row["score"]): row for row in report["differences"]}
    methods = [method for method in report["methods"] if method["name"] != report["reference"]]
    panels = {NAMES.get(score, f"{score.removesuffix('_recall')} recall"):
              [rows[method["name"], score] for method in methods] for score in report["judged"]}
    return forest(panels, [method["label"] for method in methods], report["provenance"]["config"]["judgement"]["band"],
                  new_figure(9.6, 0.9 + 0.3 * len(methods)), xlabel="difference (points)")
