"""The page of a judgement: its content and pictures as one HTML file without any outside resource."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import atomic_path
from classifier.judgement import figures as judgement_figures

LABELS = {"balanced_accuracy": "mean recall over the groups (balanced accuracy)", "macro_f1": "macro-F1 over the set",
          "many_recall": "mean recall, groups with 100 training materials or more",
          "medium_recall": "mean recall, groups with 21 to 99", "few_recall": "mean recall, groups with at most 20"}


def percent(share: float | None) -> str:
    """A share as a percentage, e.g. "37.0"."""
    return "–" if share is None else f"{100 * share:.1f}"


def times(factor: float | None) -> str:
    """A factor, e.g. "3.1"."""
    return "–" if factor is None else f"{factor:.2f}"


def write_page(path: Path, content: dict[str, Any]) -> Path:
    """Write the page of what `judgement` found."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader("classifier.judgement", "."), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"percent": percent, "times": times, "symbol": symbol}
    pictures = {name: base64.b64encode(getattr(judgement_figures, name)(content)).decode("ascii")
                for name in ("within", "recalls", "confusion", "trust")}
    page = environment.get_template("page.html.j2").render(judged=content, pictures=pictures, labels=LABELS)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path
