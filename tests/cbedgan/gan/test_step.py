"""One step: what it draws, what it changes, what it counts, and that a broken batch changes nothing."""

import copy
import math

import numpy as np
import pytest
import torch

from cbedgan.gan import step as step_module
from cbedgan.gan.batch import draw_batch
from cbedgan.gan.network.pixel_generator import principal_components
from cbedgan.gan.state import TERMS, State
from cbedgan.gan.step import take_step
from classifier.foundation.ranks import Ranks
from classifier.samples.dataset import StackSet

CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)


@pytest.fixture
def data(tiny_data):
    return tiny_data()


def parameters(state: State) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value.detach().clone() for name in ("generator", "discriminator", "generator_ema")
            for key, value in getattr(state, name).named_parameters()}


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_generator_learns_at_its_share_of_the_rate(data, tiny_config, rate):
    config = tiny_config(optimiser={"generator_rate": rate})
    state = State(config, data)
    before = parameters(state)
    take_step(state, config, data, ALONE)
    after, start = parameters(state), config.optimiser.learning_rate.start
    # Adam's first step moves every parameter that has a gradient by the learning rate.
    for name, expected in (("generator", rate * start), ("discriminator", start)):
        moved = max(float((after[key] - before[key]).abs().max()) for key in before if key.startswith(f"{name}."))
        assert moved == pytest.approx(expected, rel=0.01)


def test_a_step_is_a_function_of_state_and_images_seen(data, tiny_config):
    config = tiny_config()
    first, second = State(config, data), State(config, data)
    torch.manual_seed(99)  # the global numbers have no part in it
    for state in (first, second):
        take_step(state, config, data, ALONE)
        take_step(state, config, data, ALONE)
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
        take_step(state, config, data, ALONE)
    still = {name for name, value in parameters(state).items() if torch.equal(value, before[name])}
    # In a difference of logits the constant of each head cancels.
    assert still <= {"discriminator.head.bias", "discriminator.unconditional.2.bias"}
    report = state.report()
    assert set(report) <= set(TERMS) and {"loss_d", "loss_g", "r1", "r2", "real_wins_few"} <= set(report)
    assert report["skipped_generator"] == 0 and 0 <= report["real_wins_few"] <= 1 and state.report() == {}


def test_penalties_act_every_kth_step_times_k(data, monkeypatch, tiny_config):
    seen = []
    def spy(*inputs):
        seen.append(inputs[-1])
        return genuine(*inputs)
    genuine = step_module.discriminator_step
    monkeypatch.setattr(step_module, "discriminator_step", spy)
    config = tiny_config(penalty={"every": 3, "gamma": {"start": 0.2, "end": 0.2}})
    state = State(config, data)
    for _ in range(7):
        take_step(state, config, data, ALONE)
    assert seen == [pytest.approx(0.6), None, None] * 2 + [pytest.approx(0.6)]


def test_schedules_reach_the_optimisers(data, tiny_config):
    config = tiny_config(burn_in_share=0.5)
    state = State(config, data)
    state.images_seen = 512
    take_step(state, config, data, ALONE)
    for optimiser in state.optimisers.values():
        assert optimiser.param_groups[0]["lr"] == pytest.approx(2e-4)
        assert optimiser.param_groups[0]["betas"] == (0.0, pytest.approx(0.99))


def test_a_batch_that_is_not_finite_is_skipped_and_counted(data, tiny_config):
    config = tiny_config()
    state = State(config, data)
    take_step(state, config, data, ALONE)
    before = parameters(state)
    clean = data.samples.x.clone()
    data.samples.x.fill_(math.nan)
    take_step(state, config, data, ALONE)
    after = parameters(state)
    assert state.skipped.tolist() == [1, 1] and state.images_seen == 32
    assert all(torch.equal(after[name], before[name]) for name in before)
    data.samples.x.copy_(clean)
    take_step(state, config, data, ALONE)
    report = state.report()
    assert state.skipped.tolist() == [1, 1] and all(math.isfinite(value) for value in report.values())
    assert report["skipped_discriminator"] == report["skipped_generator"] == pytest.approx(1 / 3)


