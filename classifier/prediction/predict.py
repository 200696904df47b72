"""Trained classifiers and what they predict: both <-> file; predict on a user's own stack file."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.atomic import atomic_path
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import InputError, reported
from classifier.foundation.registry import read_kind
from classifier.network.model import AnyNetwork, build_network
from classifier.network.pose_input import load_pose_features
from classifier.network.stack_classifier import NetworkKind, StackClassifier
from classifier.pattern.condition import Condition
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.grid import Grid, grid_of
from classifier.pattern.intensity import IntensityTransform
from classifier.pattern.measurement import CONDITIONS, measured_copy
from classifier.prediction.trust import Trust
from classifier.samples.dataset import Frame, StackSet, load_physical
from classifier.samples.measured_samples import require_beam_shares
from classifier.samples.sampletable import DERIVATIONS
from classifier.samples.stackfile import SampleTable, StackFile

PREDICT_AT_ONCE = 256  # stacks a forward pass
COLUMNS = ("sample_id", "material", "structure_type", "space_group", "logits", "part", "derivation")  # of Predictions


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """A classifier with all it needs for a stack: view, intensity scale, class map, and where it came from.

    frame: detector (after the view), pose and intensity unit; prior: float32 [K], class frequencies of its training;
    training_materials: int64 [K], real training materials of each class; digest: of the checkpoint, "" before saving;
    trust: how far to trust it, None where that was not fitted.
    """

    model: StackClassifier
    model_config: NetworkKind
    class_map: ClassMap
    view: ViewConfig
    frame: Frame
    intensity: IntensityTransform
    prior: Tensor
    training_materials: Tensor
    split_digest: str
    stack_digest: str
    provenance: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    trust: Trust | None = None

    def logits(self, x: Float[Tensor, "B C *spatial"], pose: Float[Tensor, "B 9"] | None = None
               ) -> Float[Tensor, "B K"]:
        """Logits of normalised stacks; differentiable, one pass."""
        return self.model(x, pose)

    def save(self, path: Path) -> str:
        """Write the checkpoint (kind "classifier") and return its digest."""
        parts = {"model": self.model.state_dict(), "model_config": self.model_config.model_dump(),
                 "space_groups": list(self.class_map.space_groups), "view": self.view.model_dump(),
                 **_named(self.frame.grid), "intensity": self.intensity.state(),
                 "prior": self.prior, "training_materials": self.training_materials}
        if self.trust is not None:
            parts["trust"] = self.trust.state()
        header = {"split_digest": self.split_digest, "stack_digest": self.stack_digest, "pose": self.frame.pose,
                  "intensity_unit": self.frame.intensity_unit, "provenance": self.provenance}
        return save_checkpoint(path, kind="classifier", parts=parts, header=header)


def load_classifier(path: Path, *, split_digest: str | tuple[str, ...] | None = None) -> TrainedClassifier:
    """Read a classifier in evaluation mode, on the CPU; one of another split than split_digest is an InputError."""
    checkpoint = load_checkpoint(path, kind="classifier", split_digest=split_digest)
    parts, header = checkpoint.parts, checkpoint.header
    with reported(path, rule="the checkpoint must hold a complete classifier", remedy="Train it again."):
        config = read_kind(AnyNetwork, parts["model_config"], source=path)
        class_map = ClassMap(tuple(parts["space_groups"]))
        frame = Frame(Detector(**parts["detector"]) if "detector" in parts else grid_of(parts["grid"]),
                      header["pose"], header["intensity_unit"])
        model = build_network(config, frame.grid.shape, class_map)
        model.load_state_dict(parts["model"])
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        trust = Trust.from_state(parts["trust"]) if "trust" in parts else None  # older ones have none
        if trust is not None:
            trust.require(classes=len(class_map), features=model.head.weight.shape[1],
                          size_pixels=frame.grid.shape[-1])
        return TrainedClassifier(
            model.eval().requires_grad_(False), config, class_map,
            ViewConfig(**parts["view"]), frame, IntensityTransform.from_state(parts["intensity"]), parts["prior"],
            parts["training_materials"], header["split_digest"], header["stack_digest"], header["provenance"],
            checkpoint.digest, trust)


def _named(grid: Grid) -> dict[str, dict[str, Any]]:
    """The grid under the name by which checkpoints know it."""
    return {"detector" if isinstance(grid, Detector) else "grid": asdict(grid)}


def predict_logits(model: StackClassifier, x: Float[Tensor, "N C *spatial"], pose: Float[Tensor, "N 9"] | None = None
                   ) -> Float[np.ndarray, "N K"]:
    """Logits of normalised stacks, batch by batch, in evaluation mode, as numpy.

    pose: features [N, 9] (pose_input.pose_features), for a model that has them as an input.
    """
    return _batch_by_batch(model, lambda *seen: [model(*seen)], [model.head.out_features], x, pose)[0]


def predict_features(model: StackClassifier, x: Float[Tensor, "N C *spatial"], pose: Float[Tensor, "N 9"] | None = None
                     ) -> Float[np.ndarray, "N F"]:
    """Features as predict_logits gives logits."""
    return _batch_by_batch(model, lambda *seen: [model.features(*seen)], [model.feature_count], x, pose)[0]


def predict_with_features(model: StackClassifier, x: Tensor, pose: Tensor | None = None
                          ) -> tuple[np.ndarray, np.ndarray]:
    """What predict_logits and predict_features give, from one pass where the network sees one view."""
    widths = [model.head.out_features, model.feature_count]
    logits, features = _batch_by_batch(model, model.with_features, widths, x, pose)
    return logits, features


def _batch_by_batch(model: StackClassifier, what: Callable[..., Sequence[Tensor]], widths: Sequence[int], x: Tensor,
                    pose: Tensor | None) -> list[np.ndarray]:
    """What a function of the model makes of stacks and poses, float32 [N, width] each, in evaluation mode."""
    training, device = model.training, next(model.parameters()).device
    model.eval()
    blocks = [[torch.zeros(0, width) for width in widths]]
    with torch.inference_mode():
        for start in range(0, len(x), PREDICT_AT_ONCE):
            rows = slice(start, start + PREDICT_AT_ONCE)
            seen = what(x[rows].to(device), None if pose is None else pose[rows].to(device))
            blocks.append([values.cpu() for values in seen])
    model.train(training)
    columns = [torch.cat(column).numpy() for column in zip(*blocks, strict=True)]
    wrong = ~np.logical_and.reduce([np.isfinite(column).all(axis=1) for column in columns])
    if wrong.any():
        raise InputError(source="the network", rule="what it answers must be finite numbers",
                         value=f"NaN or infinity for {int(wrong.sum())} of {len(x)} samples",
                         remedy="Train it again, or look for samples far beyond those of its training.")
    return columns


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits float32 [N, K] of N samples with their labels str [N]; space_group int [N] is the truth, 0 if unknown.

    part: str [N], "train", "validation", "test", or "" for a user's own; provenance: of the classifier, its digest
    and those of the stacks; derivation: str [N], of the crystals, one of sampletable.DERIVATIONS, "" where unknown.
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
    derivation: np.ndarray = field(default_factory=lambda: np.array("unknown"))

    def __post_init__(self) -> None:
        if self.derivation.ndim == 0:  # nobody says
            object.__setattr__(self, "derivation", np.full(len(self.sample_id), ""))

    @classmethod
    def of(cls, classifier: TrainedClassifier, samples: StackSet, *, part: str,
           provenance: dict[str, Any]) -> "Predictions":
        """Predict normalised samples of one part, under the provenance that is given."""
        return cls(samples.sample_id, samples.material, samples.structure_type,
                   np.asarray(classifier.class_map.space_groups)[samples.class_idx.cpu().numpy()],
                   predict_logits(classifier.model, samples.x, samples.pose), np.full(len(samples), part),
                   classifier.class_map, classifier.split_digest, provenance,
                   np.full(len(samples), "") if samples.derivation is None else samples.derivation)

    @classmethod
    def concatenate(cls, several: "list[Predictions]") -> "Predictions":
        """Put predictions of one classifier under each other."""
        columns = {name: np.concatenate([getattr(one, name) for one in several]) for name in COLUMNS}
        return replace(several[0], **columns)

    def predicted(self) -> np.ndarray:
        """Most probable space group of each sample, int64 [N]."""
        return np.asarray(self.class_map.space_groups)[self.logits.argmax(axis=1)]

    def take(self, part: str) -> "Predictions":
        """The samples of one part."""
        return self.rows(self.part == part)

    def rows(self, rows: np.ndarray) -> "Predictions":
        """Some of the samples, by a mask [N] or by their places, in that order."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def by_derivation(self) -> "dict[str, Predictions]":
        """Those of real-derived and those of random crystals apart, {"real": ..., "random": ...}; {} where unknown."""
        return {name: self.rows(self.derivation == name) for name in DERIVATIONS[1:] if (self.derivation == name).any()}

    def save(self, path: Path) -> None:
        """Write an npz file of plain arrays, whole or not at all."""
        metadata = {"split_digest": self.split_digest, "provenance": self.provenance}
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            known = [name for name in COLUMNS if name != "derivation" or (self.derivation != "").any()]
            np.savez(stream, **{name: getattr(self, name) for name in known},
                     class_space_groups=np.asarray(self.class_map.space_groups), metadata=json.dumps(metadata))

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read predictions; a missing, foreign or damaged file is an InputError."""
        with reported(path, rule="must be a file of predictions", remedy="Give one that training or predict wrote."):
            arrays = _read_arrays(path)
            metadata = json.loads(str(arrays["metadata"]))
            class_map = ClassMap(tuple(arrays["class_space_groups"].tolist()))
            predictions = cls(**{name: arrays[name] for name in COLUMNS if name != "derivation" or name in arrays},
                              class_map=class_map,
                              split_digest=metadata["split_digest"], provenance=metadata["provenance"])
            lengths = {name: len(getattr(predictions, name)) for name in COLUMNS}
            if len(set(lengths.values())) > 1 or predictions.logits.shape[1:] != (len(class_map),):
                raise ValueError(f"rows {lengths}, {predictions.logits.shape[1:]} logits for {len(class_map)} classes")
            # Groups that cannot occur have -inf.
            told = np.isfinite(predictions.logits)
            if not (told | np.isneginf(predictions.logits)).all() or not told.any(axis=1).all():
                raise ValueError("logits that are no numbers")
            return predictions


def predictions_path(folder: Path, condition: Condition = "ideal") -> Path:
    """Where a run folder keeps its predictions of samples under a condition; those as they are have no name beside."""
    return Path(folder) / ("predictions.npz" if condition == "ideal" else f"predictions_{condition}.npz")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file of unpacked members; each is read to its end, so that its crc32 is checked."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > path.stat().st_size:
                raise ValueError(f"{member.filename} is packed, or declares {member.file_size} bytes")
        return {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}


def _array(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError("an array is shorter than its member of the archive")
    return array


@dataclass(frozen=True, eq=False)
class OwnStacks:
    """Every stack of a user's file, labelled or not, as one classifier wants them.

    intensity, x: float32 [N, C, *spatial], physical and normalised; pose: [N, 9] where the classifier has that input.
    """

    classifier: TrainedClassifier
    intensity: np.ndarray
    x: Tensor
    pose: Tensor | None
    table: SampleTable
    digest: str
    condition: Condition

    @classmethod
    def read(cls, stacks: Path, classifier: TrainedClassifier, condition: Condition = "ideal") -> "OwnStacks":
        """Read them as measured under a condition; another pose, detector or unit than the classifier's is refused."""
        with StackFile(stacks) as file:
            intensity, table, frame = load_physical(file, classifier.view)
            classifier.frame.require(frame, stacks)
            require_beam_shares(frame, CONDITIONS[condition], stacks)
            if condition != "ideal":
                intensity = measured_copy(torch.from_numpy(intensity), table.sample_id, CONDITIONS[condition]).numpy()
            x = torch.from_numpy(classifier.intensity.normalise(intensity))
            pose = load_pose_features(file) if classifier.model_config.pose_input else None
        return cls(classifier, intensity, x, pose, table, file.digest, condition)

    def predictions(self, logits: np.ndarray) -> Predictions:
        """The classifier's logits [N, K] with all that is known of their stacks."""
        table, classifier = self.table, self.classifier
        provenance = {**classifier.provenance, "classifier_digest": classifier.digest, "stack_digest": self.digest,
                      **({} if self.condition == "ideal" else {"condition": self.condition})}
        return Predictions(table.sample_id, table.material, table.structure_type, table.space_group, logits,
                           np.full(len(table), ""), classifier.class_map, classifier.split_digest, provenance,
                           table.derivation)


def predict(classifier: TrainedClassifier, stacks: Path) -> Predictions:
    """Predict every stack of a stack file, labelled or not; another pose, detector or unit is an InputError."""
    own = OwnStacks.read(stacks, classifier)
    return own.predictions(predict_logits(classifier.model, own.x, own.pose))
