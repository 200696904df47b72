"""The two steps of `adversarial` with fewer passes of the discriminator's trunk; the same gradients to rounding.

What lies before the trunk (augmentation) and above it (the heads) is autograd's: both cost little, and may change.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cbedgan.gan.adversarial import Augmentation, relativistic_loss
from cbedgan.gan.network.networks import Discriminator
from cbedgan.gan.network.trunk import trunks


def discriminator_step(discriminator: Discriminator, real: Tensor, fake: Tensor, class_idx: Tensor, *,
                       augmentation: Augmentation, weights: Tensor, gamma: float, penalise: bool,
                       batch: int) -> dict[str, Tensor]:
    """As `adversarial.discriminator_step`; penalties take four passes for six above the class-blind head's stage."""
    inputs = tuple(x.detach().requires_grad_(penalise) for x in (real, fake))
    (real_seen, label), (fake_seen, _) = (augmentation(x, class_idx) for x in inputs)
    judged = _Judged(discriminator, torch.cat((real_seen, fake_seen)), torch.cat((label, label)))
    logits_real, logits_fake = judged.logits.chunk(2)
    loss = relativistic_loss(logits_real, logits_fake, weights).sum() / batch
    terms = {"loss_d": loss.detach(), "logits_real": logits_real.detach(), "logits_fake": logits_fake.detach()}
    if not penalise:
        loss.backward()
        judged.back([end.grad for end in judged.ends], weights=True)
        return terms
    at_ends = torch.autograd.grad((judged.logits @ weights).sum(), judged.ends, create_graph=True)
    at_prepared = judged.back([end.detach() for end in at_ends]).requires_grad_()
    at_inputs = torch.autograd.grad(judged.prepared, inputs, at_prepared, create_graph=True)
    r1, r2 = (gradient.square().sum() / batch for gradient in at_inputs)
    direction, = torch.autograd.grad(gamma / 2 * (r1 + r2), at_prepared)
    of_logits, = torch.autograd.grad(loss, judged.logits, retain_graph=True)
    judged.finish(loss, at_ends, direction, of_logits[:, 0] / weights[0])
    return terms | {"r1": r1.detach(), "r2": r2.detach()}


def generator_step(discriminator: Discriminator, fake: Tensor, class_idx: Tensor, logits_real: Tensor, *,
                   augmentation: Augmentation, weights: Tensor, batch: int) -> dict[str, Tensor]:
    """As `adversarial.generator_step`."""
    judged = _Judged(discriminator, *augmentation(fake, class_idx))
    loss = relativistic_loss(judged.logits, logits_real, weights).sum() / batch
    judged.prepared.backward(judged.back(torch.autograd.grad(loss, judged.ends)))
    return {"loss_g": loss.detach()}


class _Judged:
    """Stacks x [B, C, *spatial] on their way to logits [B, heads].

    ends: where the heads begin, leaves of their graph: the trunk's end, and the class-blind head's stage if it has one.
    """

    def __init__(self, discriminator: Discriminator, x: Tensor, label: Tensor) -> None:
        self.fine, self.coarse = trunks(discriminator)
        self.prepared = discriminator.prepare(x)
        middle = self.fine.forward(self.prepared.detach())
        top = self.coarse.forward(middle)
        self.ends = [end.detach().requires_grad_() for end in ((top, middle) if self.fine.layers else (top,))]
        self.logits = discriminator.judge(label, *self.ends)

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
            self.fine.back(scale * self.at_middle + self.ends[1].grad, weights=True)
