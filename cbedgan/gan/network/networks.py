"""Generator and discriminator: small dense residual nets without normalisation, for samples of shape [C, *spatial]."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from cbedgan.gan.network.conditioning import class_embedding
from cbedgan.gan.network.flips import FlipMixing, asymmetries, operations
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError

BASE_PIXELS = 4
FIRST_HALF_PRECISION_PIXELS = 32
SLOPE = 0.2
PCA_VALUES = 1 << 28  # of the samples that templates are drawn from: 1 GiB
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d}
AVERAGE_POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d}
INTERPOLATION = {1: "linear", 2: "bilinear"}


# Bounds, so that a forged checkpoint cannot ask for networks without end.
Width = Annotated[int, Field(ge=1, le=4096)]
Depth = Annotated[int, Field(ge=0, le=64)]


class DiffractionConfig(Config):
    """A generator that draws crystals: scatterers in the cell of each pattern, slices that its plate is cut into, and
    nodes across the aperture at which beams are computed, about one a pixel of a disk.

    strain: standard deviation of each strain that a cell's crystal system leaves free, of forms drawn at generation.
    """

    scatterers: Annotated[int, Field(ge=1, le=256)]
    slices: Annotated[int, Field(ge=1, le=256)]
    nodes: Annotated[int, Field(ge=2, le=128)]
    strain: Annotated[float, Field(ge=0, le=0.1)]


class NetworkConfig(Config):
    """Sizes of both networks; widths run from the 4-pixel stage upwards, so that [96, 64, 32] ends at 16 pixels.

    basis_pixels: the generator adds a learned basis, scaled from w, at every stage up to this side;
    templates: number of principal components of the training patterns that it mixes by weights from w (0: none);
    generator_patch, discriminator_patch: side of the square of pixels that the outermost layer writes or reads as
    channels (1: single pixels); symmetric_output: the generator mixes flipped images of its output by gates from w;
    symmetric_input: the discriminator also sees the differences between a sample and its flipped images;
    quarter_turns: both with all 8 motions of the square instead of the 4 flips;
    unconditional_pixels: side of the stage that carries the discriminator's class-blind head (0: no such head);
    precision: bfloat16 runs the stages of at least 32 pixels under autocast, everything else stays float32;
    conditioning: classes share the terms of their crystal system and point group, or nothing; diffraction:
    the generator draws crystals in the form of a training stack and what they diffract, instead of pixels (generator_*
    and the like are of no effect).
    """

    latent_dim: Width
    mapping_dim: Width
    mapping_layers: Depth
    embedding_dim: Width
    generator_widths: Annotated[tuple[Width, ...], Field(max_length=16)]
    discriminator_widths: Annotated[tuple[Width, ...], Field(max_length=16)]
    blocks: Depth
    basis_pixels: int
    templates: Annotated[int, Field(ge=0, le=4096)]
    generator_patch: Annotated[int, Field(ge=1, le=64)]
    discriminator_patch: Annotated[int, Field(ge=1, le=64)]
    symmetric_output: bool
    symmetric_input: bool
    quarter_turns: bool
    unconditional_pixels: int
    precision: Literal["float32", "bfloat16"]
    conditioning: Literal["hierarchy", "flat"] = Field("hierarchy", exclude_if=lambda kind: kind == "hierarchy")
    diffraction: DiffractionConfig | None = Field(None, exclude_if=lambda diffraction: diffraction is None)


def stage_pixels(sample_shape: tuple[int, ...], widths: tuple[int, ...], patch: int) -> list[int]:
    """Sides in pixels of the stages, from 4 upwards; InputError unless they end at the sample's side / patch."""
    sides = [BASE_PIXELS << level for level in range(len(widths))]
    spatial = sample_shape[1:]
    if len(spatial) not in CONVOLUTION or len(set(spatial)) != 1 or spatial[0] != sides[-1] * patch:
        raise InputError(source="network widths", value=f"{len(widths)} widths and patch {patch} for a sample "
                         f"of shape {list(sample_shape)}", rule="4 * 2^(number of widths - 1) * patch must be the "
                         "side of the sample", remedy="Change the widths, the patch or the view.")
    return sides


