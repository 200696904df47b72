"""Trained classifiers and what they predict: both <-> file; predict on a user's own stack file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from classifier.atomic import atomic_path
from classifier.checkpoint import load_checkpoint, save_checkpoint
from classifier.dataset import load_physical
from classifier.errors import InputError
from classifier.geometry import Detector, ViewConfig
from classifier.intensity import IntensityTransform
from classifier.model import ModelConfig, StackClassifier
from classifier.spacegroup import ClassMap
from classifier.stackfile import StackFile

PREDICT_AT_ONCE = 256  # stacks a forward pass


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """A classifier with all it needs to judge a stack: view, intensity scale, class map, and where it came from.

    detector: of the patterns after the view; prior: float32 [K], class frequencies it was trained with;
    training_materials: int64 [K], real training materials of each class; digest: of the checkpoint, "" before saving.
    """

    model: StackClassifier
    model_config: ModelConfig
    class_map: ClassMap
    view: ViewConfig
    detector: Detector
    pose: str
    intensity_unit: str
    intensity: IntensityTransform
    prior: Tensor
    training_materials: Tensor
    split_digest: str
    stack_digest: str
    provenance: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    def logits(self, x: Tensor) -> Tensor:
        """Logits float32 [B, K] of normalised stacks x [B, 3, H, W]; differentiable, one pass."""
        return self.model(x)

    def save(self, path: Path) -> str:
        """Write the checkpoint (kind "classifier") and return its digest."""
        parts = {"model": self.model.state_dict(), "model_config": self.model_config.model_dump(),
                 "space_groups": list(self.class_map.space_groups), "view": self.view.model_dump(),
                 "detector": [self.detector.size_pixels, self.detector.pixel_size, self.detector.unit],
                 "intensity": self.intensity.state(), "prior": self.prior, "training_materials": self.training_materials}
        header = {"split_digest": self.split_digest, "stack_digest": self.stack_digest, "pose": self.pose,
                  "intensity_unit": self.intensity_unit, "provenance": self.provenance}
        return save_checkpoint(path, kind="classifier", parts=parts, header=header)


def load_classifier(path: Path, *, split_digest: str | None = None) -> TrainedClassifier:
    """Read a classifier in evaluation mode, on the CPU; one of another split than split_digest is an InputError."""
    held = load_checkpoint(path, kind="classifier")
    parts, header = held.parts, held.header
    if split_digest is not None and header["split_digest"] != split_digest:
        raise InputError(source=path, rule="the classifier must be trained on the split it is used with",
                         value=f"split {header['split_digest'][:12]}, not {split_digest[:12]}",
                         remedy="Train it on this split, or give the split it was trained on.")
    config = ModelConfig(**{**parts["model_config"], "widths": tuple(parts["model_config"]["widths"])})
    class_map, detector = ClassMap(tuple(parts["space_groups"])), Detector(*parts["detector"])
    model = StackClassifier(config, classes=len(class_map), size_pixels=detector.size_pixels)
    model.load_state_dict(parts["model"])
    return TrainedClassifier(
        model.to(memory_format=torch.channels_last).eval().requires_grad_(False), config, class_map,
        ViewConfig(**parts["view"]), detector, header["pose"], header["intensity_unit"],
        IntensityTransform.from_state(parts["intensity"]), parts["prior"], parts["training_materials"],
        header["split_digest"], header["stack_digest"], header["provenance"], held.digest)


def predict_logits(model: StackClassifier, x: Tensor) -> np.ndarray:
    """Logits float32 [N, K] of normalised stacks x [N, 3, H, W], batch by batch, in evaluation mode, as numpy."""
    training = model.training
    model.eval()
    with torch.inference_mode():
        logits = [model(part).cpu() for part in x.split(PREDICT_AT_ONCE)]
    model.train(training)
    return torch.cat(logits).numpy() if logits else np.zeros((0, model.head.out_features), np.float32)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits float32 [N, K] of N samples with their labels str [N]; space_group int [N] is the truth, 0 if unknown.

    part: str [N], "train", "validation", "test", or "" for a user's own; provenance: of the classifier, its digest
    and those of the stacks.
    """

    sample_id: np.ndarray
    material: np.ndarray
    structure_type: np.ndarray
    space_group: np.ndarray
    logits: np.ndarray
    part: np.ndarray
    class_map: ClassMap
    split_digest: str
    provenance: dict[str, Any]

    def predicted(self) -> np.ndarray:
        """Most probable space group of each sample, int64 [N]."""
        return np.asarray(self.class_map.space_groups)[self.logits.argmax(axis=1)]

    def take(self, part: str) -> Predictions:
        """The samples of one part."""
        rows = self.part == part
        return Predictions(self.sample_id[rows], self.material[rows], self.structure_type[rows],
                           self.space_group[rows], self.logits[rows], self.part[rows], self.class_map,
                           self.split_digest, self.provenance)

    def save(self, path: Path) -> None:
        """Write an npz file of plain arrays, whole or not at all."""
        metadata = {"split_digest": self.split_digest, "provenance": self.provenance}
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, sample_id=self.sample_id, material=self.material, structure_type=self.structure_type,
                     space_group=self.space_group, logits=self.logits, part=self.part,
                     class_space_groups=np.asarray(self.class_map.space_groups), metadata=json.dumps(metadata))

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read predictions; a missing, foreign or damaged file is an InputError."""
        try:
            with np.load(path, allow_pickle=False) as held:
                metadata = json.loads(str(held["metadata"]))
                return cls(held["sample_id"], held["material"], held["structure_type"], held["space_group"],
                           held["logits"], held["part"], ClassMap(tuple(held["class_space_groups"].tolist())),
                           metadata["split_digest"], metadata["provenance"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(source=path, rule="must be a file of predictions", value=error,
                             remedy="Give a predictions.npz that training or predict wrote.") from None


def predict(classifier: TrainedClassifier, stacks: Path) -> Predictions:
    """Judge every stack of a stack file, labelled or not; another pose, detector or unit is an InputError."""
    with StackFile(stacks) as file:
        pose, unit, digest = file.pose, file.intensity_unit, file.digest
    intensity, table, detector = load_physical(stacks, classifier.view)
    for name, found, needed in (("pose", pose, classifier.pose), ("intensity unit", unit, classifier.intensity_unit),
                                ("detector unit", detector.unit, classifier.detector.unit)):
        if found != needed:
            raise InputError(source=stacks, rule=f"the {name} must be the one the classifier was trained with, {needed}",
                             value=found, remedy="Bring the patterns to it, or train on patterns like these.")
    x = torch.from_numpy(classifier.intensity.normalise(intensity))
    provenance = {**classifier.provenance, "classifier_digest": classifier.digest, "stack_digest": digest}
    return Predictions(table.sample_id, table.material, table.structure_type, table.space_group,
                       predict_logits(classifier.model, x), np.full(len(table), ""), classifier.class_map,
                       classifier.split_digest, provenance)
