"""The plain loop that the GAN's speed is compared with: residual networks and autograd, channels-last, fused Adam.

The relativistic loss with R1 and R2 (arXiv 1807.00734, 2501.05441) as one writes it down: no augmentation, no averaged
weights, no check of the gradients.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainBlock(nn.Module):
    """x + f(x), f = two 3x3 convolutions, each after a leaky ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.path = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1),
                                  nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, h: Tensor) -> Tensor:
        """h [B, width, H, W] -> the same shape."""
        return h + self.path(h)


class PlainGenerator(nn.Module):
    """(z [B, latent_dim], class_idx [B]) -> x [B, channels, side, side]; widths from 4 pixels upwards."""

    def __init__(self, widths: Sequence[int], blocks: int, patch: int, *, channels: int, classes: int,
                 latent_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, latent_dim)
        self.basis = nn.Linear(2 * latent_dim, widths[0] * 16)
        layers: list[nn.Module] = [PlainBlock(widths[0]) for _ in range(blocks)]
        for before, width in pairwise(widths):
            layers += [nn.Conv2d(before, width, 1, bias=False), nn.Upsample(scale_factor=2, mode="bilinear"),
                       *(PlainBlock(width) for _ in range(blocks))]
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(widths[-1], channels * patch**2, 3, padding=1), nn.PixelShuffle(patch)]
        self.stages = nn.Sequential(*layers)

    def forward(self, z: Tensor, class_idx: Tensor) -> Tensor:
        """Shapes as above."""
        h = self.basis(torch.cat((z, self.embedding(class_idx)), 1)).view(len(z), -1, 4, 4)
        return self.stages(h.contiguous(memory_format=torch.channels_last))


class PlainDiscriminator(nn.Module):
    """(x [B, channels, side, side], class_idx [B]) -> logits [B], with a projection on the class."""

    def __init__(self, widths: Sequence[int], blocks: int, patch: int, *, channels: int, classes: int,
                 features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(patch),
                                   nn.Conv2d(channels * patch**2, widths[-1], 3, padding=1)]
        for width, after in pairwise(widths[::-1]):
            layers += [*(PlainBlock(width) for _ in range(blocks)), nn.AvgPool2d(2),
                       nn.Conv2d(width, after, 1, bias=False)]
        layers += [*(PlainBlock(widths[0]) for _ in range(blocks)), nn.LeakyReLU(0.2), nn.Flatten(),
                   nn.Linear(16 * widths[0], features), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.head, self.embedding = nn.Linear(features, 1), nn.Embedding(classes, features)

    def forward(self, x: Tensor, class_idx: Tensor) -> Tensor:
        """Shapes as above."""
        phi = self.body(x.contiguous(memory_format=torch.channels_last))
        return self.head(phi).squeeze(1) + (phi * self.embedding(class_idx)).sum(1) / math.sqrt(phi.shape[1])


def discriminator_loss(discriminator: nn.Module, real: Tensor, fake: Tensor, class_idx: Tensor,
                       gamma: float) -> tuple[Tensor, Tensor]:
    """E softplus(l(fake) - l(real)) + gamma / 2 E[|grad l(real)|^2 + |grad l(fake)|^2], and l(real) [B].

    Parameters
    ----------
    discriminator : (x, class_idx) -> l
    real, fake, class_idx : samples paired by index, and their classes
    gamma : weight of the penalties; 0: none
    """
    inputs = [x.detach().requires_grad_(gamma > 0) for x in (real, fake)]
    logits = discriminator(torch.cat(inputs), torch.cat((class_idx, class_idx)))
    logits_real, logits_fake = logits.chunk(2)
    loss = F.softplus(logits_fake - logits_real).mean()
    if gamma:
        gradients = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
        loss = loss + gamma / 2 * sum(gradient.square().sum() for gradient in gradients) / len(real)
    return loss, logits_real.detach()


def train_step(generator: nn.Module, discriminator: nn.Module, optimisers: Sequence[torch.optim.Optimizer],
               real: Tensor, class_idx: Tensor, *, latent_dim: int, gamma: float) -> None:
    """One step of the discriminator, then one of the generator, which looks at no real stack again.

    Parameters
    ----------
    generator, discriminator : networks
    optimisers : the discriminator's and the generator's
    real, class_idx : [B, C, H, W], [B]
    latent_dim : length of z
    gamma : weight of the penalties
    """
    fake = generator(torch.randn(len(real), latent_dim, device=real.device), class_idx)
    loss, logits_real = discriminator_loss(discriminator, real, fake, class_idx, gamma)
    optimisers[0].zero_grad()
    loss.backward()
    optimisers[0].step()

    discriminator.requires_grad_(False)
    optimisers[1].zero_grad()
    F.softplus(logits_real - discriminator(fake, class_idx)).mean().backward()
    optimisers[1].step()
    discriminator.requires_grad_(True)
