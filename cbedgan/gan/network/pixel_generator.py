"""A generator that paints pixels: the kind "pixels"."""

from itertools import pairwise
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from cbedgan.gan.network import blocks, contract
from cbedgan.gan.network.conditioning import class_embedding
from cbedgan.gan.network.flips import FlipMixing

PCA_VALUES = 1 << 28  # of the samples that templates are drawn from: 1 GiB


class PixelConfig(contract.LatentConfig):
    """Widths run from the 4-pixel stage upwards, so that [96, 64, 32] ends at 16 pixels.

    blocks: of each stage; patch: side of the square of pixels that the outermost layer writes as channels;
    basis_pixels: a learned basis, scaled from w, is added at every stage up to this side; templates: number of
    principal components of the training patterns that are mixed by weights from w; symmetric_output: gates from w mix
    flipped images of the output.
    """

    kind: Literal["pixels"]
    widths: contract.Widths
    blocks: contract.Depth = 1
    patch: contract.Patch = 1
    basis_pixels: int = 4
    templates: Annotated[int, Field(ge=0, le=4096)] = 0
    symmetric_output: bool = False

    def build(self, spec: contract.SampleSpec, shared: contract.SharedConfig) -> contract.Generator:
        """An untrained generator."""
        return PixelGenerator(spec, self, shared)


class PixelGenerator(contract.Generator):
    """w = mapping(z, e(class)) scales the channels of every block above a learned 4-pixel basis."""

    mean_sample: Tensor
    templates: Tensor

    def __init__(self, spec: contract.SampleSpec, config: PixelConfig, shared: contract.SharedConfig) -> None:
        super().__init__()
        sample_shape, widths = spec.shape, config.widths
        self.dims, self.patch = dims, patch = len(sample_shape) - 1, config.patch
        self.sides = blocks.stage_pixels(sample_shape, widths, patch)
        self.half_stages = shared.precision == "bfloat16"
        self.latent_dim = config.latent_dim
        self.embedding = class_embedding(shared.conditioning, spec.class_map, shared.embedding_dim)
        sizes = [config.latent_dim + shared.embedding_dim] + [config.mapping_dim] * config.mapping_layers
        self.mapping_layers = nn.ModuleList(blocks.linear(*pair) for pair in pairwise(sizes))
        levels = [level for level, side in enumerate(self.sides) if level == 0 or side <= config.basis_pixels]
        self.basis = nn.ParameterList(torch.randn(widths[level], *[self.sides[level]] * dims) for level in levels)
        self.basis_scale = nn.ModuleList(blocks.linear(config.mapping_dim, widths[level]) for level in levels)
        self.widen = nn.ModuleList(blocks.CONVOLUTION[dims](*pair, 1, bias=False) for pair in pairwise(widths))
        self.stages = nn.ModuleList(nn.ModuleList(
            blocks.Block(dims, width, config.mapping_dim) for _ in range(config.blocks)) for width in widths)
        self.to_sample = blocks.CONVOLUTION[dims](widths[-1], sample_shape[0] * patch**dims, 3, padding=1)
        nn.init.zeros_(self.to_sample.bias)
        self.mixing = FlipMixing(dims, sample_shape[0], config.mapping_dim, shared.quarter_turns) if (
            config.symmetric_output) else None
        # What every pattern has in common (direct disk, aperture, background) is given, not learned.
        self.register_buffer("mean_sample", torch.zeros(sample_shape))
        self.register_buffer("templates", torch.zeros(config.templates, *sample_shape[1:]))
        self.template_weight = nn.Linear(config.mapping_dim, sample_shape[0] * config.templates) if (
            config.templates) else None

    def fit(self, x: Tensor) -> None:
        """Take the mean and the templates from training samples x [N, C, *spatial]."""
        self.mean_sample.copy_(x.mean(0))
        if len(self.templates):
            self.templates.copy_(principal_components(x, len(self.templates)))

    def embed(self, class_idx: Tensor) -> Tensor:
        return self.embedding(class_idx)

    def mapping(self, z: Tensor, e: Tensor) -> Tensor:
        return blocks.mapped(self.mapping_layers, z, e)

    def synthesise(self, w: Tensor) -> Tensor:
        x, stages = torch.zeros(()), cast(list[list[Any]], self.stages)
        for level, (side, stage) in enumerate(zip(self.sides, stages, strict=True)):
            scales = [1 + block.scale(w) for block in stage]
            half = self.half_stages and side >= blocks.FIRST_HALF_PRECISION_PIXELS
            with torch.autocast(w.device.type, torch.bfloat16, enabled=half):
                if level:
                    mode = blocks.INTERPOLATION[self.dims]
                    x = functional.interpolate(self.widen[level - 1](x), scale_factor=2, mode=mode)
                if level < len(self.basis):
                    x = x + self.basis[level] * blocks.as_channels(self.basis_scale[level](w), self.dims)
                    if self.dims == 2:
                        x = x.contiguous(memory_format=torch.channels_last)
                for block, scale in zip(stage, scales, strict=True):
                    x = block(x, scale)
            x = x.float()
        x = blocks.patches_to_pixels(self.to_sample(functional.leaky_relu(x, blocks.SLOPE)), self.patch)
        if self.template_weight is not None:
            weight = self.template_weight(w).reshape(len(w), -1, len(self.templates))
            x = x + torch.tensordot(weight, self.templates, 1)
        return self.mean_sample + (x if self.mixing is None else self.mixing(x, w))


def principal_components(x: Tensor, count: int) -> Tensor:
    """Principal components [count, *spatial] of the single patterns in x [N, C, *spatial], each times its spread."""
    x = x[:: max(1, -(-x.numel() // PCA_VALUES))]  # a set beyond memory is thinned out evenly
    patterns = (x - x.mean(0)).flatten(2).flatten(0, 1)
    _, spread, components = torch.pca_lowrank(patterns, q=count, center=False)
    return (components * spread / len(patterns) ** 0.5).T.reshape(count, *x.shape[2:])
