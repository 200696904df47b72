"""The pictures of the ranking: recall by shot class, and differences against the reference, as PNG bytes."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from cbedgan.comparison.figures import MUTED, VERDICT_COLOURS, in_points, new_figure, picture, zero_line
from classifier.statistics.metrics import SHOT_CLASSES

COLOURS = {"few": "#c2410c", "medium": "#c98a1b", "many": "#3b82c4"}
NAMES = {"balanced_accuracy": "balanced accuracy", "top_1": "top-1", "top_6": "top-6", "macro_f1": "macro-F1"}


@picture
def shots(report: dict[str, Any]) -> Figure:
    """Mean recall of few, medium and many groups, one line a method, with plain intervals."""
    methods = report["methods"]
    drawn = [shot for shot in SHOT_CLASSES if f"{shot}_recall" in methods[0]["scores"]]
    figure = new_figure(9.6, 0.9 + 0.3 * len(methods))
    panels = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
    for axes, shot in zip(panels, drawn, strict=True):
        for y, method in enumerate(methods):
            recall = method["scores"][f"{shot}_recall"]
            low, middle, high = in_points([recall["low"], recall["estimate"], recall["high"]])
            axes.plot([low, high], [y, y], color=COLOURS[shot], lw=2, solid_capstyle="round", alpha=0.6)
            axes.plot(in_points(recall["per_seed"]), [y] * len(recall["per_seed"]), "|", color=MUTED, ms=5)
            axes.plot(middle, y, "o", color=COLOURS[shot], ms=5.5, mec="white", mew=0.8)
            if method["name"] == report["reference"]:
                axes.axvline(middle, color=MUTED, lw=0.8, ls=(0, (4, 3)))
        axes.set(title=f"{shot} groups", xlabel="mean recall (%)", ylim=(len(methods) - 0.4, -0.6))
        axes.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(methods)), [method["label"] for method in methods])
    return figure


@picture
def differences(report: dict[str, Any]) -> Figure:
    """Differences against the reference in each judged score, one line a method, with corrected intervals."""
    rows = {(row["method"], row["score"]): row for row in report["differences"]}
    methods = [method for method in report["methods"] if method["name"] != report["reference"]]
    figure = new_figure(9.6, 0.9 + 0.3 * len(methods))
    panels = figure.subplots(1, len(report["judged"]), sharey=True, squeeze=False)[0]
    for axes, score in zip(panels, report["judged"], strict=True):
        zero_line(axes, report["provenance"]["config"]["judgement"]["band"])
        for y, method in enumerate(methods):
            row = rows[method["name"], score]
            low, middle, high = in_points([row["corrected"]["low"], row["estimate"], row["corrected"]["high"]])
            axes.plot([low, high], [y, y], color=VERDICT_COLOURS[row["verdict"]], lw=2, solid_capstyle="round")
            axes.plot(middle, y, "o", color=VERDICT_COLOURS[row["verdict"]], ms=5.5, mec="white", mew=0.8)
        name = NAMES.get(score, f"{score.removesuffix('_recall')} recall")
        axes.set(title=name, xlabel="difference (points)", ylim=(len(methods) - 0.4, -0.6))
        axes.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(methods)), [method["label"] for method in methods])
    return figure
