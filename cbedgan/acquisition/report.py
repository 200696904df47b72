"""The report of a study of acquisition: its content as JSON, the curves as PNG, and both as one HTML page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from cbedgan.acquisition.figures import LABELS, learning_curves
from classifier.atomic import atomic_path, write_json


def write_report(content: dict[str, Any], *, provenance: dict[str, Any], out: Path) -> Path:
    """Write out/report.json, curves.png and report.html; return the path of the latter."""
    picture = learning_curves(content)
    write_json(out / "report.json", {**content, "provenance": provenance})
    with atomic_path(out / "curves.png") as temporary:
        temporary.write_bytes(picture)
    with atomic_path(out / "report.html") as temporary:
        temporary.write_text(_page(content, provenance, picture), encoding="utf-8")
    return out / "report.html"


def _page(content: dict[str, Any], provenance: dict[str, Any], picture: bytes) -> str:
    """Return one HTML page without any outside resource."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader("cbedgan.acquisition", "."), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"percent": _percent, "points": _points}
    return environment.get_template("report.html.j2").render(
        content=content, config=provenance["config"], labels=LABELS,
        picture=base64.b64encode(picture).decode("ascii"))


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f}"


def _points(difference: float | None) -> str:
    return "n/a" if difference is None else f"{100 * difference:+.1f}".replace("-", "−")
