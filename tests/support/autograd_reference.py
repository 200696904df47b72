"""Both steps of `cbedgan.gan.adversarial` as autograd takes them: what the passes by hand are measured against."""

import torch
from torch import Tensor

from cbedgan.gan.adversarial import Sight, relativistic_loss


def gradient_penalty(logit: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """|d logit / d x|^2 for each x [B, ...] of `inputs`, [B] each; logit [any] must depend on each sample alone."""
    gradients = torch.autograd.grad(logit.sum(), inputs, create_graph=True)
    return tuple(gradient.square().flatten(1).sum(1) for gradient in gradients)


def discriminator_step(sight: Sight, real: Tensor, fake: Tensor, class_idx: Tensor,
                       gamma: float | None) -> dict[str, Tensor]:
    """As `adversarial.discriminator_step`."""
    discriminator, augmentation, weights, batch = sight
    real, fake = (x.detach().requires_grad_(gamma is not None) for x in (real, fake))
    (real_seen, label), (fake_seen, _) = augmentation(real, class_idx), augmentation(fake, class_idx)
    logits = discriminator(torch.cat((real_seen, fake_seen)), torch.cat((label, label)))
    logits_real, logits_fake = logits.chunk(2)
    loss = relativistic_loss(logits_real, logits_fake, weights).sum() / batch
    terms = {"loss_d": loss.detach(), "logits_real": logits_real.detach(), "logits_fake": logits_fake.detach()}
    if gamma is not None:
        r1, r2 = (penalty.sum() / batch for penalty in gradient_penalty(logits @ weights, (real, fake)))
        loss = loss + gamma / 2 * (r1 + r2)
        terms |= {"r1": r1.detach(), "r2": r2.detach()}
    loss.backward()
    return terms


def generator_step(sight: Sight, fake: Tensor, class_idx: Tensor, logits_real: Tensor) -> dict[str, Tensor]:
    """As `adversarial.generator_step`."""
    discriminator, augmentation, weights, batch = sight
    trained = [parameter for parameter in discriminator.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    loss = relativistic_loss(discriminator(*augmentation(fake, class_idx)), logits_real, weights).sum() / batch
    loss.backward()
    for parameter in trained:
        parameter.requires_grad_(True)
    return {"loss_g": loss.detach()}
