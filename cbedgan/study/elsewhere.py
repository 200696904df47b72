"""What trained classifiers say of stack files beside the test part: read, measured and judged by the same code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.foundation.errors import InputError
from classifier.pattern.condition import Condition
from classifier.prediction.predict import OwnStacks, Predictions, load_classifier, predict_logits, predictions_path
from classifier.samples.stackfile import SampleTable, StackFile


@dataclass(frozen=True)
class Elsewhere:
    """One labelled stack file of crystals from elsewhere. told: its counts, as JSON content."""

    name: str
    path: Path
    digest: str
    told: dict[str, Any]

    def folder(self, run: Path) -> Path:
        """Where a run folder keeps its predictions of this file."""
        return run / "elsewhere" / f"{self.name}-{self.digest[:12]}"


@dataclass(frozen=True)
class ElsewhereJob:
    """One trained arm and seed, asked about one file under conditions; out: folder of the predictions."""

    arm: str
    seed: int
    classifier: Path
    file: Elsewhere
    conditions: tuple[Condition, ...]
    out: Path

    def run(self) -> None:
        """Predict what is not predicted yet."""
        missing: list[Condition] = [one for one in self.conditions if not predictions_path(self.out, one).exists()]
        if missing:
            trained = load_classifier(self.classifier)
            for condition in missing:
                own = OwnStacks.read(self.file.path, trained, condition)
                own.predictions(predict_logits(trained.model, own.x, own.pose)).save(
                    predictions_path(self.out, condition))


def open_elsewhere(paths: Sequence[Path], space_groups: Sequence[int], train: SampleTable) -> list[Elsewhere]:
    """Look at the files and count what can be judged; one without labelled materials is an InputError.

    Parameters
    ----------
    paths : stack files, each with another name
    space_groups : of the classifiers; stacks of others are left out
    train : rows of the train part, to count stacks of structure types that training has seen
    """
    found = []
    for path in map(Path, paths):
        with StackFile(path) as file:
            table = file.table
            judged = np.isin(table.space_group, space_groups) & (table.material != "")
            if not judged.any() or path.stem in [one.name for one in found]:
                raise InputError(source=path, value=f"{int(judged.sum())} of {len(table)} stacks",
                                 rule="must hold labelled stacks of these groups, and differ in its name from others",
                                 remedy="Give another file, or this one under another name.")
            types = _typed(table.take(judged))
            found.append(Elsewhere(path.stem, path, file.digest, {
                "digest": file.digest, "stacks": int(judged.sum()), "left_out": int((~judged).sum()),
                "of_known_types": int(((types != "") & np.isin(types, _typed(train))).sum())}))
    return found


def judged_rows(predictions: Predictions) -> Predictions:
    """Those whose truth is a class of the classifier."""
    return predictions.rows(np.isin(predictions.space_group, predictions.class_map.space_groups)
                            & (predictions.material != ""))


def _typed(table: SampleTable) -> np.ndarray:
    """Space group and structure type of each row, str [N]; "" where the type is unknown."""
    return np.where(table.structure_type == "", "", np.char.add(np.char.add(table.space_group.astype(str), " "),
                                                                table.structure_type))
