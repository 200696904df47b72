"""adjust-clf [stage]: mend the head of a trained classifier after its training; the body stays as it is."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from classifier.adjustment.head_training import (
    FrozenFeatures,
    HeadTraining,
    measurement_of,
    train_head,
    training_record,
)
from classifier.foundation.config import Config
from classifier.foundation.device import choose_device, reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run
from classifier.prediction.predict import Predictions, TrainedClassifier, load_classifier, predict_features
from classifier.prediction.scores import score, score_conditions
from classifier.prediction.side_data import with_side_data
from classifier.samples.dataset import StackSet, check_added_source, load_stack_set
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics import metrics
from classifier.training.trust_fitting import recalibrated

Taus = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1, max_length=64)]


@dataclass(frozen=True)
class Frozen:
    """What a method may use: the trained head, the class frequencies of its training, float32 [K], and, when called,
    features of the training stacks, and of added ones (None: there are none)."""

    head: nn.Linear
    prior: Tensor
    training: Callable[[int, int], FrozenFeatures]  # of (views, seed)
    added: Callable[[int, int], FrozenFeatures | None] = lambda views, seed: None


class LogitAdjustment(Config):
    """Logits minus tau log(prior): Menon et al. 2021 (arXiv 2007.07314), eq. 9.

    taus: one value, or several of which the balanced accuracy on validation chooses.
    """

    kind: Literal["logit_adjustment"]
    taus: Taus

    def heads(self, frozen: Frozen, seed: int) -> list[tuple[dict[str, Any], nn.Linear]]:
        """Heads to choose from, each with what sets it apart; every method has these."""
        return [({"tau": tau}, linear(frozen.head.weight, frozen.head.bias - tau * frozen.prior.log()))
                for tau in self.taus]


class TauNormalised(Config):
    """w_c / |w_c|^tau, without a bias: Kang et al. 2020 (arXiv 1910.09217), section 4. taus: as in LogitAdjustment."""

    kind: Literal["tau_normalised"]
    taus: Taus

    def heads(self, frozen: Frozen, seed: int) -> list[tuple[dict[str, Any], nn.Linear]]:
        weight, norm = frozen.head.weight, frozen.head.weight.norm(dim=1, keepdim=True)
        return [({"tau": tau}, linear(weight / norm**tau, torch.zeros(len(weight)))) for tau in self.taus]


class Retrained(HeadTraining):
    """cRT: a new head trained on the frozen features, classes drawn equally often. Kang et al. 2020, section 4."""

    kind: Literal["retrained"]

    def heads(self, frozen: Frozen, seed: int) -> list[tuple[dict[str, Any], nn.Linear]]:
        torch.manual_seed(seed)
        head = nn.Linear(frozen.head.in_features, frozen.head.out_features)
        train_head(self, frozen.training(self.views, seed), list(head.parameters()), head, seed,
                   frozen.added(self.views, seed))
        return [({}, head)]


class LearnableScale(HeadTraining):
    """LWS: f_c w_c, without a bias; the scales f alone are learnt, classes drawn equally often. Kang et al. 2020."""

    kind: Literal["learnable_scale"]

    def heads(self, frozen: Frozen, seed: int) -> list[tuple[dict[str, Any], nn.Linear]]:
        scale = torch.ones(frozen.head.out_features, requires_grad=True)
        train_head(self, frozen.training(self.views, seed), [scale], lambda h: h @ frozen.head.weight.T * scale, seed,
                   frozen.added(self.views, seed))
        return [({}, linear(frozen.head.weight * scale.detach()[:, None], torch.zeros(len(scale))))]


PostHoc = Annotated[LogitAdjustment | TauNormalised | Retrained | LearnableScale, Field(discriminator="kind")]


class PostHocConfig(Config):
    """seed: of what a method draws; device: of the body, "auto" being the GPU where there is one."""

    seed: int = 0
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    method: PostHoc


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer of weight [K, F] and bias [K]."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def post_hoc(config: PostHocConfig, *, classifier: Path, stacks: Path, split: Path, out: Path,
             synthetic: Path | None = None) -> Path:
    """Write the mended classifier.safetensors, its predictions.npz (validation and test) and result.json.

    Where the configuration leaves a choice, the balanced accuracy on the validation part makes it.

    Parameters
    ----------
    config : the method
    classifier : checkpoint of the trained classifier, with a linear head
    stacks, split : the sample file, and split.json of it, that it was trained on
    out : run folder
    synthetic : a sample file whose features join those of the train part when a head is trained; see train_classifier
    """
    out = Path(out)
    if synthetic is not None and not isinstance(config.method, HeadTraining):
        raise InputError(source="adjust-clf --synthetic", rule="goes with heads that are trained: retrained, "
                         "learnable_scale", value=config.method.kind, remedy="Leave it out, or train a head.")
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        trained = load_classifier(classifier, split_digest=parted.names)
        if not isinstance(trained.model.head, nn.Linear):
            raise InputError(source=classifier, rule="only a linear head can be mended",
                             value=type(trained.model.head).__name__, remedy="Train with a linear head.")
        inputs = {"stacks": parted.stack_digest, "split": parted.digest, "classifier": trained.digest}
        if synthetic is not None:
            inputs["synthetic"] = check_added_source(synthetic, parted, stacks=file)
        with Run.open(out, stage="adjust-clf", config=config, inputs=inputs) as run, reproducible(config.threads):
            if run.result is None:
                _run(config, run, trained, trained.model.head, parted, file, synthetic)
    return out / "classifier.safetensors"


def _run(config: PostHocConfig, run: Run, trained: TrainedClassifier, head: nn.Linear, parted: Split,
         stacks: StackFile, synthetic: Path | None) -> None:
    device = choose_device(config.device)

    def load(part: str, file: Path | StackFile = stacks) -> StackSet:
        samples = load_stack_set(file, class_map=trained.class_map, view=trained.view, intensity=trained.intensity,
                                 sample_ids=parted.parts[part] if file is stacks else None, frame=trained.frame)
        return with_side_data(samples, file, trained.model_config)

    def features(part: str, file: Path | StackFile, views: int, seed: int) -> FrozenFeatures:
        return FrozenFeatures.of(model, load(part, file), views=views, seed=seed, trained=trained)

    model = copy.deepcopy(trained.model).to(device)
    frozen = Frozen(head, trained.prior, partial(features, "train", stacks),
                    lambda views, seed: None if synthetic is None else features("train", synthetic, views, seed))
    heads = config.method.heads(frozen, config.seed)
    held_out, measurement = {part: load(part) for part in ("validation", "test")}, measurement_of(trained)
    validation = held_out["validation"] if measurement is None else measurement.samples(held_out["validation"])
    seen = torch.from_numpy(predict_features(model, validation.x, validation.pose))
    chosen, choice = choose(heads, seen, validation)
    mended = copy.deepcopy(trained.model)
    # A folded head of kin has more entries, all zero.
    mended.head.load_state_dict({**mended.head.state_dict(), **heads[chosen][1].state_dict()})
    record = {**run.provenance(), "training": trained.provenance}
    adjusted = recalibrated(replace(trained, model=mended.requires_grad_(False), provenance=record),
                            held_out["validation"], measurement)
    digest = adjusted.save(run.folder / "classifier.safetensors")
    provenance = {**record, "classifier_digest": digest}
    predictions = Predictions.concatenate([Predictions.of(adjusted, samples, part=part, provenance=provenance)
                                           for part, samples in held_out.items()])
    predictions.save(run.folder / "predictions.npz")
    materials = trained.training_materials.numpy()
    under = score_conditions(adjusted, held_out, training_record(trained).get("judged_under", ()), folder=run.folder,
                             provenance=provenance)
    run.finish({"classifier_digest": digest, "split_digest": parted.digest, "chosen": heads[chosen][0],
                "choice": choice,
                **{part: score(predictions.take(part), materials) for part in held_out}, **under},
               files=["classifier.safetensors", "predictions.npz"])


def choose(heads: list[tuple[dict[str, Any], nn.Linear]], features: Tensor, validation: StackSet
           ) -> tuple[int, list[dict[str, Any]]]:
    """Return the place of the head with the best balanced accuracy on validation (the first of equals), and all."""
    if len(heads) == 1:
        return 0, []
    if not len(validation):
        raise InputError(source="adjust-clf", rule="a choice of tau needs validation samples", value="none",
                         remedy="Give one tau, or split with a validation part.")
    truth, weight = validation.class_idx.numpy(), metrics.material_weights(validation.material)
    scores = []
    for _, head in heads:
        with torch.inference_mode():
            logits = head(features).numpy()
        matrix = metrics.confusion(truth, logits.argmax(axis=1), logits.shape[1], weight)
        scores.append(metrics.balanced_accuracy(matrix))
    return scores.index(max(scores)), [{**settings, "validation_balanced_accuracy": value}
                                       for (settings, _), value in zip(heads, scores, strict=True)]
