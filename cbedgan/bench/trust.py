"""bench trust: what classifiers say of stacks spoiled in a known way, and how many of these they refuse."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from sklearn.metrics import roc_auc_score

from cbedgan.bench.spoiled import mixed_rows, spoiled
from classifier.foundation.run import progress
from classifier.prediction.answers import answer_stacks
from classifier.prediction.predict import TrainedClassifier
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, write_stack_file
from classifier.samples.viewed import rows_of

KINDS = 42  # of spoiled stacks, the stacks as they are included

OF_A_PATTERN = ("zone_axis_uvw", "convergence_semi_angle_mrad", "thickness_angstrom", "pixel_size_inv_angstrom",
                "shortest_g_inv_angstrom", "azimuth_rad")  # columns


def bench_trust(classifiers: Sequence[TrainedClassifier], stacks: Path, split: Path, *, accuracy: float, most: int,
                seed: int) -> list[dict[str, Any]]:
    """Answer the test part as it is and spoiled; a row of figures for each.

    The row's strangeness decides whether a stack is out of distribution: it is above 1 there. Its auroc says how well
    strangeness tells the spoiled stacks from the others.

    Parameters
    ----------
    classifiers : that answer together
    stacks, split : the stack file, and split.json
    accuracy : asked of what is answered
    most : stacks of the test part, drawn at random
    seed : of that choice and of the noise
    """
    with StackFile(stacks) as file:
        rows = rows_of(file, load_split(split, stack_digest=file.identity).parts["test"])
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
        whole, table, detector = file.read(rows), file.table.take(rows), file.detector
        frame = {"detector": detector, "pose": file.pose, "intensity_unit": file.intensity_unit, "provenance": {}}
    shortest_g = 1 / detector.pixel_size if detector.unit == "shortest_g" else detector.size_pixels / 4
    figures: list[dict[str, Any]] = []
    mixed = mixed_rows(len(whole))
    usual: np.ndarray | None = None
    with tempfile.TemporaryDirectory() as folder, progress("bench trust", KINDS) as bar:
        for kind, amount, made in (("as they are", "", whole),
                                   *spoiled(whole, shortest_g_pixels=shortest_g, seed=seed)):
            path = Path(folder) / "spoiled.h5"
            # What was recorded of a pattern goes with it, as in a file that somebody put together wrongly.
            recorded = table if amount not in mixed else replace(table, **{
                name: getattr(table, name)[mixed[amount][..., 0], mixed[amount][..., 1]] for name in OF_A_PATTERN})
            write_stack_file(path, np.ascontiguousarray(made, dtype=np.float32), recorded, **frame)
            answers, rules, predictions = answer_stacks(classifiers, path, top=1, accuracy=accuracy)
            strange = np.array([answer.strangeness for answer in answers])
            usual = strange if usual is None else usual
            right = predictions.predicted() == table.space_group
            answered = np.array([not answer.refusals for answer in answers])
            held = [any(group == truth for group, _ in answer.plausible)
                    for answer, truth in zip(answers, table.space_group.tolist(), strict=True)]
            figures.append({
                "kind": kind, "amount": amount, "accuracy": float(right.mean()),
                "confidence": float(np.mean([answer.groups[0][1] for answer in answers])),
                "out_of_distribution": float((strange > 1).mean()), "refused": float(1 - answered.mean()),
                "covered": float(np.mean(held)), "set_size": float(np.mean([len(one.plausible) for one in answers])),
                "accuracy_of_answered": float(right[answered].mean()) if answered.any() else None,
                "auroc": float(roc_auc_score(np.repeat([0, 1], len(usual)),
                                             np.minimum(np.append(usual, strange), 1e9)))})
            bar.advance()
    return figures


def report(figures: Sequence[dict[str, Any]], accuracy: float) -> Table:
    """The rows as a table."""
    table = Table("stacks", "", "accuracy", "confidence", "out of distribution", "refused", "accuracy of answered",
                  "AUROC", box=None, header_style="dim",
                  caption="Refused: out of distribution, or less sure than what was right "
                          f"{accuracy:.0%} of the time in validation.")
    for column in table.columns[2:]:
        column.justify = "right"
    for row in figures:
        answered = row["accuracy_of_answered"]
        table.add_row(row["kind"], row["amount"], f"{row['accuracy']:.2f}", f"{row['confidence']:.2f}",
                      f"{row['out_of_distribution']:.0%}", f"{row['refused']:.0%}",
                      "-" if answered is None else f"{answered:.2f}", f"{row['auroc']:.2f}")
    return table
