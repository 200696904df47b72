"""Parts of both networks: dense residual blocks without normalisation, for samples of shape [C, *spatial]."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier.foundation.errors import InputError

BASE_PIXELS = 4
FIRST_HALF_PRECISION_PIXELS = 32  # from here on stages may run in bfloat16; everything outside them stays float32
SLOPE = 0.2
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d}
AVERAGE_POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d}
INTERPOLATION = {1: "linear", 2: "bilinear"}


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

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """x [B, width, *spatial], scale [B, width] -> the same shape as x."""
        h = x if scale is None else x * as_channels(scale, x.ndim - 2)
        h = self.first(functional.leaky_relu(h, SLOPE))
        return x + self.last(functional.leaky_relu(h, SLOPE))


def mapped(layers: nn.ModuleList, z: Tensor, e: Tensor) -> Tensor:
    """The mapping network: z [B, latent_dim], of which only the direction counts, and e [B, E] through its layers."""
    w = torch.cat((z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8), e), 1)
    for layer in layers:
        w = functional.leaky_relu(layer(w), SLOPE)
    return w


def placed(network: nn.Module, device: torch.device, dims: int) -> None:
    """Move a network to the device, its convolutions of images with a pixel's channels together."""
    memory_format = torch.channels_last if dims == 2 else torch.preserve_format
    network.to(device=device, memory_format=memory_format)  # pyright: ignore[reportCallIssue]


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer with weights for what a leaky rectifier follows."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    nn.init.zeros_(layer.bias)
    return layer


def as_channels(scale: Tensor, dims: int) -> Tensor:
    return scale.reshape(scale.shape + (1,) * dims)


def patches_to_pixels(x: Tensor, patch: int) -> Tensor:
    """[B, C * patch^d, *spatial] -> [B, C, *(patch * spatial)]."""
    if patch == 1:
        return x
    if x.ndim == 4:
        return functional.pixel_shuffle(x, patch)
    batch, channels, length = x.shape
    return x.reshape(batch, channels // patch, patch, length).transpose(2, 3).reshape(batch, -1, length * patch)


def pixels_to_patches(x: Tensor, patch: int) -> Tensor:
    """The inverse of `patches_to_pixels`."""
    if patch == 1:
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    if x.ndim == 4:
        # In one copy: the channels of a place come to lie together.
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels, height // patch, patch, width // patch, patch).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(batch, height // patch, width // patch, -1).permute(0, 3, 1, 2)
    batch, channels, length = x.shape
    return x.reshape(batch, channels, length // patch, patch).transpose(2, 3).reshape(batch, -1, length // patch)
