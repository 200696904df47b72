"""The report of an assessment: its figures as JSON, and the same as one HTML page with its pictures inside."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from cbedgan.assessment.subject import Subject
from cbedgan.fidelity.memorisation import flipped
from cbedgan.gan.reporting.contact_sheet import write_contact_sheet
from cbedgan.likeness.measure import Assessment
from classifier.crystal.spacegroup import symbol
from classifier.foundation.atomic import write_json, write_text
from classifier.foundation.page import page
from classifier.foundation.run import Run

SUSPICIOUS_A_ROW = 4
PICTURE_PIXELS = 64  # patterns smaller than this are drawn twice as large


def write_report(content: dict[str, Any], assessment: Assessment, subject: Subject, run: Run, *,
                 sheet_stacks: int, suspicious: int) -> Path:
    """Write fidelity.json, a picture a group, suspicious.png and report.html into the run's folder; the page's path.

    Parameters
    ----------
    content : figures and what they were taken in
    assessment : what they are of
    subject : the generator, with the scale of the pictures
    run : whose folder is written to
    sheet_stacks : in a row of a group's picture
    suspicious : stacks beside their nearest training stacks
    """
    out = run.folder
    write_json(out / "fidelity.json", {**content, "provenance": run.provenance()})
    (out / "groups").mkdir(exist_ok=True)
    pictures = {row["space_group"]: _group_picture(row, assessment, subject, sheet_stacks, out / "groups")
                for row in content["groups"]}
    beside = _suspicious_picture(assessment, subject, suspicious, out / "suspicious.png")
    return write_text(out / "report.html", page(
        "cbedgan.assessment", "report.html.j2", unknown="–", filters={"symbol": symbol}, content=content,
        pictures=pictures, suspicious=beside, digest=subject.digest[:12]))


def _group_picture(row: dict[str, Any], assessment: Assessment, subject: Subject, count: int, folder: Path
                   ) -> Path:
    """Real stacks of a group above as many generated ones."""
    number = row["space_group"]
    k = subject.class_map.index(number)
    shape = (1, count, *assessment.real.x.shape[1:])
    sheets = []
    for one in (assessment.real, assessment.made):
        x = one.x[one.class_idx == k][:count]
        sheet = np.full(shape, np.nan, dtype=np.float32)
        sheet[0, :len(x)] = subject.intensity.denormalise(x).numpy()
        sheets.append(sheet)
    path = folder / f"{number}.png"
    write_contact_sheet(path, sheets[0], sheets[1], [f"{number} {symbol(number)}"], zoom=_zoom(shape))
    return path


def _suspicious_picture(assessment: Assessment, subject: Subject, count: int, path: Path) -> Path:
    """The generated stacks nearest to training stacks for their group, each below its neighbour and flipped like it."""
    rows = assessment.nearness.argsort(stable=True)[:count]
    made = torch.cat([flipped(assessment.made.x[row:row + 1], int(assessment.neighbours.flip[row]))
                      for row in rows.tolist()])
    lines = -(-len(rows) // SUSPICIOUS_A_ROW)
    shape = (lines, SUSPICIOUS_A_ROW, *made.shape[1:])
    sheets = np.full((2, lines * SUSPICIOUS_A_ROW, *made.shape[1:]), np.nan, dtype=np.float32)
    sheets[0, :len(rows)] = subject.intensity.denormalise(assessment.real.x[assessment.neighbours.row[rows]]).numpy()
    sheets[1, :len(rows)] = subject.intensity.denormalise(made).numpy()
    groups = [subject.class_map.space_group(k) for k in assessment.made.class_idx[rows].tolist()]
    labels = [", ".join(map(str, groups[start:start + SUSPICIOUS_A_ROW]))
              for start in range(0, len(groups), SUSPICIOUS_A_ROW)]
    write_contact_sheet(path, sheets[0].reshape(shape), sheets[1].reshape(shape), labels, zoom=_zoom(shape))
    return path


def _zoom(shape: tuple[int, ...]) -> int:
    return 1 if shape[-1] >= PICTURE_PIXELS else 2
