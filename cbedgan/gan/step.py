"""One step of the GAN's training: a pure function of the state, the data and images_seen, shared by all ranks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cbedgan.gan.adaptive import adapted, wins_by_shots
from cbedgan.gan.adversarial import noisy, twins_loss, update
from cbedgan.gan.batch import Batch, draw_batch, draw_twins, make_augmentation, sent
from cbedgan.gan.by_hand import discriminator_step, generator_step
from cbedgan.gan.ema import ema_decay, update_ema
from cbedgan.gan.network.diffraction_generator import DiffractionGenerator
from cbedgan.gan.network.networks import Generator
from cbedgan.gan.state import State
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.foundation.ranks import Ranks
from classifier.statistics.metrics import SHOT_CLASSES


def take_step(state: State, config: TrainGanConfig, data: Data, ranks: Ranks) -> None:
    """Update both networks on one batch: the generated batch and the real logits of D's step serve G's step too.

    Every rank has its rows, in parts of at most micro_batch. Draws, and the divisors of means, are those of the whole
    batch, so that ranks and parts only change the order of a sum; after it all ranks hold the same state to the bit.
    """
    seen, share = state.images_seen, state.images_seen / max(1.0, config.burn_in_share * config.images)
    state.follow(learning_rate=config.learning_rate.at(share), generator_rate=config.generator_rate,
                 beta2=config.beta2.at(share))
    parts = draw_batch(config, data, seen, ranks.rows(config.batch)).parts(config.micro_batch)
    augmentations = [make_augmentation(config, data, state.augment_probability, seen, part.rows) for part in parts]
    how = {"weights": state.head_weights, "batch": config.batch}
    penalty = {"gamma": config.gamma.at(share) * config.penalty_every,
               "penalise": (seen // config.batch) % config.penalty_every == 0}

    whole = len(parts) == 1  # else only one part's graph is held at a time, and G's step generates its part anew
    terms, logits_real = {}, []
    for part, augmentation in zip(parts, augmentations, strict=True):
        with torch.set_grad_enabled(whole):
            fake = _generate(state.generator, part)
        found = discriminator_step(state.discriminator, part.real, fake, part.class_idx, augmentation=augmentation,
                                   **how, **penalty)
        logits_real.append(found.pop("logits_real"))
        found["wins"], found["pairs"] = wins_by_shots(logits_real[-1], found.pop("logits_fake"),
                                                      data.shots[part.class_idx])
        terms = _sum(terms, found)
    ranks.add([*_gradients(state.discriminator), *terms.values()])
    skipped_d = update(state.optimisers["discriminator"], state.discriminator)

    terms_g = {}
    for part, augmentation, logits in zip(parts, augmentations, logits_real, strict=True):
        fake = fake if whole else _generate(state.generator, part)
        terms_g = _sum(terms_g, generator_step(state.discriminator, fake, part.class_idx, logits,
                                               augmentation=augmentation, **how))
    if config.twins_weight:
        # It needs all its pairs at once, and but the small mapping network: every rank takes an equal share of it.
        twins = twins_loss(state.generator, *draw_twins(config, data, seen), config.twins_decorrelation)
        (config.twins_weight / ranks.count * twins).backward()
        terms["twins"] = twins.detach()
    ranks.add([*_gradients(state.generator), *terms_g.values()])
    skipped_g = update(state.optimisers["generator"], state.generator)
    update_ema(state.generator_ema, state.generator, ema_decay(
        seen, batch=config.batch, half_life_images=config.ema_half_life_images, ramp_up=config.ema_ramp_up), skipped_g)

    wins, pairs = terms.pop("wins"), terms.pop("pairs")
    if config.adaptive is not None:
        moved = adapted(state.augment_probability, wins, pairs, config.adaptive)
        state.augment_probability = torch.where(skipped_d > 0, state.augment_probability, moved)
    by_shots = [{f"real_wins_{name}": values[k] for k, name in enumerate(SHOT_CLASSES)} for values in (wins, pairs)]
    state.count(terms | terms_g | by_shots[0] | {"skipped_discriminator": skipped_d, "skipped_generator": skipped_g},
                by_shots[1])
    state.skipped += torch.stack((skipped_d, skipped_g))
    state.images_seen += config.batch


def _generate(generator: Generator | DiffractionGenerator, part: Batch) -> Tensor:
    """The stacks x^ [n, C, *spatial] of a part's latents and classes, of the forms of its real stacks."""
    device = part.z.device
    layout = None if part.form is None else generator.layout(part.form).to(device)
    e = generator.embed(part.class_idx, None if part.form is None else sent(part.form, device))
    return generator.synthesise(generator.mapping(part.z, noisy(e, part.noise)), layout)


def _gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def _sum(terms: dict[str, Tensor], more: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sums of two parts' terms, by name."""
    return {name: terms[name] + value if terms else value for name, value in more.items()}
