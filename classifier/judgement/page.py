"""The page of a judgement: its content and pictures as one HTML file without any outside resource."""

from pathlib import Path
from typing import Any

from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import write_text
from classifier.foundation.page import page
from classifier.judgement import figures, reading_figures

LABELS = {"balanced_accuracy": "mean recall over the groups (balanced accuracy)", "macro_f1": "macro-F1 over the set",
          "many_recall": "mean recall, groups with 100 training materials or more",
          "medium_recall": "mean recall, groups with 21 to 99", "few_recall": "mean recall, groups with at most 20",
          "calibration_error": "expected calibration error"}


def write_page(path: Path, content: dict[str, Any]) -> Path:
    """Write the page of what `judgement` found."""
    drawn = [figures.within, figures.recalls, figures.confusion, figures.trust, reading_figures.separations,
             *([reading_figures.training_materials] if content["recall_by_training_materials"] else [])]
    pictures = {draw.__name__: draw(content) for draw in drawn}
    return write_text(path, page("classifier.judgement", "page.html.j2", unknown="–", filters={"symbol": symbol},
                                 judged=content, pictures=pictures, labels=LABELS))
