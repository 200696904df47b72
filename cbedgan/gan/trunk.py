"""The discriminator's trunk passed through by hand, so that R1 and R2 cost one pass more, where autograd makes three.

The trunk is convolutions, sums, means and leaky ReLUs: affine between its kinks. Let each sample have one logit l, g be
dl / d(an activation) from one way back, c = d loss / d l, and t the tangent of the activations along
d penalty / d(dl / dx). Then a weight's whole gradient is one correlation of (c a + t) with g, a its input. Autograd
goes back a second time for c g, and correlates a with c g and t with g apart, the latter by a slow convolution.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from cbedgan.gan.networks import AVERAGE_POOL, SLOPE, Discriminator

_ops = torch.ops.aten


class Trunk:
    """One batch's way through a discriminator's trunk: forwards once, back once, then along one direction or none.

    All tensors are float32 without a graph; x [B, C, *spatial] is what `Discriminator.prepare` returns. back must
    follow forward, and along must follow back(weights=False). Gradients are added to those the parameters hold.
    """

    def __init__(self, discriminator: Discriminator) -> None:
        self.layers: list[_Convolution | _Residual | _Mean] = [_Convolution(discriminator.from_sample)]
        for level in reversed(range(len(discriminator.stages))):
            self.layers += [_Residual(block.first, block.last) for block in discriminator.stages[level]]
            if level:
                self.layers += [_Mean(discriminator.dims), _Convolution(discriminator.narrow[level - 1])]

    @staticmethod
    def fits(discriminator: Discriminator) -> bool:
        """Whether there is one logit a sample, as the sum above needs, and nothing that autocast would change."""
        return discriminator.unconditional_level is None and not discriminator.half

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, *spatial] -> the activations [B, width, 4, 4] that `Discriminator.judge` takes."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    @torch.no_grad()
    def back(self, g: Tensor, *, weights: bool = False) -> Tensor:
        """Gradient at the activations [B, width, 4, 4] -> gradient at x; with `weights` also that of the parameters."""
        for layer in reversed(self.layers):
            g = layer.back(g)
        if weights:
            for layer in self.convolutions():
                layer.add_gradients(layer.x, None)
        return g

    @torch.no_grad()
    def along(self, t: Tensor, c: Tensor) -> Tensor:
        """Direction t at x -> that at the activations; adds the parameters' gradients for c [B] and t as above."""
        c = c.reshape(-1, *[1] * (t.ndim - 1))
        for layer in self.layers:
            t = layer.along(t, c)
        return t

    def convolutions(self) -> Iterator[_Convolution]:
        """Every convolution of the trunk."""
        for layer in self.layers:
            if isinstance(layer, _Residual):
                yield from (layer.first, layer.last)
            elif isinstance(layer, _Convolution):
                yield layer


class _Convolution:
    """y = W x + b; keeps its input x and the gradient g at its output."""

    def __init__(self, module: nn.Conv1d | nn.Conv2d) -> None:
        self.weight, self.bias, self.padding = module.weight, module.bias, module.padding

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return self._convolved(x, self.bias)

    def back(self, g: Tensor) -> Tensor:
        self.g = g
        return self._backward(self.x, (True, False, False))[0]

    def along(self, t: Tensor, c: Tensor) -> Tensor:
        """Also adds the gradients; t is overwritten."""
        ahead = self._convolved(t, None)
        self.add_gradients(t.addcmul_(self.x, c), c)
        return ahead

    def add_gradients(self, x: Tensor, c: Tensor | None) -> None:
        """Add the correlation of x with g, and for the bias the sum of c g (g without c), to the parameters' own."""
        _add(self.weight, self._backward(x, (False, True, False))[1])
        if self.bias is not None:
            sums = self.g.flatten(2).sum(2)
            _add(self.bias, (sums if c is None else sums * c.flatten(1)).sum(0))

    def _convolved(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return _ops.convolution(x, self.weight, bias, *self._settings())

    def _backward(self, x: Tensor, wanted: tuple[bool, bool, bool]) -> tuple[Tensor, Tensor, Tensor]:
        return _ops.convolution_backward(self.g, x, self.weight, None, *self._settings(), wanted)

    def _settings(self) -> tuple[object, ...]:
        one, none = [1] * len(self.padding), [0] * len(self.padding)
        return one, list(self.padding), one, False, none, 1


class _Residual:
    """y = x + last(kink(first(kink(x)))), as `networks.Block` without scales."""

    def __init__(self, first: nn.Module, last: nn.Module) -> None:
        self.first, self.last = _Convolution(first), _Convolution(last)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first.forward(functional.leaky_relu(x, SLOPE))
        return self.last.forward(functional.leaky_relu_(inner, SLOPE)).add_(x)

    def back(self, g: Tensor) -> Tensor:
        inner = self.first.back(_bent(self.last.back(g), self.last.x))
        return _bent(inner, self.first.x).add_(g)

    def along(self, t: Tensor, c: Tensor) -> Tensor:
        inner = self.first.along(_ops.leaky_relu_backward(t, self.first.x, SLOPE, True), c)
        return self.last.along(_bent(inner, self.last.x), c).add_(t)


class _Mean:
    """y = means over squares of 2 x 2 pixels (or pairs)."""

    def __init__(self, dims: int) -> None:
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return AVERAGE_POOL[self.dims](x, 2)

    def back(self, g: Tensor) -> Tensor:
        return functional.interpolate(g.mul_(0.5**self.dims), scale_factor=2, mode="nearest")

    def along(self, t: Tensor, c: Tensor) -> Tensor:
        return self.forward(t)


def _bent(g: Tensor, kinked: Tensor) -> Tensor:
    """Multiply g in place by the slope of the leaky ReLU whose output is `kinked`."""
    return _ops.leaky_relu_backward.grad_input(g, kinked, SLOPE, True, grad_input=g)


def _add(parameter: nn.Parameter, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad.add_(gradient)
