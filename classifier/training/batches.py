"""Batches of a training: sources of samples, the draw for any number of images seen, and the class sizes it implies."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.samples.dataset import StackSet, sent
from classifier.stream.copies import Copies
from classifier.training.losses import ClassSizes, class_prior
from classifier.training.sampling import Sampler, Strata
from classifier.training.train_config import TrainClassifierConfig


@dataclass(frozen=True)
class Source:
    """Training samples on the device, how they are drawn, and the weight of each in the loss.

    copies: of the samples, for a network that takes its fixed features once; share: of each batch, where it is neither
    the first source, which has what others leave, nor an added file, whose share the configuration states.
    """

    samples: StackSet
    strata: Strata
    class_probability: np.ndarray  # float64 [K]
    weight: float
    copies: Copies | None = None
    share: float | None = None

    @classmethod
    def build(cls, samples: StackSet, *, sampler: Sampler, weight: float, device: torch.device) -> "Source":
        """Order the samples for drawing, by this sampler, and move them to the device; weight: of each in the loss."""
        strata = Strata.build(samples.class_idx.numpy(), samples.material)
        return cls(samples.to(device), strata, strata.class_probability(sampler), weight)

    def target_share(self) -> np.ndarray:
        """Share of each class in the targets of a draw, float64 [K]; a soft label counts where its shares lie."""
        return self.strata.sample_probability(self.class_probability) @ self.samples.soft_label.cpu().double().numpy()


class Stated(NamedTuple):
    """What the loss is told of a source without end, whose stacks are not there yet.

    share: of each batch; weight: of a stack in the loss; target: share of each class [K], sum 1; materials: that the
    training will draw of each class [K].
    """

    share: float
    weight: float
    target: Float[np.ndarray, " K"]
    materials: Float[np.ndarray, " K"]


def draw_batch(config: TrainClassifierConfig, sources: list[Source], images_seen: int, rows: range
               ) -> tuple[Tensor, Tensor, Tensor]:
    """Samples x [len(rows), C, H, W] at `rows` of a batch, and soft labels [B, K] and weights [B] of the whole batch.

    An added source gives its exact share over time.

    Parameters
    ----------
    config, images_seen : on the seed and the images seen depends the draw
    sources : the real samples, then the added ones
    rows : of the batch, whose samples are wanted
    """
    x, target, weight = [], [], []
    for number, source in enumerate(sources):
        drawn = sent(_drawn(config, sources, number, images_seen), source.samples.device)
        x.append(source.samples.gather(partial(_drawn_at, config, sources, number, images_seen, rows)))
        target.append(source.samples.soft_label[drawn])
        weight.append(torch.full((len(drawn),), source.weight, device=drawn.device))
    return torch.cat(x), torch.cat(target), torch.cat(weight)


def draw_copies(config: TrainClassifierConfig, sources: list[Source], images_seen: int, rows: range, *,
                generator: torch.Generator, class_map: ClassMap) -> tuple[Tensor, Tensor, Tensor]:
    """Copies [len(rows), C, F] of the samples that draw_batch gives, and labels [B, K] and weights [B] of the batch.

    Parameters
    ----------
    config, sources, images_seen, rows : as in draw_batch; every source has copies
    generator, class_map : draws the copies; of the labels, which mirror images may change
    """
    seen, target, weight, before = [], [], [], 0
    for number, source in enumerate(sources):
        drawn = sent(_drawn(config, sources, number, images_seen), source.samples.device)
        own = slice(max(0, rows.start - before), max(0, rows.stop - before))
        assert source.copies is not None
        copies, labels = source.copies.draw(drawn, source.samples.soft_label[drawn], generator, class_map, own)
        seen.append(copies)
        target.append(labels)
        weight.append(torch.full((len(drawn),), source.weight, device=drawn.device))
        before += len(drawn)
    return torch.cat(seen), torch.cat(target), torch.cat(weight)


def draw_beside(config: TrainClassifierConfig, sources: list[Source], images_seen: int, rows: range
                ) -> tuple[Tensor | None, Tensor | None]:
    """Pose features [len(rows), 9] and task targets [len(rows), T] of the samples that draw_batch gives at `rows`.

    None for what the network does not want.
    """
    if sources[0].samples.pose is None and sources[0].samples.task_target is None:
        return None, None
    drawn = [sent(_drawn_at(config, sources, number, images_seen, rows, 0), source.samples.device)
             for number, source in enumerate(sources)]
    columns = zip(*((source.samples.pose, source.samples.task_target) for source in sources), strict=True)
    pose, wanted = (None if beside[0] is None else torch.cat([values[rows] for values, rows in zip(
        beside, drawn, strict=True)]) for beside in columns)
    return pose, wanted


def _drawn_at(config: TrainClassifierConfig, sources: list[Source], number: int, images_seen: int, rows: range,
              later: int) -> np.ndarray:
    """Samples of the numbered source at `rows` of the batch that is drawn `later` steps after images_seen."""
    images_seen += later * config.batch
    drawn = _drawn(config, sources, number, images_seen)
    before = sum(len(_drawn(config, sources, k, images_seen)) for k in range(number))  # it stands behind the others
    return drawn[max(0, rows.start - before) : max(0, rows.stop - before)]


def _drawn(config: TrainClassifierConfig, sources: list[Source], number: int, images_seen: int) -> np.ndarray:
    """Samples int64 [n] of the numbered source in the batch drawn for images_seen."""
    shares = [config.added_share(images_seen) if source.share is None else source.share for source in sources[1:]]
    added = [int((images_seen + config.batch) * share) - int(images_seen * share) for share in shares]
    source, count = sources[number], added[number - 1] if number else config.batch - sum(added)
    # Seeds differ between sources and, for the first two, between seeds next to each other.
    seed = 2 * config.seed + number if number < 2 else [2 * config.seed, number]
    return source.strata.draw_by(source.class_probability, batch=count, seed=seed, images_seen=images_seen)


def class_sizes(config: TrainClassifierConfig, sources: list[Source], endless: Stated | None = None, *,
                images_seen: int = 0) -> ClassSizes:
    """Sizes of the classes that the loss sees; a class without samples counts as half of the rarest.

    sources: the real samples, and perhaps those of an added file; endless: what comes without end beside them;
    images_seen: batches are mixed as the one that is drawn then.
    """
    share = config.added_share(images_seen)
    sources = sources if share else sources[:1]
    shares = [share] * (len(sources) - 1) + ([] if endless is None else [endless.share])
    probability = sources[0].target_share()
    if shares:
        probability = (1 - sum(shares)) * probability
    if len(sources) > 1:
        probability = probability + share * config.synthetic_weight * sources[1].target_share()
    if endless is not None:
        probability = probability + endless.share * endless.weight * endless.target
    prior = class_prior(torch.from_numpy(probability).float(), smallest=float(probability[probability > 0].min()) / 2)
    materials = np.zeros(len(prior), dtype=np.float32)
    for source in sources:
        materials[:len(source.strata.class_size)] += source.weight * source.strata.class_size
    if endless is not None:
        materials += (endless.weight * endless.materials).astype(np.float32)
    return ClassSizes(prior, torch.from_numpy(np.maximum(materials, 1)))
