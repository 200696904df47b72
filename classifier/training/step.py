"""One step of the classifier's training: a batch, cut into parts and shared by ranks, whose gradients are one."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.ranks import Ranks
from classifier.network.batch_draws import place_rows
from classifier.pattern.augment import mix
from classifier.samples.measured_samples import Measurement
from classifier.training.batches import Source, draw_batch, draw_beside, draw_copies
from classifier.training.losses import ClassSizes
from classifier.training.state import State
from classifier.training.train_config import TrainClassifierConfig, learning_rate


def step(state: State, config: TrainClassifierConfig, sources: list[Source], sizes: ClassSizes,
         class_map: ClassMap, ranks: Ranks, measurement: Measurement | None = None) -> Tensor:
    """Update the network on the batch drawn for state.images_seen; return the batch's loss, which may not be finite.

    Every rank knows the labels of the whole batch and has the samples of its own rows. Random numbers are drawn, and
    weights are normalised, for the whole batch, so that ranks and micro-batches only change the order of a sum.

    Parameters
    ----------
    state : networks and optimiser, which the step changes
    config, ranks : of the training, and who shares the batch
    sources : the real samples, then the added ones
    sizes, class_map : of the classes, for the loss; of the labels
    measurement : of which each stack of the batch is a new copy; None: the stacks are as they are. A network that takes
        fixed features sees the copies that its sources hold
    """
    seed = int(np.random.SeedSequence([config.seed, state.images_seen]).generate_state(1, np.uint64)[0] >> 1)
    own = ranks.rows(config.batch)
    rows = range(config.batch) if config.mixup_alpha else own  # mixup needs the partners too
    draws = torch.Generator().manual_seed(seed)
    if state.model.takes_fixed:
        x, target, weight = draw_copies(config, sources, state.images_seen, rows, generator=draws, class_map=class_map)
    else:
        x, target, weight = draw_batch(config, sources, state.images_seen, rows)
        if measurement is not None:
            seen = measurement.of(x, rows, draw=state.images_seen)
            if config.ideal_share:
                ideal = torch.rand(config.batch, generator=draws)[rows.start : rows.stop] < config.ideal_share
                seen = torch.where(ideal.to(x.device).view(-1, *[1] * (x.dim() - 1)), x, seen)
            x = seen
        x, target = config.augment.applied(x, target, draws, class_map, rows)
    if config.mixup_alpha:
        x, target = mix(x, target, np.random.default_rng([seed, 1]), config.mixup_alpha)
        x = x[own.start : own.stop]
    done = state.images_seen / config.images
    pose, wanted = draw_beside(config, sources, state.images_seen, own)
    share = weight / weight.sum()  # of the tasks' losses, which know no classes
    weight = weight * config.loss.sample_weights(target, sizes, done)

    state.optimiser.zero_grad(set_to_none=True)
    loss = torch.zeros((), device=x.device)
    for part in _parts(own, config.micro_batch):
        torch.manual_seed(seed)
        place_rows(state.model, part.start, config.batch)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            here = slice(part.start - own.start, part.stop - own.start)
            logits, output = state.model.with_tasks(x[here], None if pose is None else pose[here])
        losses = config.loss.losses(logits, target[part.start : part.stop], sizes, done)
        part_loss = (losses * weight[part.start : part.stop]).sum() / weight.sum()
        if (tasks := state.model.tasks) is not None and output is not None and wanted is not None:
            part_loss = tasks.join(part_loss, output, wanted[here], share[part.start : part.stop])
        part_loss.backward()
        loss += part_loss.detach()
    ranks.add([*(p.grad for p in state.model.parameters() if p.grad is not None), loss])
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.gradient_clip)
    moved = 1 - 0.5 ** (config.batch / config.ema_half_life_images) if config.ema_half_life_images else 0.0
    state.update(loss=loss, norm=norm, learning_rate=learning_rate(config, state.images_seen), average_weight=moved)
    return loss


def _parts(rows: range, size: int | None) -> Iterator[range]:
    """Cut rows of a batch into runs of at most `size`; None: into one."""
    size = size or len(rows)
    return (rows[start : start + size] for start in range(0, len(rows), size))
