"""Wasserstein distances: of two sets of vectors along random directions, and of two columns of numbers."""

import torch
from jaxtyping import Float
from torch import Tensor

PROJECTIONS = 256


def sliced_wasserstein(x: Float[Tensor, "n D"], y: Float[Tensor, "m D"], seed: int) -> float:
    """Root of the mean squared 1-D Wasserstein-2 distance between two sets of vectors along random directions.

    In units of one component of x; quantiles are matched where n and m differ.
    """
    draws = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(x.shape[1], PROJECTIONS, generator=draws), dim=0)
    at = (torch.arange(min(len(x), len(y))) + 0.5) / min(len(x), len(y))
    first, second = (quantiles((samples @ directions).sort(0).values, at) for samples in (x, y))
    return float((first - second).square().mean().sqrt())


def wasserstein_1(first: Tensor, second: Tensor) -> float:
    """1-D Wasserstein-1 distance between the values of two tensors, in their unit; NaN for an empty one."""
    if not first.numel() or not second.numel():
        return float("nan")
    at = (torch.arange(200) + 0.5) / 200
    one, other = (quantiles(values.flatten().sort().values[:, None], at) for values in (first, second))
    return float((one - other).abs().mean())


def quantiles(ordered: Float[Tensor, "n P"], at: Float[Tensor, " Q"]) -> Float[Tensor, "Q P"]:
    """Values of sorted columns at the shares `at` of their order."""
    return ordered[(at * len(ordered)).long().clamp(max=len(ordered) - 1)]
