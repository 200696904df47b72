"""The page of a judgement: its content and pictures as one HTML file without any outside resource."""

from pathlib import Path
from typing import Any

from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import write_text
from classifier.foundation.page import page
from classifier.judgement import figures as judgement_figures

LABELS = {"balanced_accuracy": "mean recall over the groups (balanced accuracy)", "macro_f1": "macro-F1 over the set",
          "many_recall": "mean recall, groups with 100 training materials or more",
          "medium_recall": "mean recall, groups with 21 to 99", "few_recall": "mean recall, groups with at most 20"}


def write_page(path: Path, content: dict[str, Any]) -> Path:
    """Write the page of what `judgement` found."""
    pictures = {name: getattr(judgement_figures, name)(content) for name in ("within", "recalls", "confusion", "trust")}
    return write_text(path, page("classifier.judgement", "page.html.j2", unknown="–", filters={"symbol": symbol},
                                 judged=content, pictures=pictures, labels=LABELS))
