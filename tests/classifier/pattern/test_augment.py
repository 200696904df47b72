import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.pattern.augment import AugmentConfig, augment, erase, gain, mirror, shift, turn

OFF = AugmentConfig(mirror=False, half_turn=False, gain=0.0)
CHIRAL = ClassMap((76, 78, 152, 225))  # 76 and 78 are a pair; 154, the partner of 152, is missing


def stacks(n: int = 64) -> torch.Tensor:
    return torch.randn(n, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_mirrored_chiral_stack_changes_its_label() -> None:
    x, label = stacks(4), torch.tensor([0, 1, 2, 3])
    mirrored, swapped = mirror(x, label, torch.ones(4, dtype=torch.bool), CHIRAL)
    assert swapped.tolist() == [1, 0, 2, 3]
    flipped = [torch.equal(mirrored[i], x[i].flip(-2)) for i in range(4)]
    assert flipped == [True, True, False, True] and torch.equal(mirrored[2], x[2])


def test_no_random_choice_mirrors_a_chiral_stack_without_its_label() -> None:
    x, label = stacks(), torch.arange(64) % 4
    y, swapped = augment(x, label, seeded(), OFF.model_copy(update={"mirror": True}), CHIRAL)
    was_mirrored = torch.tensor([torch.equal(a, b.flip(-2)) for a, b in zip(y, x, strict=True)])
    in_pair = label < 2
    assert torch.equal(was_mirrored[in_pair], (swapped != label)[in_pair])
    assert torch.equal(swapped[~in_pair], label[~in_pair])
    assert not was_mirrored[label == 2].any() and 0 < was_mirrored[label == 3].sum() < 16


def test_soft_labels_move_with_the_mirror_or_block_it() -> None:
    soft = torch.tensor([[0.6, 0.1, 0.0, 0.3], [0.6, 0.1, 0.1, 0.2]])
    x = stacks(2)
    y, moved = mirror(x, soft, torch.ones(2, dtype=torch.bool), CHIRAL)
    assert torch.equal(moved[0], soft[0, [1, 0, 2, 3]]) and torch.equal(moved[1], soft[1])
    assert torch.equal(y[0], x[0].flip(-2)) and torch.equal(y[1], x[1])


def test_turns_are_exact_and_alike_on_all_patterns() -> None:
    x = stacks(4)
    turned = turn(x, torch.arange(4))
    for k in range(4):
        assert torch.equal(turned[k], torch.rot90(x[k], -k, (-2, -1)))


def test_half_turns_alone_keep_the_first_reflection_on_the_x_axis() -> None:
    x = torch.zeros(32, 3, 7, 7)
    x[:, :, 3, 5] = 1
    y, _ = augment(x, torch.zeros(32, dtype=torch.int64), seeded(), OFF.model_copy(update={"half_turn": True}), CHIRAL)
    places = {tuple(place.tolist()) for stack in y for place in stack[0].nonzero()}
    assert places == {(3, 5), (3, 1)}


def test_a_shift_moves_whole_pixels_and_repeats_the_edge() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 3, 4, 4)
    moved = shift(x, torch.tensor([1]), torch.tensor([-2]))[0, 2]
    assert moved.tolist() == [[2, 3, 3, 3], [2, 3, 3, 3], [6, 7, 7, 7], [10, 11, 11, 11]]


def test_a_gain_is_one_number_a_stack() -> None:
    x = stacks(2)
    assert torch.allclose(gain(x, torch.tensor([0.5, -1.0])) - x, torch.tensor([0.5, -1.0])[:, None, None, None])


def test_a_rectangle_is_erased_where_it_should_be() -> None:
    x = torch.zeros(2, 3, 4, 8)
    # A quarter of the pattern, four times as high as wide: all 4 rows, a quarter of the columns, at the right edge.
    y = erase(x, torch.tensor([0.25, 0.0]), torch.tensor([4.0, 1.0]), torch.tensor([0.5, 0.5]), torch.tensor([1., 1.]))
    assert torch.equal(y[1], x[1]) and torch.equal(y[0], torch.tensor([0.0] * 6 + [-1.0] * 2).expand(3, 4, 8))


def test_a_share_of_the_stacks_is_erased_alike_in_their_patterns() -> None:
    x, label = torch.zeros(400, 3, 16, 16), torch.zeros(400, dtype=torch.int64)
    y, same = augment(x, label, seeded(), OFF.model_copy(update={"erase": 0.8}), CHIRAL)
    share = (y[:, 0] == -1).double().mean((1, 2))
    assert same is label and torch.equal(y[:, 0], y[:, 2])
    assert 0.75 < (share > 0).double().mean() < 0.85 and 0.3 < share.max() < 0.4
    assert share[share > 0].mean().item() == pytest.approx(0.175, abs=0.02) and "erase" not in OFF.model_dump()


def test_everything_at_once_is_seeded_and_differentiable() -> None:
    config = AugmentConfig(quarter_turns=True, gain=0.1, shift_pixels=1)
    x, label = stacks().requires_grad_(), torch.arange(64) % 4
    first, _ = augment(x, label, seeded(5), config, CHIRAL)
    again, _ = augment(x, label, seeded(5), config, CHIRAL)
    other, _ = augment(x, label, seeded(6), config, CHIRAL)
    assert torch.equal(first, again) and not torch.equal(first, other)
    gradient, = torch.autograd.grad(first.sum(), x)
    assert gradient.sum() == first.numel()


def test_nothing_asked_is_nothing_done() -> None:
    x, label = stacks(), torch.arange(64) % 4
    y, same = augment(x, label, seeded(), OFF, CHIRAL)
    assert y is x and same is label


def test_quarter_turns_of_oblong_patterns_are_refused() -> None:
    with pytest.raises(InputError, match="square"):
        augment(torch.zeros(1, 3, 4, 6), torch.zeros(1, dtype=torch.int64), seeded(),
                OFF.model_copy(update={"quarter_turns": True}), CHIRAL)
