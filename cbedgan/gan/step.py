"""One step of the GAN's training: a pure function of the state, the data and images_seen, shared by all ranks."""

import torch
from torch import Tensor, nn

from cbedgan.gan.adversarial import Sight, discriminator_step, generator_step
from cbedgan.gan.augmentation import adapted, make_augmentation, wins_by_shots
from cbedgan.gan.batch import draw_batch
from cbedgan.gan.ema import ema_decay, update_ema
from cbedgan.gan.optimiser import follow, update
from cbedgan.gan.state import State
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.foundation.ranks import Ranks
from classifier.statistics.metrics import SHOT_CLASSES


def take_step(state: State, config: TrainGanConfig, data: Data, ranks: Ranks) -> None:
    """Update both networks on one batch: the generated batch and the real logits of D's step serve G's step too.

    Every rank has its rows, in parts of at most micro_batch. Draws, and the divisors of means, are those of the whole
    batch, so that ranks and parts only change the order of a sum; after it all ranks hold the same state to the bit.

    Parameters
    ----------
    state : which changes
    config, data : of the training
    ranks : that share the batch
    """
    seen, batch, share = state.images_seen, config.batch, config.burnt_in(state.images_seen)
    draws, gamma = config.draws(seen), config.penalty.weight(seen // batch, share)
    follow(state.optimisers, config.optimiser, share)
    parts = draw_batch(draws, data, ranks.rows(batch)).parts(config.micro_batch)
    sights = [Sight(state.discriminator, make_augmentation(config.augmentation, data, draws, state.augment_probability,
                                                           part.rows), state.head_weights, batch) for part in parts]

    whole = len(parts) == 1  # else only one part's graph exists at a time, and G's step generates its part anew
    terms, logits_real = {}, []
    for part, sight in zip(parts, sights, strict=True):
        with torch.set_grad_enabled(whole):
            fake = state.generator(part.z, part.class_idx)
        own = discriminator_step(sight, part.real, fake, part.class_idx, gamma)
        logits_real.append(own.pop("logits_real"))
        own["wins"], own["pairs"] = wins_by_shots(logits_real[-1], own.pop("logits_fake"), data.shots[part.class_idx])
        terms = _sum(terms, own)
    ranks.add([*_gradients(state.discriminator), *terms.values()])
    skipped_d = update(state.optimisers["discriminator"], state.discriminator)

    terms_g = {}
    for part, sight, logits in zip(parts, sights, logits_real, strict=True):
        fake = fake if whole else state.generator(part.z, part.class_idx)
        terms_g = _sum(terms_g, generator_step(sight, fake, part.class_idx, logits))
    ranks.add([*_gradients(state.generator), *terms_g.values()])
    skipped_g = update(state.optimisers["generator"], state.generator)
    update_ema(state.generator_ema, state.generator, (1 - ema_decay(seen, batch, config.ema)) * (1 - skipped_g))

    wins, pairs = terms.pop("wins"), terms.pop("pairs")
    if config.augmentation.adaptive is not None:
        moved = adapted(state.augment_probability, wins, pairs, config.augmentation.adaptive)
        state.augment_probability = torch.where(skipped_d > 0, state.augment_probability, moved)
    by_shots = [{f"real_wins_{name}": values[k] for k, name in enumerate(SHOT_CLASSES)} for values in (wins, pairs)]
    state.count(terms | terms_g | by_shots[0] | {"skipped_discriminator": skipped_d, "skipped_generator": skipped_g},
                by_shots[1])
    state.skipped += torch.stack((skipped_d, skipped_g))
    state.images_seen += batch


def _gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def _sum(terms: dict[str, Tensor], more: dict[str, Tensor]) -> dict[str, Tensor]:
    """The sums of two parts' terms, by name."""
    return {name: terms[name] + value if terms else value for name, value in more.items()}
