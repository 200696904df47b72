"""The discriminator's trunk passed through by hand, so that R1 and R2 cost one pass more, where autograd makes three.

The trunk is convolutions, sums, means and leaky ReLUs: affine between its kinks. Let each sample have one logit l, g be
dl / d(an activation) from one way back, c = d loss / d l, and t the tangent of the activations along
d penalty / d(dl / dx). Then a weight's whole gradient is one correlation of (c a + t) with g, a its input. Autograd
goes back a second time for c g, and correlates a with c g and t with g apart, the latter by a slow convolution.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cbedgan.gan.network.blocks import AVERAGE_POOL, FIRST_HALF_PRECISION_PIXELS, SLOPE
from cbedgan.gan.network.discriminator import Discriminator

_ops = torch.ops.aten


def trunks(discriminator: Discriminator) -> "tuple[Trunk, Trunk]":
    """The trunk's part that both heads look through, empty where there is one head, and the rest of it."""
    narrow: Any = discriminator.narrow
    fine, layers = [], [_Convolution(discriminator.from_sample, half=False)]
    for level in reversed(range(len(discriminator.stages))):
        half = discriminator.half_stages and discriminator.sides[level] >= FIRST_HALF_PRECISION_PIXELS
        blocks: Any = discriminator.stages[level]
        layers += [_Residual(block.first, block.last, half=half) for block in blocks]
        if level == discriminator.unconditional_level:
            fine, layers = layers, []
        if level:
            layers += [_Mean(discriminator.dims), _Convolution(narrow[level - 1], half=half)]
    return Trunk(fine), Trunk(layers)


class Trunk:
    """One batch's way through layers: forwards once, then back, and along a direction with what the last way back left.

    Tensors are float32 [B, channels, *spatial] without a graph; convolutions run in bfloat16 where the network's do.
    Gradients are added to those that the parameters hold.
    """

    def __init__(self, layers: "Sequence[_Convolution | _Residual | _Mean]") -> None:
        self.layers = layers

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """x at the beginning -> activations at the end."""
        for layer in self.layers:
            x = layer.forward(x).float()
        return x

    @torch.no_grad()
    def back(self, g: Tensor, *, weights: bool = False) -> Tensor:
        """Gradient at the end -> gradient at the beginning; with `weights` adds that of the parameters."""
        for layer in reversed(self.layers):
            g = layer.back(g).float()
        if weights:
            for layer in self._convolutions():
                layer.add_gradients(layer.x, None)
        return g

    @torch.no_grad()
    def along(self, t: Tensor, c: Tensor) -> Tensor:
        """Direction t at the beginning -> at the end; adds the parameters' gradients, see above, c [B]."""
        c = c.reshape(-1, *[1] * (t.ndim - 1))
        for layer in self.layers:
            t = layer.along(t, c).float()
        return t

    def _convolutions(self) -> "Iterator[_Convolution]":
        for layer in self.layers:
            if isinstance(layer, _Residual):
                yield from (layer.first, layer.last)
            elif isinstance(layer, _Convolution):
                yield layer


class _Convolution:
    """y = W x + b; keeps its input x and the gradient g at its output."""

    def __init__(self, module: nn.Conv1d | nn.Conv2d, *, half: bool) -> None:
        self.module, self.padding = module, module.padding
        self.dtype = torch.bfloat16 if half else torch.float32
        self.weight = module.weight.detach().to(self.dtype)
        self.bias = None if module.bias is None else module.bias.detach().to(self.dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.x = x.to(self.dtype)
        return self._convolved(self.x, self.bias)

    def back(self, g: Tensor) -> Tensor:
        self.g = g.to(self.dtype)
        return self._backward(self.x, (True, False, False))[0]

    def along(self, t: Tensor, c: Tensor) -> Tensor:
        """Also adds the gradients; t is overwritten."""
        t = t.to(self.dtype)
        ahead = self._convolved(t, None)
        self.add_gradients(t.addcmul_(self.x, c), c)
        return ahead

    def add_gradients(self, x: Tensor, c: Tensor | None) -> None:
        """Add the correlation of x with g, and for the bias the sum of c g (g without c), to the parameters' own."""
        _add(self.module.weight, self._backward(x, (False, True, False))[1])
        if self.module.bias is not None:
            sums = self.g.flatten(2).sum(2, dtype=torch.float32)
            _add(self.module.bias, (sums if c is None else sums * c.flatten(1)).sum(0))

    def _convolved(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return _ops.convolution(x, self.weight, bias, *self._settings())

    def _backward(self, x: Tensor, wanted: tuple[bool, bool, bool]) -> tuple[Tensor, Tensor, Tensor]:
        return _ops.convolution_backward(self.g, x, self.weight, None, *self._settings(), wanted)

    def _settings(self) -> tuple[object, ...]:
        one, none = [1] * len(self.padding), [0] * len(self.padding)
        return one, list(self.padding), one, False, none, 1


class _Residual:
    """y = x + last(kink(first(kink(x)))), as `blocks.Block` without scales."""

    def __init__(self, first: nn.Conv1d | nn.Conv2d, last: nn.Conv1d | nn.Conv2d, *, half: bool) -> None:
        self.first, self.last = _Convolution(first, half=half), _Convolution(last, half=half)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first.forward(functional.leaky_relu(x, SLOPE))
        return _plus(self.last.forward(functional.leaky_relu_(inner, SLOPE)), x)

    def back(self, g: Tensor) -> Tensor:
        inner = self.first.back(_bent(self.last.back(g), self.last.x))
        return _plus(_bent(inner, self.first.x), g)

    def along(self, t: Tensor, c: Tensor) -> Tensor:
        bent = _ops.leaky_relu_backward(t.to(self.first.dtype), self.first.x, SLOPE, True)
        inner = self.first.along(bent, c)
        return _plus(self.last.along(_bent(inner, self.last.x), c), t)


class _Mean:
    """y = means over squares of 2 x 2 pixels (or pairs)."""

    def __init__(self, dims: int) -> None:
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return AVERAGE_POOL[self.dims](x, 2)

    def back(self, g: Tensor) -> Tensor:
        return functional.interpolate(g * 0.5**self.dims, scale_factor=2, mode="nearest")

    def along(self, t: Tensor, c: Tensor) -> Tensor:
        return self.forward(t)


def _plus(y: Tensor, x: Tensor) -> Tensor:
    """y + x in the wider of their types, in place of y where that is its own."""
    return y.add_(x) if y.dtype == x.dtype else y + x


def _bent(g: Tensor, kinked: Tensor) -> Tensor:
    """Multiply g in place by the slope of the leaky ReLU whose output is `kinked`."""
    return _ops.leaky_relu_backward.grad_input(g, kinked, SLOPE, True, grad_input=g)


def _add(parameter: Tensor, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient.to(parameter.dtype)
    else:
        parameter.grad.add_(gradient)