def test_a_network_whose_gradient_is_not_finite_is_skipped_alone(data, monkeypatch, tiny_config):
    config = tiny_config(augmentation={"adaptive": {"target": 0.0, "images": 16, "largest": 1.0, "by_shots": False}})
    state = State(config, data)
    take_step(state, config, data, ALONE)
    genuine = step_module.generator_step
    def broken(sight, fake, *inputs):
        return genuine(sight, fake * math.nan, *inputs)
    monkeypatch.setattr(step_module, "generator_step", broken)
    before, share, moments = parameters(state), state.augment_probability, moments_of(state, "generator")
    take_step(state, config, data, ALONE)
    after = parameters(state)
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("generator")} <= still < before.keys()
    assert all(torch.equal(old, new) for old, new in zip(moments, moments_of(state, "generator"), strict=True))
    assert state.skipped.tolist() == [0, 1] and not torch.equal(share, state.augment_probability)
    monkeypatch.setattr(step_module, "generator_step", genuine)
    monkeypatch.setattr(step_module, "discriminator_step", overflowing(step_module.discriminator_step))
    share, moments = state.augment_probability, moments_of(state, "discriminator")
    take_step(state, config, data, ALONE)
    still = {name for name, value in parameters(state).items() if torch.equal(after[name], value)}
    assert {name for name in after if name.startswith("discriminator")} <= still < after.keys()
    assert all(torch.equal(old, new) for old, new in zip(moments, moments_of(state, "discriminator"), strict=True))
    assert state.skipped.tolist() == [1, 1] and torch.equal(share, state.augment_probability)
    assert all(math.isfinite(value) for value in state.report().values())


def overflowing(step):
    """A discriminator step that leaves one gradient beyond all numbers."""
    def leave(sight, *inputs):
        terms = step(sight, *inputs)
        sight.discriminator.features.weight.grad[0, 0] = math.inf
        return terms
    return leave


def moments_of(state: State, name: str) -> list[torch.Tensor]:
    return [value.clone() for held in state.optimisers[name].state.values() for value in held.values()]


def test_a_step_draws_generated_stacks_of_the_real_classes(data, monkeypatch, tiny_config):
    config, pairs = tiny_config(augmentation={"probability": 0.0}), []
    def spy(sight, real, fake, class_idx, gamma):
        rows = [int((data.samples.x == x).flatten(1).all(1).nonzero()[0, 0]) for x in real]
        pairs.append((data.samples.class_idx[rows], class_idx))
        return genuine(sight, real, fake, class_idx, gamma)
    genuine = step_module.discriminator_step
    monkeypatch.setattr(step_module, "discriminator_step", spy)
    take_step(State(config, data), config, data, ALONE)
    assert torch.equal(*pairs[0])


def test_shot_groups_count_training_materials(tiny_data):
    assert tiny_data(materials=21, samples_per_material=5).shots.tolist() == [1, 1, 1, 1]
    assert tiny_data(materials=20, samples_per_material=6).shots.tolist() == [0] * 4


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
        take_step(state, config, data, ALONE)
    state.save(tmp_path / "c.safetensors", {})
    again.load(tmp_path / "c.safetensors")
    for one in (state, again):
        take_step(one, config, data, ALONE)
    first, second = parameters(state), parameters(again)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.images_seen == 64 and torch.equal(state.sums, again.sums) and torch.equal(state.counts, again.counts)


def test_the_step_never_asks_the_device_for_a_number(data, monkeypatch, tiny_config):
    config = tiny_config()
    state = State(config, data)
    take_step(copy.copy(state), config, data, ALONE)
    def refuse(*_: object) -> None:
        raise AssertionError("a value was read back")
    step = take_step
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "item", refuse)
        patch.setattr(torch.Tensor, "tolist", refuse)
        patch.setattr(torch.Tensor, "__bool__", refuse)
        patch.setattr(torch.Tensor, "__float__", refuse)
        step(state, config, data, ALONE)
    assert np.isfinite(state.sums.numpy()).all()


@pytest.mark.parametrize("micro_batch", [None, 5])
def test_real_stacks_are_read_once_a_step_and_by_the_rank_that_owns_them(data, monkeypatch, tiny_config, micro_batch):
    config, read = tiny_config().model_copy(update={"micro_batch": micro_batch}), []
    def spy(samples, rows):
        read.append(rows(0))
        return genuine(samples, rows)
    genuine = StackSet.gather
    monkeypatch.setattr(StackSet, "gather", spy)
    state = State(config, data)
    for _ in range(2):
        take_step(state, config, data, ALONE)
    assert [len(rows) for rows in read] == [16, 16]
    whole, shares = read[1], [Ranks(number, 3, CPU).rows(16) for number in range(3)]
    read.clear()
    for rows in shares:
        draw_batch(config.draws(16), data, rows)
    assert [len(rows) for rows in read] == [5, 5, 6] and np.array_equal(np.concatenate(read), whole)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("micro_batch", [None, 6])
def test_the_step_never_waits_for_the_gpu(tiny_data, tiny_config, micro_batch):
    config = tiny_config(device="cuda", penalty={"every": 2}, augmentation={
        "adaptive": {"target": 0.6, "images": 64, "largest": 0.8, "by_shots": True}})
    config, gpu = config.model_copy(update={"micro_batch": micro_batch}), torch.device("cuda")
    data = tiny_data("cuda")
    state = State(config, data)
    for turn in range(4):  # the first two find their algorithms
        torch.cuda.set_sync_debug_mode("error" if turn > 1 else "default")
        try:
            take_step(state, config, data, Ranks(0, 1, gpu))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert state.skipped.tolist() == [0, 0] and state.images_seen == 64
