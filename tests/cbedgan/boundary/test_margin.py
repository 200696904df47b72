import math

import pytest
import torch

from cbedgan.boundary.margin import LatentClassifier, LatentPaths, margin, slerp


def paths(kind, z_b=None):
    z_a = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    e_a, e_b = torch.tensor([[0.0], [1.0]]), torch.tensor([[10.0], [3.0]])
    return LatentPaths(kind, lambda z, e: torch.cat([z**3, e], 1), z_a, z_a if z_b is None else z_b, e_a, e_b)


def test_margin_is_positive_for_class_a():
    logits = torch.tensor([[1.0, 4.0, 2.0], [0.0, -1.0, 5.0]])
    assert margin(logits, torch.tensor([1, 0]), torch.tensor([2, 2])).tolist() == [2.0, -5.0]


def test_class_path_keeps_z_and_mixes_the_classes():
    w = paths("class").w(torch.tensor([[0.0], [0.25], [1.0]], dtype=torch.float64))
    assert w.shape == (3, 2, 3) and w.dtype == torch.float32
    assert w[:, 0].tolist() == [[27.0, 0.0, 0.0], [27.0, 0.0, 2.5], [27.0, 0.0, 10.0]]


def test_every_path_may_have_its_own_position():
    w = paths("class").w(torch.tensor([0.5, 1.0]))
    assert w[:, 2].tolist() == [5.0, 3.0]


def test_w_path_is_straight_between_the_mapped_ends():
    z_b = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    w = paths("w", z_b).w(torch.tensor([0.5]))
    assert w.tolist() == [[14.0, 0.0, 5.0], [0.0, 4.5, 2.0]]


def test_slerp_turns_evenly_and_never_shortens():
    z_a, z_b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    third = slerp(z_a, z_b, torch.tensor([[1 / 3]]))
    assert torch.allclose(third, 2 * torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)]]))


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_slerp_of_parallel_ends_is_straight(factor):
    z = torch.tensor([[1.0, 2.0]])
    assert torch.allclose(slerp(z, factor * z, torch.tensor([[0.5]])), z * (1 + factor) / 2)


def test_slerp_ends_where_it_should():
    generator = torch.Generator().manual_seed(0)
    z_a, z_b = torch.randn(2, 5, 8, generator=generator)
    assert torch.allclose(slerp(z_a, z_b, torch.zeros(5, 1)), z_a, atol=1e-6)
    assert torch.allclose(slerp(z_a, z_b, torch.ones(5, 1)), z_b, atol=1e-6)


def test_the_latent_classifier_splits_into_batches_without_changing_shape_or_order():
    sizes = []
    def synthesise(w):
        sizes.append(len(w))
        return 2 * w
    latent_classifier = LatentClassifier(synthesise, lambda x: x + 1, batch=4)
    w = torch.arange(18.0).reshape(3, 3, 2)
    assert torch.equal(latent_classifier.logits(w), 2 * w + 1) and sizes == [4, 4, 1]
    a, b = torch.tensor([0, 0, 1]), torch.tensor([1, 1, 0])
    assert latent_classifier.margin(w, a, b)[0].tolist() == [-2.0, -2.0, 2.0]
