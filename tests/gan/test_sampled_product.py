"""Products of chosen pairs of rows are those of the rows laid side by side, and so are their gradients."""

from __future__ import annotations

import torch

from cbedgan.gan.sampled_product import sampled_product


def test_products_and_gradients_are_those_of_rows_side_by_side() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 7, requires_grad=True), torch.randn(11, 7)
    row_a, row_b = torch.tensor([0, 0, 0, 2, 4, 4]), torch.tensor([10, 3, 3, 0, 7, 1])  # rows 1 and 3 have no pair
    gradient = torch.randn(6)
    plain = (a[row_a] * b[row_b]).sum(1)
    wanted, = torch.autograd.grad(plain, a, gradient)
    found = sampled_product(a, b, row_a, row_b)
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(torch.autograd.grad(found, a, gradient)[0], wanted)
    assert not wanted[[1, 3]].any()


def test_no_pairs_are_no_products() -> None:
    a, none = torch.randn(2, 3, requires_grad=True), torch.zeros(0, dtype=torch.int64)
    found = sampled_product(a, torch.randn(4, 3), none, none)
    assert found.shape == (0,)
    assert not torch.autograd.grad(found.sum(), a)[0].any()
