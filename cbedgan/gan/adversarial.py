"""The method on one page: a relativistic loss within each class, two penalties, and one step of either network.

A real sample x is paired with a generated one of its class, x^ = G(z, c). With the logits l(x) = D(x, c):

    L_D = E softplus(l(x^) - l(x)) + gamma / 2 (R1 + R2)    the relativistic pairing of arXiv 1807.00734,
    L_G = E softplus(l(x) - l(x^))                          with both penalties as in arXiv 2501.05441, section 2
    R1  = E |grad l(x)|^2,  R2 = E |grad l(x^)|^2

Both steps pass the discriminator's trunk by hand (see `network.trunk`): with penalties it takes four passes, where
autograd takes six. Augmentation before the trunk and the heads above it are autograd's.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

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

    def weight(self, step: int, share: float) -> float | None:
        """Weight at a step, after `share` of the burn-in; None where the penalties rest."""
        return None if step % self.every else self.gamma.at(share) * self.every


def relativistic_loss(winner: Float[Tensor, "B heads"], loser: Float[Tensor, "B heads"],
                      head_weights: Float[Tensor, " heads"]) -> Float[Tensor, " B"]:
    """softplus(-(winner - loser)) of paired logits, heads weighted and summed."""
    return functional.softplus(loser - winner) @ head_weights


def head_weights(heads: int, unconditional_weight: float, device: torch.device) -> Float[Tensor, " heads"]:
    """Weights of the class head and the class-blind head: (1, alpha) / (1 + alpha) (UTLO, arXiv 2402.17065)."""
    if heads == 1:
        return torch.ones(1, device=device)
    return torch.tensor([1.0, unconditional_weight], device=device) / (1 + unconditional_weight)


class Sight(NamedTuple):
    """What both steps see samples through: the discriminator, augmentation before it, weights of its heads [heads].

    batch: pairs of the whole batch, so that terms and gradients of its parts add up to those of the whole.
    """

    discriminator: Discriminator
    augmentation: Augmentation
    head_weights: Tensor
    batch: int


def discriminator_step(sight: Sight, real: Float[Tensor, "B C *spatial"], fake: Float[Tensor, "B C *spatial"],
                       class_idx: Int[Tensor, " B"], gamma: float | None) -> dict[str, Tensor]:
    """Add the gradients of L_D to the discriminator's; return its terms and the logits of real and fake [B, heads].

    Parameters
    ----------
    sight : whose discriminator is trained
    real, fake : samples, paired by index
    class_idx : of each pair
    gamma : weight of the penalties, taken at the samples before augmentation so that they act through it; None: none
    """
    inputs = tuple(x.detach().requires_grad_(gamma is not None) for x in (real, fake))
    (real_seen, label), (fake_seen, _) = (sight.augmentation(x, class_idx) for x in inputs)
    way = _Way(sight.discriminator, torch.cat((real_seen, fake_seen)), torch.cat((label, label)))
    logits_real, logits_fake = way.logits.chunk(2)
    loss = relativistic_loss(logits_real, logits_fake, sight.head_weights).sum() / sight.batch
    terms = {"loss_d": loss.detach(), "logits_real": logits_real.detach(), "logits_fake": logits_fake.detach()}
    if gamma is None:
        loss.backward()
        way.back(way.at_ends(), weights=True)
        return terms
    at_ends = torch.autograd.grad((way.logits @ sight.head_weights).sum(), way.ends, create_graph=True)
    at_prepared = way.back([end.detach() for end in at_ends]).requires_grad_()
    at_inputs = torch.autograd.grad(way.prepared, inputs, at_prepared, create_graph=True)
    r1, r2 = (gradient.square().sum() / sight.batch for gradient in at_inputs)
    direction, = torch.autograd.grad(gamma / 2 * (r1 + r2), at_prepared)
    of_logits, = torch.autograd.grad(loss, way.logits, retain_graph=True)
    way.finish(loss, at_ends, direction, of_logits[:, 0] / sight.head_weights[0])
    return terms | {"r1": r1.detach(), "r2": r2.detach()}


def generator_step(sight: Sight, fake: Float[Tensor, "B C *spatial"], class_idx: Int[Tensor, " B"],
                   logits_real: Float[Tensor, "B heads"]) -> dict[str, Tensor]:
    """Add the gradients of L_G to those of the generator behind `fake`; return its terms.

    Parameters
    ----------
    sight : whose discriminator gets no gradient
    fake, class_idx : samples with the generator's graph, and their classes
    logits_real : from the discriminator's step, so that no real sample is looked at twice
    """
    way = _Way(sight.discriminator, *sight.augmentation(fake, class_idx))
    loss = relativistic_loss(way.logits, logits_real, sight.head_weights).sum() / sight.batch
    way.prepared.backward(way.back(torch.autograd.grad(loss, way.ends)))
    return {"loss_g": loss.detach()}


class _Way:
    """The way of samples x [B, C, *spatial] through the trunk to logits [B, heads].

    ends: where the heads begin, leaves of their graph: the trunk's end and, if there is one, the class-blind head's
    stage.
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
        """Add all gradients of loss and penalty: `direction` is the penalty's by the gradient that reached `prepared`.

        at_ends: with their graph, the gradients that the last way back began with; c [B]: the loss's at the trunk's end
        over these. Below the class-blind head's stage there is no such factor: there the loss goes back by itself.
        """
        # Convolutions keep to the layout in memory that they are given.
        t = [self.fine.along(torch.empty_like(self.prepared).copy_(direction), torch.zeros_like(c))]
        t.insert(0, self.coarse.along(t[0].clone() if self.fine.layers else t[0], c))
        (loss + sum((end * tangent).sum() for end, tangent in zip(at_ends, t, strict=False))).backward()
        if self.fine.layers:
            scale = c.reshape(-1, *[1] * (self.at_middle.ndim - 1))
            self.fine.back(scale * self.at_middle + self.at_ends()[1], weights=True)
