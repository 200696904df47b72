"""Inner products of chosen pairs of rows, on a CPU without laying the rows side by side in memory."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def sampled_product(a: Tensor, b: Tensor, row_a: Tensor, row_b: Tensor) -> Tensor:
    """<a[row_a[p]], b[row_b[p]]> [P] of rows of a [M, K] and b [N, K]; row_a [P] must not fall, b gets no gradient."""
    if a.device.type == "cpu":
        return _SampledProduct.apply(a, b, row_a, row_b)
    return (a.index_select(0, row_a) * b.index_select(0, row_b)).sum(1)


class _SampledProduct(torch.autograd.Function):
    """The pairs are the entries of a sparse matrix [M, N]: the products fill it, and its product with b goes back."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, row_a: Tensor, row_b: Tensor) -> Tensor:
        begins = torch.searchsorted(row_a, torch.arange(len(a) + 1))
        ctx.save_for_backward(begins, row_b, b)
        pairs = _sparse(begins, row_b, a.new_zeros(len(row_b)), len(b))
        return torch.sparse.sampled_addmm(pairs, a, b.T, beta=0.0).values()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        begins, row_b, b = ctx.saved_tensors
        return _sparse(begins, row_b, gradient.contiguous(), len(b)) @ b, None, None, None


def _sparse(begins: Tensor, column: Tensor, values: Tensor, columns: int) -> Tensor:
    """The matrix with `values` at `column`, row by row: row m has those from begins[m] to begins[m + 1]."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        return torch.sparse_csr_tensor(begins, column, values, (len(begins) - 1, columns), check_invariants=False)
