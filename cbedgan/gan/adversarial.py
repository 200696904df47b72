"""The method on one page: the within-class relativistic loss with R1 and R2, one discriminator and one generator step.

With a real x and a generated x^ = G(z, c) of the same class c, and l = D(., c) (arXiv 1807.00734, 2501.05441):
    L_D = E softplus(l(x^) - l(x)) + (gamma / 2) E[ |grad l(x)|^2 + |grad l(x^)|^2 ],   L_G = E softplus(l(x) - l(x^)).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from cbedgan.gan.network.diffraction_generator import DiffractionGenerator
from cbedgan.gan.network.networks import Discriminator, Generator

Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x, class_idx) -> (x, class_idx), differentiable, with the same draws at every call of one step."""


def relativistic_loss(winner: Tensor, loser: Tensor, head_weights: Tensor) -> Tensor:
    """softplus(-(winner - loser)) of paired logits [B, heads], heads weighted and summed; [B]."""
    return functional.softplus(loser - winner) @ head_weights


def gradient_penalty(logit: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """|d logit / d x|^2 for each x [B, ...] of `inputs`, [B] each; logit [any] must depend on each sample alone.

    Taken with a graph, at the inputs as they were before augmentation, so the penalty acts through it.
    """
    gradients = torch.autograd.grad(logit.sum(), inputs, create_graph=True)
    return tuple(gradient.square().flatten(1).sum(1) for gradient in gradients)


def head_weights(heads: int, unconditional_weight: float, device: torch.device) -> Tensor:
    """Weights [heads] of the class head and the class-blind head: (1, alpha) / (1 + alpha) (UTLO, arXiv 2402.17065)."""
    if heads == 1:
        return torch.ones(1, device=device)
    return torch.tensor([1.0, unconditional_weight], device=device) / (1 + unconditional_weight)


def discriminator_step(discriminator: Discriminator, real: Tensor, fake: Tensor, class_idx: Tensor, *,
                       augmentation: Augmentation, weights: Tensor, gamma: float, penalise: bool,
                       batch: int) -> dict[str, Tensor]:
    """Add the gradients of L_D to the discriminator's; return its terms and the logits of real and fake [B, heads].

    real, fake [B, C, *spatial] pair up by index and share class_idx [B]. gamma already holds the factor k of a
    penalty that acts at every k-th step only. batch: pairs of the whole batch, of which these B may be a part: terms
    and gradients of its parts add up to those of the whole.
    """
    real, fake = (x.detach().requires_grad_(penalise) for x in (real, fake))
    (real_seen, label), (fake_seen, _) = augmentation(real, class_idx), augmentation(fake, class_idx)
    logits = discriminator(torch.cat((real_seen, fake_seen)), torch.cat((label, label)))
    logits_real, logits_fake = logits.chunk(2)
    loss = relativistic_loss(logits_real, logits_fake, weights).sum() / batch
    terms = {"loss_d": loss.detach(), "logits_real": logits_real.detach(), "logits_fake": logits_fake.detach()}
    if penalise:
        r1, r2 = (penalty.sum() / batch for penalty in gradient_penalty(logits @ weights, (real, fake)))
        loss = loss + gamma / 2 * (r1 + r2)
        terms |= {"r1": r1.detach(), "r2": r2.detach()}
    loss.backward()
    return terms


def generator_step(discriminator: Discriminator, fake: Tensor, class_idx: Tensor, logits_real: Tensor, *,
                   augmentation: Augmentation, weights: Tensor, batch: int) -> dict[str, Tensor]:
    """Add the gradients of L_G to those of the generator behind `fake`; return its terms.

    logits_real [B, heads] come from the discriminator step: no real sample is judged twice. The discriminator gets no
    gradient. batch: as in `discriminator_step`.
    """
    trained = [parameter for parameter in discriminator.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    loss = relativistic_loss(discriminator(*augmentation(fake, class_idx)), logits_real, weights).sum() / batch
    loss.backward()
    for parameter in trained:
        parameter.requires_grad_(True)
    return {"loss_g": loss.detach()}


def twins_loss(generator: Generator | DiffractionGenerator, z: Tensor, class_idx: Tensor, noise: tuple[Tensor, Tensor],
               form: Tensor | None, decorrelation: float) -> Tensor:
    """Pull two w of the same z and class but other class noise together, and the components of w apart; 0-d.

    With C the correlation matrix of both batches of w: sum_i (1 - C_ii)^2 + mu sum_{i != j} C_ij^2 (NoisyTwins,
    arXiv 2304.05866). z [B, latent_dim]; noise: two tensors [B, embedding_dim] added to e(class); form: of both.
    """
    e = generator.embed(class_idx, form)
    first, second = (_standardise(generator.mapping(z, noisy(e, eps))[:, : generator.mapping_dim]) for eps in noise)
    correlation = first.T @ second / len(z)
    diagonal = correlation.diagonal()
    off_diagonal = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + decorrelation * off_diagonal


def noisy(e: Tensor, noise: Tensor) -> Tensor:
    """e [B, E] with class noise [B, embedding_dim] on the class's part, with which e begins."""
    return e + functional.pad(noise, (0, e.shape[1] - noise.shape[1]))


def update(optimiser: torch.optim.Adam, network: nn.Module) -> Tensor:
    """Take one optimiser step, or none when any gradient is not finite; return 1.0 for a skipped step, else 0.0.

    The decision stays on the device: a fused Adam reads `found_inf` there, so nothing waits for the host.
    """
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    skipped = (~torch.isfinite(torch.nn.utils.get_total_norm(gradients))).float()
    optimiser.found_inf = skipped
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return skipped


def _standardise(w: Tensor) -> Tensor:
    return (w - w.mean(0)) / (w.std(0, unbiased=False) + 1e-5)
