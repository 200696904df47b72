"""The report of a study of acquisition: its content as JSON, the curves as PNG, and both as one HTML page."""

from pathlib import Path
from typing import Any

from cbedgan.acquisition.figures import LABELS, learning_curves
from classifier.foundation.atomic import atomic_path, write_json, write_text
from classifier.foundation.page import page


def write_report(content: dict[str, Any], *, provenance: dict[str, Any], out: Path) -> Path:
    """Write out/report.json, curves.png and report.html; return the path of the latter."""
    picture = learning_curves(content)
    text = page("cbedgan.acquisition", "report.html.j2", content=content, config=provenance["config"], labels=LABELS,
                picture=picture)
    write_json(out / "report.json", {**content, "provenance": provenance})
    with atomic_path(out / "curves.png") as temporary:
        temporary.write_bytes(picture)
    return write_text(out / "report.html", text)
