"""The discriminator: whether a sample is real, seen as one of its class."""

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from cbedgan.gan.network import blocks
from cbedgan.gan.network.conditioning import class_embedding
from cbedgan.gan.network.contract import Depth, Patch, SampleSpec, SharedConfig, Widths
from cbedgan.gan.network.flips import asymmetries, operations
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError


class DiscriminatorConfig(Config):
    """Widths run from the 4-pixel stage upwards, so that [96, 64, 32] ends at 16 pixels.

    blocks: of each stage; patch: side of the square of pixels that the outermost layer reads as channels;
    symmetric_input: it also sees the differences between a sample and its flipped images; unconditional_pixels: side of
    the stage that carries the class-blind head (0: no such head); unconditional_weight: of that head's loss.
    """

    widths: Widths
    blocks: Depth = 1
    patch: Patch = 1
    symmetric_input: bool = True
    unconditional_pixels: int = 0
    unconditional_weight: Annotated[float, Field(ge=0)] = 1.0


class Discriminator(nn.Module):
    """(x, class) -> logits [B, heads]: the generator's mirror image with projection conditioning (arXiv 1802.05637).

    Head 0 is psi(phi) + <phi, e_D(class)> / sqrt(d); head 1, where there is one, sees no class and looks at an
    earlier stage, so that rare classes learn from all samples (UTLO, arXiv 2402.17065).
    """

    mean_sample: Tensor

    def __init__(self, spec: SampleSpec, config: DiscriminatorConfig, shared: SharedConfig) -> None:
        super().__init__()
        widths, convolution = config.widths, blocks.CONVOLUTION[len(spec.shape) - 1]
        self.dims, self.patch = dims, patch = len(spec.shape) - 1, config.patch
        self.sides = blocks.stage_pixels(spec.shape, widths, patch)
        self.half_stages = shared.precision == "bfloat16"
        self.moves = (len(operations(dims, shared.quarter_turns)), shared.quarter_turns) if (
            config.symmetric_input) else None
        channels = spec.shape[0] * (self.moves[0] if self.moves else 1)
        self.from_sample = convolution(channels * patch**dims, widths[-1], 3, padding=1)
        self.stages = nn.ModuleList(
            nn.ModuleList(blocks.Block(dims, width) for _ in range(config.blocks)) for width in widths)
        self.narrow = nn.ModuleList(convolution(*pair[::-1], 1, bias=False) for pair in pairwise(widths))
        self.features = blocks.linear(widths[0] * blocks.BASE_PIXELS**dims, shared.embedding_dim)
        self.head = nn.Linear(shared.embedding_dim, 1)
        self.embedding = class_embedding(shared.conditioning, spec.class_map, shared.embedding_dim)
        self.unconditional_level = None
        if config.unconditional_pixels:
            if config.unconditional_pixels not in self.sides:
                raise InputError(source="unconditional_pixels", rule=f"must be 0 or one of the stages {self.sides}",
                                 value=config.unconditional_pixels, remedy="Choose a stage of the discriminator.")
            self.unconditional_level = self.sides.index(config.unconditional_pixels)
            width = widths[self.unconditional_level]
            self.unconditional = nn.Sequential(convolution(width, width, 3, padding=1), nn.LeakyReLU(blocks.SLOPE),
                                               convolution(width, 1, 1))
        self.register_buffer("mean_sample", torch.zeros(spec.shape))

    def forward(self, x: Tensor, class_idx: Tensor) -> Tensor:
        """x [B, C, *spatial], class_idx [B] -> logits [B, heads], float32."""
        x = self.from_sample(self.prepare(x))
        ends = []
        for level in reversed(range(len(self.stages))):
            half = self.half_stages and self.sides[level] >= blocks.FIRST_HALF_PRECISION_PIXELS
            with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
                for block in self.stages[level].children():
                    x = block(x)
                below = self.narrow[level - 1](blocks.AVERAGE_POOL[self.dims](x, 2)) if level else x
            if level == self.unconditional_level:
                ends.append(x.float())
            x = below.float()
        return self.heads(class_idx, x, *ends)

    def prepare(self, x: Tensor) -> Tensor:
        """x [B, C, *spatial] -> what the first convolution reads [B, channels, *spatial / patch], an affine map."""
        x = x - self.mean_sample
        return blocks.pixels_to_patches(asymmetries(x, self.moves[1]) if self.moves else x, self.patch)

    def heads(self, class_idx: Tensor, x: Tensor, *earlier: Tensor) -> Tensor:
        """class_idx [B], activations of the 4-pixel stage [B, width, 4, 4] -> logits [B, heads].

        earlier: those of the stage with the class-blind head, where there is one.
        """
        phi = functional.leaky_relu(self.features(functional.leaky_relu(x, blocks.SLOPE).flatten(1)), blocks.SLOPE)
        projection = (phi * self.embedding(class_idx)).sum(1) / math.sqrt(phi.shape[1])
        blind = [self.unconditional(functional.leaky_relu(stage, blocks.SLOPE)).flatten(1).mean(1) for stage in earlier]
        return torch.stack([self.head(phi).squeeze(1) + projection, *blind], 1)
