"""What each round of densification came to: recall on validation and t*, as a table, a curve and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cbedgan.densify.figures import curve
from cbedgan.distortion.report.states import CROSSED, DENIED
from classifier.foundation.atomic import atomic_path, plain, read_json, write_json, write_text
from classifier.foundation.page import page
from classifier.samples.stackfile import StackFile
from classifier.statistics.metrics import SHOT_CLASSES, shot_class

COLUMNS = {"added": "stacks added", "balanced": "balanced", **{shot: f"{shot}-shot" for shot in SHOT_CLASSES},
           "t_star_first": "t*, round 0", "t_star": "t*, this round", "t_star_few_first": "few-shot t*, round 0",
           "t_star_few": "few-shot t*, this round", "paths": "paths"}


def row_of(classifiers: Sequence[Path], found: Path, first: Sequence[str], newest: Sequence[str],
           added: Path | None) -> dict[str, Any]:
    """What a round came to; recalls are means over its classifiers, on the validation part.

    Parameters
    ----------
    classifiers : of the round
    found : its folder of distort
    first, newest : digests of the classifiers of round 0 and of this round
    added : all stacks that were added
    """
    results = [read_json(path.parent / "result.json")["validation"] for path in classifiers]
    recall = {"balanced": [one.get("balanced_accuracy") for one in results], **{
        shot: [one.get("recall_by_shot", {}).get(shot) for one in results] for shot in SHOT_CLASSES}}
    count = 0
    if added is not None:
        with StackFile(added) as file:
            count = len(file)
    return {"added": count, **{name: None if None in values else float(np.mean(values))
                               for name, values in recall.items()},
            **thresholds(read_json(found / "paths.json"), first, newest)}


def thresholds(content: Mapping[str, Any], first: Sequence[str], newest: Sequence[str]) -> dict[str, Any]:
    """Median t* in angstrom by the classifiers of round 0 and of this round, on the paths that both see from 0 on.

    Of a path t* is the median over classifiers; one that never sees it counts as infinite, one that denies the group at
    0 does not count. None: more than half are never seen, or there is no such path. "few": pairs with a few-shot group.

    Parameters
    ----------
    content : of paths.json
    first, newest : digests of classifiers
    """
    inputs, paths = content["provenance"]["inputs"], content["paths"]
    digests = [inputs[f"classifier {k}"] for k in range(len(paths[0]["t_star"]) if paths else 0)]
    both = np.array([[_of_path(one, [digests.index(name) for name in some]) for some in (first, newest)]
                     for one in paths]).reshape(-1, 2)
    few = {int(group) for group, count in content["training_materials"].items() if shot_class(np.array(count)) == "few"}
    in_few = np.array([bool({one["space_group"], one["subgroup"]} & few) for one in paths], dtype=bool)
    common = ~np.isnan(both).any(axis=1)
    return {"t_star_first": _median(both[common, 0]), "t_star": _median(both[common, 1]),
            "t_star_few_first": _median(both[common & in_few, 0]), "t_star_few": _median(both[common & in_few, 1]),
            "paths": int(common.sum())}


def write_report(rows: list[dict[str, Any]], *, provenance: dict[str, Any], out: Path) -> Path:
    """Write report.json, report.txt, curve.png and report.html, and return the path of the last."""
    content = {"rows": plain(rows), "columns": COLUMNS}
    picture = curve(rows)
    write_json(out / "report.json", content | {"provenance": provenance})
    write_text(out / "report.txt", table(rows))
    with atomic_path(out / "curve.png") as temporary:
        temporary.write_bytes(picture)
    return write_text(out / "report.html", page("cbedgan.densify", "report.html.j2", content=content, picture=picture,
                                                written=written))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as lines of text."""
    cells = [["round", *COLUMNS.values()], *([str(row["round"]), *(written(name, row[name]) for name in COLUMNS)]
                                             for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
                     for line in cells) + "\n"


def written(name: str, value: float | None) -> str:
    """A cell: recalls in per cent, t* in angstrom."""
    if value is None:
        return "never" if name.startswith("t_star") else "n/a"
    return f"{value:.4f}" if name.startswith("t_star") else str(value) if name in (
        "added", "paths") else f"{100 * value:.1f}"


def _of_path(path: Mapping[str, Any], members: Sequence[int]) -> float:
    found = [path["t_star"][k] if path["state"][k] == CROSSED else np.inf
             for k in members if path["state"][k] != DENIED]
    return _lower_median(found) if found else np.nan


def _median(values: np.ndarray) -> float | None:
    value = _lower_median(values.tolist()) if len(values) else np.inf
    return value if np.isfinite(value) else None


def _lower_median(values: Sequence[float]) -> float:
    """Of an even number the lower one of the two in the middle, so that infinite ones need no mean."""
    return float(np.sort(np.array(values))[(len(values) - 1) // 2])
