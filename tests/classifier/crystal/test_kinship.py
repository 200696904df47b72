import numpy as np
import torch

from classifier.crystal.kinship import shared_traits, traits_of
from classifier.network.kinship_head import KinshipHead


def test_traits_of_known_groups() -> None:
    assert {"centrosymmetric", "non-symmorphic", "orthorhombic, direction 2: m", "glide n", "system orthorhombic",
            "centring P", "point group mmm"} <= traits_of(62)  # P n m a: glides across the first and third direction
    assert "orthorhombic, direction 3: a glide" in traits_of(62) and "screw" not in traits_of(225)
    assert {"screw 42", "tetragonal, direction 1: 42/m", "tetragonal, direction 1: m"} <= traits_of(136)
    assert "acentric" in traits_of(216) and "symmorphic" in traits_of(216)


def test_traits_of_one_group_alone_or_of_all_are_left_out() -> None:
    names, matrix = shared_traits((225, 227, 62))
    assert matrix.shape == (3, len(names)) and set(np.unique(matrix)) == {0.0, 1.0}
    assert "system cubic" in names and "point group m-3m" in names  # of two
    assert "system orthorhombic" not in names and "centrosymmetric" not in names  # of one, of all
    np.testing.assert_array_equal(matrix[:, names.index("system cubic")], [1, 1, 0])


def test_two_groups_have_no_trait_that_tells_anything_and_a_head_all_the_same() -> None:
    names, matrix = shared_traits((194, 225))
    assert names == () and matrix.shape == (2, 0)
    head = KinshipHead(4, (194, 225))
    logits = head(torch.ones(3, 4))
    logits.sum().backward()
    head.fold()
    torch.testing.assert_close(head(torch.ones(3, 4)), logits)


def test_all_230_groups_have_traits_and_different_ones_but_for_the_hand() -> None:
    every = [traits_of(number) for number in range(1, 231)]
    assert all(len(traits) >= 8 for traits in every)
    assert len(set(every)) >= 230 - 2  # I23 and I2_13, I222 and I2_12_12_1 differ in their symbols alone
