"""One step: real stacks against crystals of their groups, drawn, moved and rendered; a function of images_seen."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cbedgan.gan.adversarial import Sight, discriminator_step, generator_step
from cbedgan.gan.augmentation import adapted, make_augmentation, wins_by_shots
from cbedgan.gan.batch import draw_batch
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.crystals.crystal_state import CrystalState
from cbedgan.gan.crystals.instrument import Exposed, Instrument
from cbedgan.gan.crystals.network.crystal_generator import size_of
from cbedgan.gan.crystals.network.moves import Moved, Moves, moved, nearness
from cbedgan.gan.crystals.prior import Prior
from cbedgan.gan.crystals.sight import Seen, of_pictures
from cbedgan.gan.ema import ema_decay, update_ema
from cbedgan.gan.optimiser import follow, update
from cbedgan.gan.training_data import Data
from classifier.foundation.ranks import Ranks
from classifier.statistics.metrics import SHOT_CLASSES


@dataclass(frozen=True, eq=False)
class CrystalData:
    """real: the train part; told: beside its pictures, on the scale of `seen`; prior, instrument: of generated ones."""

    real: Data
    told: Float[Tensor, "N TOLD"]
    seen: Seen
    prior: Prior
    instrument: Instrument


def take_step(state: CrystalState, config: TrainCrystalsConfig, data: CrystalData, ranks: Ranks) -> None:
    """Update both networks on one batch; every rank has its rows, and after it all hold the same state.

    A crystal that cannot be rendered gives way to the real stack of its pair, from which nothing is learnt.

    Parameters
    ----------
    state : which changes
    config, data : of the training
    ranks : that share the batch
    """
    seen, batch, share = state.images_seen, config.batch, config.burnt_in(state.images_seen)
    draws, gamma, rows = config.draws(seen), config.penalty.weight(seen // batch, share), ranks.rows(batch)
    follow(state.optimisers, config.optimiser, share)
    part = draw_batch(draws, data.real, rows)
    chosen = torch.from_numpy(draws.samples(data.real)[rows.start:rows.stop])
    told = data.told[chosen].to(part.real.device)
    crystals, moves = _crystals(state, config, data, part.z.cpu(), part.class_idx.tolist(), rows)
    exposed = data.instrument.expose(crystals, [f"{config.seed}-{seen}-{row}" for row in rows])
    real, fake = data.seen.joined(part.real, told), _fake(exposed, data.seen, part.real, told)
    sight = Sight(state.discriminator, of_pictures(make_augmentation(
        config.augmentation, data.real, draws, state.augment_probability, rows)), state.head_weights, batch)

    terms = discriminator_step(sight, real, fake, part.class_idx, gamma)
    logits_real, logits_fake = terms.pop("logits_real"), terms.pop("logits_fake")
    rendered = torch.tensor([one is not None for one in exposed], device=logits_real.device)
    if not rendered.any():
        state.discriminator.zero_grad()  # what rounding leaves of equal pairs would be a full step of Adam's
    lost = logits_real.new_full((), torch.inf)
    wins, pairs = wins_by_shots(torch.where(rendered[:, None], logits_real, lost), logits_fake,
                                data.real.shots[part.class_idx])
    terms |= {"left_out": (~rendered).sum().float()}
    ranks.add([*_gradients(state.discriminator), *terms.values(), wins, pairs])
    skipped_d = update(state.optimisers["discriminator"], state.discriminator)

    near = torch.stack([nearness(one, config.nearness.least) for one in crystals]).sum() / batch
    size = torch.stack([size_of(one, config.network.generator) for one in moves]).sum() / batch
    (config.nearness.weight * near + config.staying * size).backward(retain_graph=True)
    terms_g = generator_step(sight, fake, part.class_idx, logits_real) if rendered.any() else {}
    terms_g = {"loss_g": torch.zeros(()), **terms_g, "nearness": near.detach(), "moves": size.detach(),
               **_sizes(crystals, batch)}
    ranks.add([*_gradients(state.generator), *terms_g.values()])
    skipped_g = update(state.optimisers["generator"], state.generator)
    update_ema(state.generator_ema, state.generator, (1 - ema_decay(seen, batch, config.ema)) * (1 - skipped_g))

    if config.augmentation.adaptive is not None and not skipped_d:
        state.augment_probability = adapted(state.augment_probability, wins, pairs, config.augmentation.adaptive)
    counts = {f"real_wins_{name}": float(pairs[k]) for k, name in enumerate(SHOT_CLASSES)}
    won = {f"real_wins_{name}": float(wins[k]) for k, name in enumerate(SHOT_CLASSES)}
    state.left_out += int(terms["left_out"])
    state.count({name: float(value) for name, value in (terms | terms_g).items()} | won, counts)
    for name, skipped in (("discriminator", skipped_d), ("generator", skipped_g)):
        state.skipped[name] += int(skipped)
    state.images_seen += batch


def _crystals(state: CrystalState, config: TrainCrystalsConfig, data: CrystalData, z: Tensor, classes: list[int],
              rows: range) -> tuple[list[Moved], list[Moves]]:
    """Drawn and moved crystals of the classes, each row from a stream of its own, and their moves."""
    streams = [np.random.default_rng([config.seed, state.images_seen, row]) for row in rows]
    origins = [data.prior.draw(data.real.class_map.space_group(k), stream)
               for k, stream in zip(classes, streams, strict=True)]
    moves = state.generator(z, origins)
    return [moved(origin, one, stream.random(len(origin.elements)))
            for origin, one, stream in zip(origins, moves, streams, strict=True)], moves


def _fake(exposed: list[Exposed | None], seen: Seen, real: Tensor, told: Tensor) -> Tensor:
    pictures = [seen.intensity.normalise(one.stack) if one is not None else real[k] for k, one in enumerate(exposed)]
    beside = [seen.told(one.told[None])[0] if one is not None else told[k] for k, one in enumerate(exposed)]
    return seen.joined(torch.stack(pictures), torch.stack(beside))


@torch.no_grad()
def _sizes(crystals: list[Moved], batch: int) -> dict[str, Tensor]:
    """How far crystals move, means over the batch: atoms (angstrom), logarithm of the volume, elements that change."""
    far = [((one.sites - one.origin.sites) @ one.origin.lattice).norm(dim=1).mean() for one in crystals]
    grown = [torch.linalg.det(one.lattice).log() - torch.linalg.det(one.origin.lattice).log() for one in crystals]
    changed = [torch.tensor((one.number != one.origin.elements).mean()) for one in crystals]
    return {name: torch.stack(values).sum().float() / batch
            for name, values in (("shift_angstrom", far), ("growth", grown), ("changed_elements", changed))}


def _gradients(network: nn.Module) -> list[Tensor]:
    """Of all parameters that learn, so that all ranks have as many."""
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
