"""Training of a head alone: features of the training stacks under a frozen body, drawn with all classes alike; perhaps
added ones beside them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from classifier.foundation.config import Config, added, parse_config
from classifier.network.stack_classifier import StackClassifier
from classifier.pattern.augment import AnyAugmentation, AugmentConfig
from classifier.prediction.predict import PREDICT_AT_ONCE, TrainedClassifier, predict_features
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement
from classifier.training.losses import class_prior, cross_entropy
from classifier.training.sampling import PowerSampler, Strata
from classifier.training.train_config import AnyMeasurement


class HeadTraining(Config):
    """views: augmented copies of each training stack whose features are kept, augmented as in the body's training;
    images, batch: features seen in all and in a step; learning_rate: its peak, falling to zero along a cosine;
    momentum, weight_decay: of stochastic gradient descent; synthetic_share: of a step, where a file of added stacks is
    given."""

    views: Annotated[int, Field(ge=1)] = 8
    images: Annotated[int, Field(ge=1)] = 65536
    batch: Annotated[int, Field(ge=1)] = 512
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    synthetic_share: Annotated[float, Field(gt=0, lt=1)] = added(0.25)


class _Seen(Config):
    augment: AnyAugmentation = AugmentConfig()
    measurement: AnyMeasurement | None = None


@dataclass(frozen=True)
class FrozenFeatures:
    """Features float32 [V, N, F] of V views of N training stacks, their soft labels [V, N, K], and how to draw them."""

    features: Tensor
    target: Tensor
    strata: Strata

    @classmethod
    def of(cls, model: StackClassifier, samples: StackSet, *, views: int, seed: int, trained: TrainedClassifier
           ) -> "FrozenFeatures":
        """Run the body, wherever it lies, over augmented copies of the samples.

        Parameters
        ----------
        model, trained : the body, and the classifier whose body it is
        samples, views : of training, and how many copies of each, augmented as in the body's training
        seed : of the augmentation
        """
        augment = parse_config({"augment": training_record(trained)["augment"]}, _Seen,
                               source="the classifier's training").augment
        measurement = measurement_of(trained)
        features, target = [], []
        for number in range(views):
            generator = torch.Generator().manual_seed(
                int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1))
            for rows in torch.arange(len(samples)).split(PREDICT_AT_ONCE):
                x = samples.x[rows]
                if measurement is not None:
                    x = measurement.of(x, samples.sample_id[rows.numpy()], draw=number)
                x, label = augment.applied(x, samples.soft_label[rows], generator, trained.class_map)
                pose = None if samples.pose is None else samples.pose[rows]
                features.append(torch.from_numpy(predict_features(model, x, pose)))
                target.append(label)
        shape = views, len(samples), -1
        return cls(torch.cat(features).reshape(shape), torch.cat(target).reshape(shape),
                   Strata.build(samples.class_idx.numpy(), samples.material))

    def draw(self, views: Tensor, *, seed: int | list[int], images_seen: int, power: float) -> tuple[Tensor, Tensor]:
        """Features [n, F] and labels [n, K] of these views of n stacks, drawn with p(class) ~ (materials)^power.

        Parameters
        ----------
        views : int [n]
        seed, images_seen : of the draw
        power : of the classes' numbers of materials
        """
        classes = self.strata.class_probability(PowerSampler(power=power))
        rows = torch.from_numpy(self.strata.draw_by(classes, batch=len(views), seed=seed, images_seen=images_seen))
        return self.features[views, rows], self.target[views, rows]

    def class_shares(self, power: float) -> Tensor:
        """Share of each class [K] in the labels of such draws."""
        probability = self.strata.sample_probability(self.strata.class_probability(PowerSampler(power=power)))
        return torch.from_numpy(probability).float() @ self.target.mean(0)


def mixed_prior(config: HeadTraining, frozen: FrozenFeatures, beside: FrozenFeatures) -> Tensor:
    """Frequencies [K] of the classes in steps that hold added features too; none is zero."""
    share = round(config.synthetic_share * config.batch) / config.batch
    mixed = (1 - share) * frozen.class_shares(0.0) + share * beside.class_shares(1.0)
    return class_prior(mixed, smallest=float(mixed[mixed > 0].min()) / 2)


def training_record(trained: TrainedClassifier) -> dict[str, Any]:
    """The configuration of the training that a classifier, perhaps mended since, comes from."""
    record = trained.provenance
    while "training" in record:  # mended more than once
        record = record["training"]
    return record["config"]


def measurement_of(trained: TrainedClassifier) -> Measurement | None:
    """The measurement whose copies a classifier learned from; None where the stacks were as they are."""
    content = training_record(trained).get("measurement")
    config = parse_config({"measurement": content}, _Seen, source="the classifier's training").measurement
    return None if config is None else Measurement(config, trained.intensity, grid=trained.frame.grid)


def train_head(config: HeadTraining, frozen: FrozenFeatures, parameters: list[Tensor], head: Callable[[Tensor], Tensor],
               seed: int, beside: FrozenFeatures | None = None) -> None:
    """Fit parameters of a head by cross-entropy; every class is drawn equally often, its materials equally often.

    Added features take their share of each step, all their materials alike. Classes are then no longer alike, and the
    loss is adjusted by the prior of the mixture. Such heads are those of LDMLR (Han et al. 2024, arXiv 2404.04517),
    which draws the features themselves.

    Parameters
    ----------
    config, seed : steps and optimiser; seed of the draw
    frozen : features and their labels
    parameters, head : what is fitted, and features [B, F] -> logits [B, K], which depends on it
    beside : features of added stacks, and their labels
    """
    log_prior = 0.0 if beside is None else mixed_prior(config, frozen, beside).log()
    optimiser = torch.optim.SGD(parameters, lr=config.learning_rate, momentum=config.momentum,
                                weight_decay=config.weight_decay)
    for images_seen in range(0, config.images, config.batch):
        views = torch.from_numpy(np.random.default_rng([seed, images_seen, 1]).integers(
            len(frozen.features), size=config.batch))
        if beside is None:
            x, target = frozen.draw(views, seed=seed, images_seen=images_seen, power=0.0)
            loss = cross_entropy(head(x), target).mean()
        else:
            count = round(config.synthetic_share * config.batch)
            drawn = [beside.draw(views[:count], seed=[2 * seed + 1, 1], images_seen=images_seen, power=1.0),
                     frozen.draw(views[count:], seed=seed, images_seen=images_seen, power=0.0)]
            x, target = map(torch.cat, zip(*drawn, strict=True))
            loss = cross_entropy(head(x) + log_prior, target).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * images_seen / config.images))
        optimiser.step()
