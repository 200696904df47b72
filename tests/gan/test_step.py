"""One step: what it draws, what it changes, what it counts, and that a broken batch changes nothing."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cbedgan.gan import step as step_module
from cbedgan.gan.state import TERMS, State, principal_components
from cbedgan.gan.step import make_augmentation, take_step
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from classifier.dataset import load_physical, stack_set
from classifier.intensity import IntensityTransform
from classifier.spacegroup import ClassMap

CPU = torch.device("cpu")


def make_data(stacks: Path, config: TrainGanConfig) -> Data:
    physical, table, _ = load_physical(stacks, config.view)
    class_map = ClassMap.of(table.space_group)
    samples = stack_set(physical, table, class_map=class_map, source=stacks,
                        transform=IntensityTransform.fit(physical, config.intensity))
    return Data.build(samples, class_map, config, CPU)


@pytest.fixture
def data(tiny_stack_file, tiny_config):
    return make_data(tiny_stack_file(), tiny_config())


def parameters(state: State) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value.detach().clone() for name in ("generator", "discriminator", "generator_ema")
            for key, value in getattr(state, name).named_parameters()}


def test_a_step_is_a_function_of_state_and_images_seen(data, tiny_config):
    config = tiny_config()
    first, second = State(config, data), State(config, data)
    torch.manual_seed(99)  # the global numbers have no part in it
    for state in (first, second):
        take_step(state, config, data)
        take_step(state, config, data)
    assert first.images_seen == 32
    one, other = parameters(first), parameters(second)
    assert all(torch.equal(one[name], other[name]) for name in one)
    third = State(tiny_config(seed=4), data)
    assert not torch.equal(parameters(third)["generator.basis.0"], one["generator.basis.0"])


def test_a_step_trains_both_networks_and_their_average(data, tiny_config):
    config = tiny_config()
    state = State(config, data)
    for _ in range(2):  # blocks start at zero: their first convolutions move at the second step
        before = parameters(state)
        take_step(state, config, data)
    still = {name for name, value in parameters(state).items() if torch.equal(value, before[name])}
    # In a difference of logits the constant of each head cancels.
    assert still <= {"discriminator.head.bias", "discriminator.unconditional.2.bias"}
    report = state.report()
    assert set(report) <= set(TERMS) and {"loss_d", "loss_g", "r1", "r2", "twins", "real_wins_few"} <= set(report)
    assert report["skipped"] == 0 and 0 <= report["real_wins_few"] <= 1 and state.report() == {}


def test_penalties_act_every_kth_step_times_k(data, monkeypatch, tiny_config):
    seen = []

    def spy(*inputs, gamma, penalise, **settings):
        seen.append((penalise, gamma))
        return genuine(*inputs, gamma=gamma, penalise=penalise, **settings)

    genuine = step_module.discriminator_step
    monkeypatch.setattr(step_module, "discriminator_step", spy)
    config = tiny_config(penalty_every=3, gamma={"start": 0.2, "end": 0.2})
    state = State(config, data)
    for _ in range(7):
        take_step(state, config, data)
    assert [penalise for penalise, _ in seen] == [True, False, False] * 2 + [True]
    assert all(gamma == pytest.approx(0.6) for _, gamma in seen)


def test_schedules_reach_the_optimisers(data, tiny_config):
    config = tiny_config(burn_in_share=0.5)
    state = State(config, data)
    state.images_seen = 512
    take_step(state, config, data)
    for optimiser in state.optimisers.values():
        assert optimiser.param_groups[0]["lr"] == pytest.approx(2e-4)
        assert optimiser.param_groups[0]["betas"] == (0.0, pytest.approx(0.99))


def test_a_batch_that_is_not_finite_is_skipped_and_counted(data, tiny_config):
    config = tiny_config()
    state = State(config, data)
    take_step(state, config, data)
    before = parameters(state)
    clean = data.samples.x.clone()
    data.samples.x.fill_(math.nan)
    take_step(state, config, data)
    after = parameters(state)
    assert state.skipped == 1 and state.images_seen == 32
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith("generator_ema"))
    data.samples.x.copy_(clean)
    take_step(state, config, data)
    report = state.report()
    assert state.skipped == 1 and all(math.isfinite(value) for value in report.values())
    assert report["skipped"] == pytest.approx(1 / 3)


def test_a_step_draws_generated_stacks_of_the_real_classes(data, monkeypatch, tiny_config):
    config, pairs = tiny_config(augment_probability=0.0), []

    def spy(discriminator, real, fake, class_idx, **settings):
        rows = [int((data.samples.x == x).flatten(1).all(1).nonzero()[0, 0]) for x in real]
        pairs.append((data.samples.class_idx[rows], class_idx))
        return genuine(discriminator, real, fake, class_idx, **settings)

    genuine = step_module.discriminator_step
    monkeypatch.setattr(step_module, "discriminator_step", spy)
    take_step(State(config, data), config, data)
    assert torch.equal(*pairs[0])


def test_augmentation_repeats_its_draws_and_moves_the_label_of_a_mirrored_stack(tiny_config):
    class_map = ClassMap((76, 78, 194))  # 4_1 and 4_3 are mirror images of each other
    still = {"half_turn": False, "quarter_turns": False, "gain": 0.0, "shift_pixels": 0}
    config = tiny_config(augment_probability=1.0, augment={"mirror": True, **still})
    x, class_idx = torch.randn(64, 3, 4, 4), torch.tensor([0, 1, 2, 2] * 16)
    augmentation = make_augmentation(config, class_map, seed=5)
    (once, label), (again, same) = augmentation(x, class_idx), augmentation(x, class_idx)
    assert torch.equal(once, again) and torch.equal(label, same)
    mirrored = (once == x.flip(-2)).flatten(1).all(1)
    assert 15 < mirrored.sum() < 49 and torch.equal(once[~mirrored], x[~mirrored])
    assert torch.equal(label, torch.where(mirrored & (class_idx < 2), 1 - class_idx, class_idx))
    half = make_augmentation(config.model_copy(update={"augment_probability": 0.5}), class_map, 5)(x, class_idx)[0]
    assert 5 < (half != x).flatten(1).any(1).sum() < 28
    none = make_augmentation(config.model_copy(update={"augment_probability": 0.0}), class_map, 5)
    assert none(x, class_idx)[0] is x


def test_shot_groups_count_training_materials(tiny_stack_file, tiny_config):
    stacks = tiny_stack_file(materials=21, samples_per_material=5)
    assert make_data(stacks, tiny_config()).shots.tolist() == [1, 1, 1, 1]
    assert make_data(tiny_stack_file(materials=20, samples_per_material=6), tiny_config()).shots.tolist() == [0] * 4


def test_principal_components_rebuild_patterns_of_few_degrees_of_freedom():
    torch.manual_seed(0)
    shapes = torch.randn(2, 8, 8)
    x = torch.einsum("nck,khw->nchw", torch.randn(50, 3, 2), shapes)
    components = principal_components(x, 2)
    assert components.shape == (2, 8, 8)
    centred = (x - x.mean(0)).flatten(2).flatten(0, 1)
    weight = torch.linalg.lstsq(components.flatten(1).T, centred.T).solution
    torch.testing.assert_close(components.flatten(1).T @ weight, centred.T, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(weight.square().mean(1), torch.ones(2), atol=1e-3, rtol=1e-3)


def test_a_checkpoint_restores_every_part(data, tmp_path, tiny_config):
    config = tiny_config()
    state, again = State(config, data), State(tiny_config(seed=8), data)
    for _ in range(3):
        take_step(state, config, data)
    state.save(tmp_path / "c.safetensors", {})
    again.load(tmp_path / "c.safetensors")
    for one in (state, again):
        take_step(one, config, data)
    first, second = parameters(state), parameters(again)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.images_seen == 64 and torch.equal(state.sums, again.sums) and torch.equal(state.counts, again.counts)


def test_the_step_never_asks_the_device_for_a_number(data, monkeypatch, tiny_config):
    config = tiny_config()
    state = State(config, data)
    take_step(copy.copy(state), config, data)

    def refuse(*_: object) -> None:
        raise AssertionError("a value was read back")

    step = take_step
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "item", refuse)
        patch.setattr(torch.Tensor, "tolist", refuse)
        patch.setattr(torch.Tensor, "__bool__", refuse)
        patch.setattr(torch.Tensor, "__float__", refuse)
        step(state, config, data)
    assert np.isfinite(state.sums.numpy()).all()
