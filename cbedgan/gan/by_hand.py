"""The two steps of `adversarial` with fewer passes of the discriminator's trunk; the same gradients to rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from cbedgan.gan import adversarial
from cbedgan.gan.adversarial import Augmentation, relativistic_loss
from cbedgan.gan.networks import Discriminator
from cbedgan.gan.trunk import Trunk


def discriminator_step(discriminator: Discriminator, real: Tensor, fake: Tensor, class_idx: Tensor, *,
                       augmentation: Augmentation, weights: Tensor, gamma: float, penalise: bool,
                       batch: int) -> dict[str, Tensor]:
    """As `adversarial.discriminator_step`, with penalties in four passes of the trunk for six.

    What lies before the trunk (augmentation) and above it is autograd's: both cost little, and may change freely.
    """
    if not Trunk.fits(discriminator):
        return adversarial.discriminator_step(discriminator, real, fake, class_idx, augmentation=augmentation,
                                              weights=weights, gamma=gamma, penalise=penalise, batch=batch)
    inputs = tuple(x.detach().requires_grad_(penalise) for x in (real, fake))
    (real_seen, label), (fake_seen, _) = (augmentation(x, class_idx) for x in inputs)
    prepared = discriminator.prepare(torch.cat((real_seen, fake_seen)))
    trunk = Trunk(discriminator)
    top = trunk.forward(prepared.detach()).requires_grad_()
    logits = discriminator.judge(top, torch.cat((label, label)))[:, None]
    logits_real, logits_fake = logits.chunk(2)
    loss = relativistic_loss(logits_real, logits_fake, weights).sum() / batch
    terms = {"loss_d": loss.detach(), "logits_real": logits_real.detach(), "logits_fake": logits_fake.detach()}
    if not penalise:
        loss.backward()
        trunk.back(top.grad, weights=True)
        return terms
    at_top, = torch.autograd.grad(logits.sum(), top, create_graph=True)
    at_prepared = trunk.back(at_top.detach()).requires_grad_()
    at_inputs = torch.autograd.grad(prepared, inputs, at_prepared, create_graph=True)
    r1, r2 = (gradient.square().sum() / batch for gradient in at_inputs)
    direction, = torch.autograd.grad(gamma / 2 * (r1 + r2), at_prepared)
    of_logits, = torch.autograd.grad(loss, logits, retain_graph=True)
    tangent = trunk.along(_as_read(direction, prepared), of_logits)
    (loss + (at_top * tangent).sum()).backward()
    return terms | {"r1": r1.detach(), "r2": r2.detach()}


def generator_step(discriminator: Discriminator, fake: Tensor, class_idx: Tensor, logits_real: Tensor, *,
                   augmentation: Augmentation, weights: Tensor, batch: int) -> dict[str, Tensor]:
    """As `adversarial.generator_step`."""
    if not Trunk.fits(discriminator):
        return adversarial.generator_step(discriminator, fake, class_idx, logits_real, augmentation=augmentation,
                                          weights=weights, batch=batch)
    seen, label = augmentation(fake, class_idx)
    trunk, prepared = Trunk(discriminator), discriminator.prepare(seen)
    top = trunk.forward(prepared.detach()).requires_grad_()
    loss = relativistic_loss(discriminator.judge(top, label)[:, None], logits_real, weights).sum() / batch
    prepared.backward(trunk.back(*torch.autograd.grad(loss, top)))
    return {"loss_g": loss.detach()}


def _as_read(direction: Tensor, prepared: Tensor) -> Tensor:
    """The direction, laid out in memory as the trunk's input: convolutions keep to the layout they are given."""
    return torch.empty_like(prepared).copy_(direction)