class Block(nn.Module):
    """Residual block x + conv(act(conv(act(s * x)))); its last convolution starts at zero, so depth starts harmless.

    With `mapping_dim` the channel scales s = 1 + A w come from the mapped latent.
    """

    def __init__(self, dims: int, width: int, mapping_dim: int = 0) -> None:
        super().__init__()
        self.first = CONVOLUTION[dims](width, width, 3, padding=1)
        self.last = CONVOLUTION[dims](width, width, 3, padding=1)
        self.scale = nn.Linear(mapping_dim, width) if mapping_dim else None
        nn.init.kaiming_normal_(self.first.weight, a=SLOPE)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        """x [B, width, *spatial], scale [B, width] -> the same shape as x."""
        h = x if scale is None else x * scale.reshape(scale.shape + (1,) * (x.ndim - 2))
        h = self.first(functional.leaky_relu(h, SLOPE))
        return x + self.last(functional.leaky_relu(h, SLOPE))


class Generator(nn.Module):
    """(z, class) -> x: w = mapping(z, e(class)) scales the channels of every block above a learned 4-pixel basis."""

    def __init__(self, sample_shape: tuple[int, ...], config: NetworkConfig, class_map: ClassMap) -> None:
        super().__init__()
        widths = config.generator_widths
        self.dims, self.patch = dims, patch = len(sample_shape) - 1, config.generator_patch
        self.sides, self.half = stage_pixels(sample_shape, widths, patch), config.precision == "bfloat16"
        self.latent_dim, self.mapping_dim = config.latent_dim, config.mapping_dim
        self.embedding = class_embedding(config.conditioning, class_map, config.embedding_dim)
        sizes = [config.latent_dim + config.embedding_dim] + [config.mapping_dim] * config.mapping_layers
        self.mapping_layers = nn.ModuleList(linear(*pair) for pair in pairwise(sizes))
        levels = [level for level, side in enumerate(self.sides) if level == 0 or side <= config.basis_pixels]
        self.basis = nn.ParameterList(torch.randn(widths[level], *[self.sides[level]] * dims) for level in levels)
        self.basis_scale = nn.ModuleList(linear(config.mapping_dim, widths[level]) for level in levels)
        self.widen = nn.ModuleList(CONVOLUTION[dims](*pair, 1, bias=False) for pair in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(dims, width, config.mapping_dim) for _ in range(config.blocks)) for width in widths)
        self.to_sample = CONVOLUTION[dims](widths[-1], sample_shape[0] * patch**dims, 3, padding=1)
        nn.init.zeros_(self.to_sample.bias)
        self.mixing = FlipMixing(dims, sample_shape[0], config.mapping_dim, config.quarter_turns) if (
            config.symmetric_output) else None
        # What every pattern has in common (direct disk, aperture, background) is given, not learned.
        self.register_buffer("mean_sample", torch.zeros(sample_shape))
        self.register_buffer("templates", torch.zeros(config.templates, *sample_shape[1:]))
        self.template_weight = nn.Linear(config.mapping_dim, sample_shape[0] * config.templates) if (
            config.templates) else None

    def fit(self, x: torch.Tensor, form: torch.Tensor | None = None) -> None:
        """Take the mean and the templates from training samples x [N, C, *spatial]; form: not looked at."""
        self.mean_sample.copy_(x.mean(0))
        if len(self.templates):
            self.templates.copy_(principal_components(x, len(self.templates)))

    def embed(self, class_idx: torch.Tensor, form: torch.Tensor | None = None) -> torch.Tensor:
        """class_idx [B] int64 -> e [B, embedding_dim]; mixtures of rows of e are soft classes; form: not looked at."""
        return self.embedding(class_idx)

    def mapping(self, z: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        """z [B, latent_dim], e [B, embedding_dim] -> w [B, mapping_dim]; only the direction of z matters."""
        return mapped(self.mapping_layers, z, e)

    def synthesise(self, w: torch.Tensor, layout: object = None) -> torch.Tensor:
        """w [B, mapping_dim] -> x [B, C, *spatial], float32; layout: not looked at."""
        x: Any = 0
        for level, (side, blocks) in enumerate(zip(self.sides, self.stages, strict=True)):
            scales = [1 + block.scale(w) for block in blocks]
            with half_precision(w.device.type, self.half and side >= FIRST_HALF_PRECISION_PIXELS):
                if level:
                    x = functional.interpolate(self.widen[level - 1](x), scale_factor=2, mode=INTERPOLATION[self.dims])
                if level < len(self.basis):
                    x = x + self.basis[level] * _as_channels(self.basis_scale[level](w), self.dims)
                    if self.dims == 2:
                        x = x.contiguous(memory_format=torch.channels_last)
                for block, scale in zip(blocks, scales, strict=True):
                    x = block(x, scale)
            x = x.float()
        x = _patches_to_pixels(self.to_sample(functional.leaky_relu(x, SLOPE)), self.patch)
        if self.template_weight is not None:
            weight = self.template_weight(w).reshape(len(w), -1, len(self.templates))
            x = x + torch.tensordot(weight, self.templates, 1)
        return self.mean_sample + (x if self.mixing is None else self.mixing(x, w))

    def forward(self, z: torch.Tensor, class_idx: torch.Tensor, form: torch.Tensor | None = None) -> torch.Tensor:
        """z [B, latent_dim], class_idx [B] -> x [B, C, *spatial]."""
        return self.synthesise(self.mapping(z, self.embed(class_idx, form)))


class Discriminator(nn.Module):
    """(x, class) -> logits [B, heads]: the generator's mirror image with projection conditioning (arXiv 1802.05637).

    Head 0 is psi(phi) + <phi, e_D(class)> / sqrt(d); head 1, where there is one, sees no class and judges an earlier
    stage, so that rare classes learn from all samples (UTLO, arXiv 2402.17065).
    """

    def __init__(self, sample_shape: tuple[int, ...], config: NetworkConfig, class_map: ClassMap) -> None:
        super().__init__()
        widths = config.discriminator_widths
        self.dims, self.patch = dims, patch = len(sample_shape) - 1, config.discriminator_patch
        self.sides, self.half = stage_pixels(sample_shape, widths, patch), config.precision == "bfloat16"
        self.moves = (len(operations(dims, config.quarter_turns)), config.quarter_turns) if (
            config.symmetric_input) else None
        channels = sample_shape[0] * (self.moves[0] if self.moves else 1)
        self.from_sample = CONVOLUTION[dims](channels * patch**dims, widths[-1], 3, padding=1)
        self.stages = nn.ModuleList(nn.ModuleList(Block(dims, width) for _ in range(config.blocks)) for width in widths)
        self.narrow = nn.ModuleList(CONVOLUTION[dims](*pair[::-1], 1, bias=False) for pair in pairwise(widths))
        self.features = linear(widths[0] * BASE_PIXELS**dims, config.embedding_dim)
        self.head = nn.Linear(config.embedding_dim, 1)
        self.embedding = class_embedding(config.conditioning, class_map, config.embedding_dim)
        self.unconditional_level = None
        if config.unconditional_pixels:
            if config.unconditional_pixels not in self.sides:
                raise InputError(source="unconditional_pixels", rule=f"must be 0 or one of the stages {self.sides}",
                                 value=config.unconditional_pixels, remedy="Choose a stage of the discriminator.")
            self.unconditional_level = self.sides.index(config.unconditional_pixels)
            width = widths[self.unconditional_level]
            self.unconditional = nn.Sequential(CONVOLUTION[dims](width, width, 3, padding=1), nn.LeakyReLU(SLOPE),
                                               CONVOLUTION[dims](width, 1, 1))
        self.register_buffer("mean_sample", torch.zeros(sample_shape))

    def forward(self, x: torch.Tensor, class_idx: torch.Tensor) -> torch.Tensor:
        """x [B, C, *spatial], class_idx [B] -> logits [B, heads], float32."""
        x = self.from_sample(self.prepare(x))
        ends = []
        for level in reversed(range(len(self.stages))):
            with half_precision(x.device.type, self.half and self.sides[level] >= FIRST_HALF_PRECISION_PIXELS):
                for block in self.stages[level]:
                    x = block(x)
                below = self.narrow[level - 1](AVERAGE_POOL[self.dims](x, 2)) if level else x
            if level == self.unconditional_level:
                ends.append(x.float())
            x = below.float()
        return self.judge(class_idx, x, *ends)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """x [B, C, *spatial] -> what the first convolution reads [B, channels, *spatial / patch], an affine map."""
        x = x - self.mean_sample
        return _pixels_to_patches(asymmetries(x, self.moves[1]) if self.moves else x, self.patch)

    def judge(self, class_idx: torch.Tensor, x: torch.Tensor, *earlier: torch.Tensor) -> torch.Tensor:
        """class_idx [B], activations of the 4-pixel stage [B, width, 4, 4] -> logits [B, heads].

        earlier: those of the stage with the class-blind head, where there is one.
        """
        phi = functional.leaky_relu(self.features(functional.leaky_relu(x, SLOPE).flatten(1)), SLOPE)
        projection = (phi * self.embedding(class_idx)).sum(1) / math.sqrt(phi.shape[1])
        blind = [self.unconditional(functional.leaky_relu(stage, SLOPE)).flatten(1).mean(1) for stage in earlier]
        return torch.stack([self.head(phi).squeeze(1) + projection, *blind], 1)


def principal_components(x: torch.Tensor, count: int) -> torch.Tensor:
    """Principal components [count, *spatial] of the single patterns in x [N, C, *spatial], each times its spread."""
    x = x[:: max(1, -(-x.numel() // PCA_VALUES))]  # a set beyond memory is thinned out evenly
    patterns = (x - x.mean(0)).flatten(2).flatten(0, 1)
    _, spread, components = torch.pca_lowrank(patterns, q=count, center=False)
    return (components * spread / len(patterns) ** 0.5).T.reshape(count, *x.shape[2:])


def half_precision(device_type: str, enabled: bool) -> torch.autocast:
    """Context in which convolutions run in bfloat16; everything outside it stays float32."""
    return torch.autocast(device_type, torch.bfloat16, enabled=enabled)


def mapped(layers: nn.ModuleList, z: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    """The mapping network: z [B, latent_dim], of which only the direction counts, and e [B, E] through its layers."""
    w = torch.cat((z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8), e), 1)
    for layer in layers:
        w = functional.leaky_relu(layer(w), SLOPE)
    return w


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer with weights for what a leaky rectifier follows."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    nn.init.zeros_(layer.bias)
    return layer


def _as_channels(scale: torch.Tensor, dims: int) -> torch.Tensor:
    return scale.reshape(scale.shape + (1,) * dims)


def _patches_to_pixels(x: torch.Tensor, patch: int) -> torch.Tensor:
    """[B, C * patch^d, *spatial] -> [B, C, *(patch * spatial)]."""
    if patch == 1:
        return x
    if x.ndim == 4:
        return functional.pixel_shuffle(x, patch)
    batch, channels, length = x.shape
    return x.reshape(batch, channels // patch, patch, length).transpose(2, 3).reshape(batch, -1, length * patch)


def _pixels_to_patches(x: torch.Tensor, patch: int) -> torch.Tensor:
    """The inverse of `_patches_to_pixels`."""
    if patch == 1:
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    if x.ndim == 4:
        # In one copy: the channels of a place come to lie together.
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels, height // patch, patch, width // patch, patch).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(batch, height // patch, width // patch, -1).permute(0, 3, 1, 2)
    batch, channels, length = x.shape
    return x.reshape(batch, channels, length // patch, patch).transpose(2, 3).reshape(batch, -1, length // patch)
