"""The method on one page: the within-class relativistic loss with R1 and R2, one discriminator and one generator step.

With a real x and a generated x^ = G(z, c) of the same class c, and l = D(., c) (arXiv 1807.00734, 2501.05441):
    L_D = E softplus(l(x^) - l(x)) + (gamma / 2) E[ |grad l(x)|^2 + |grad l(x^)|^2 ],   L_G = E softplus(l(x) - l(x^)).

Both steps pass the discriminator's trunk by hand (see `network.trunk`): with penalties it takes four passes, where
autograd takes six. Augmentation before the trunk and the heads above it are autograd's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from cbedgan.gan.network.discriminator import Discriminator
from cbedgan.gan.network.trunk import trunks
from cbedgan.gan.schedule import Schedule
from classifier.foundation.config import Config

Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x, class_idx) -> (x, class_idx), differentiable, with the same draws at every call of one step."""


class PenaltyConfig(Config):
    """gamma: weight of R1 and R2; every: they act at every k-th step, times k."""

    gamma: Schedule
    every: Annotated[int, Field(ge=1)] = 4


def relativistic_loss(winner: Float[Tensor, "B heads"], loser: Float[Tensor, "B heads"],
                      head_weights: Float[Tensor, " heads"]) -> Float[Tensor, " B"]:
    """softplus(-(winner - loser)) of paired logits, heads weighted and summed."""
    return functional.softplus(loser - winner) @ head_weights


def head_weights(heads: int, unconditional_weight: float, device: torch.device) -> Float[Tensor, " heads"]:
    """Weights of the class head and the class-blind head: (1, alpha) / (1 + alpha) (UTLO, arXiv 2402.17065)."""
    if heads == 1:
        return torch.ones(1, device=device)
    return torch.tensor([1.0, unconditional_weight], device=device) / (1 + unconditional_weight)


def discriminator_step(discriminator: Discriminator, real: Float[Tensor, "B C *spatial"],
                       fake: Float[Tensor, "B C *spatial"], class_idx: Int[Tensor, " B"], *,
                       augmentation: Augmentation, weights: Tensor, gamma: float, penalise: bool,
                       batch: int) -> dict[str, Tensor]:
    """Add the gradients of L_D to the discriminator's; return its terms and the logits of real and fake [B, heads].

    Parameters
    ----------
    discriminator : network that gets the gradients
    real, fake : samples, paired by index
    class_idx : of each pair
    augmentation : of both; penalties are taken at the inputs as they were before it, so that they act through it
    weights : [heads], see `head_weights`
    gamma : weight of the penalties; it already holds the factor k of penalties that act at every k-th step only
    penalise : whether R1 and R2 act at this step
    batch : pairs of the whole batch; terms and gradients of its parts add up to those of the whole
    """
    inputs = tuple(x.detach().requires_grad_(penalise) for x in (real, fake))
    (real_seen, label), (fake_seen, _) = (augmentation(x, class_idx) for x in inputs)
    way = _Way(discriminator, torch.cat((real_seen, fake_seen)), torch.cat((label, label)))
    logits_real, logits_fake = way.logits.chunk(2)
    loss = relativistic_loss(logits_real, logits_fake, weights).sum() / batch
    terms = {"loss_d": loss.detach(), "logits_real": logits_real.detach(), "logits_fake": logits_fake.detach()}
    if not penalise:
        loss.backward()
        way.back(way.at_ends(), weights=True)
        return terms
    at_ends = torch.autograd.grad((way.logits @ weights).sum(), way.ends, create_graph=True)
    at_prepared = way.back([end.detach() for end in at_ends]).requires_grad_()
    at_inputs = torch.autograd.grad(way.prepared, inputs, at_prepared, create_graph=True)
    r1, r2 = (gradient.square().sum() / batch for gradient in at_inputs)
    direction, = torch.autograd.grad(gamma / 2 * (r1 + r2), at_prepared)
    of_logits, = torch.autograd.grad(loss, way.logits, retain_graph=True)
    way.finish(loss, at_ends, direction, of_logits[:, 0] / weights[0])
    return terms | {"r1": r1.detach(), "r2": r2.detach()}


def generator_step(discriminator: Discriminator, fake: Float[Tensor, "B C *spatial"], class_idx: Int[Tensor, " B"],
                   logits_real: Float[Tensor, "B heads"], *, augmentation: Augmentation, weights: Tensor,
                   batch: int) -> dict[str, Tensor]:
    """Add the gradients of L_G to those of the generator behind `fake`; return its terms.

    Parameters
    ----------
    discriminator : network that gets no gradient
    fake : samples with the generator's graph
    class_idx : of each sample
    logits_real : from the discriminator's step, so that no real sample is looked at twice
    augmentation, weights, batch : as in `discriminator_step`
    """
    way = _Way(discriminator, *augmentation(fake, class_idx))
    loss = relativistic_loss(way.logits, logits_real, weights).sum() / batch
    way.prepared.backward(way.back(torch.autograd.grad(loss, way.ends)))
    return {"loss_g": loss.detach()}


class _Way:
    """The way of samples x [B, C, *spatial] to logits [B, heads].

    ends: where the heads begin, leaves of their graph: the trunk's end, and the class-blind head's stage if it has one.
    """

    def __init__(self, discriminator: Discriminator, x: Tensor, label: Tensor) -> None:
        self.fine, self.coarse = trunks(discriminator)
        self.prepared = discriminator.prepare(x)
        middle = self.fine.forward(self.prepared.detach())
        top = self.coarse.forward(middle)
        self.ends = [end.detach().requires_grad_() for end in ((top, middle) if self.fine.layers else (top,))]
        self.logits = discriminator.heads(label, *self.ends)

    def at_ends(self) -> list[Tensor]:
        """Gradients that the heads have left at the ends."""
        return [end.grad for end in self.ends if end.grad is not None]

    def back(self, at_ends: Sequence[Tensor], *, weights: bool = False) -> Tensor:
        """Gradients at the ends -> gradient at `prepared`; with `weights` adds the trunk's own."""
        self.at_middle = self.coarse.back(at_ends[0], weights=weights)
        return self.fine.back(self.at_middle + at_ends[1] if self.fine.layers else self.at_middle, weights=weights)

    def finish(self, loss: Tensor, at_ends: Sequence[Tensor], direction: Tensor, c: Tensor) -> None:
        """Add all gradients of the loss and of the penalty, whose gradient at the gradient at `prepared` is direction.

        at_ends: the gradients that the last way back began with, with their graph; c [B]: those of the loss at the
        trunk's end over them. Below the class-blind head's stage no such factor is, and the loss goes back by itself.
        """
        # Convolutions keep to the layout in memory that they are given.
        t = [self.fine.along(torch.empty_like(self.prepared).copy_(direction), torch.zeros_like(c))]
        t.insert(0, self.coarse.along(t[0].clone() if self.fine.layers else t[0], c))
        (loss + sum((end * tangent).sum() for end, tangent in zip(at_ends, t, strict=False))).backward()
        if self.fine.layers:
            scale = c.reshape(-1, *[1] * (self.at_middle.ndim - 1))
            self.fine.back(scale * self.at_middle + self.at_ends()[1], weights=True)
