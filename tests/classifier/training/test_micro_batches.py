from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.ranks import Ranks
from classifier.network.batch_draws import BatchDropout, place_rows
from classifier.network.model import ModelConfig
from classifier.pattern.augment import AugmentConfig, augment
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import StackSet
from classifier.training.batches import Source, class_sizes, draw_batch
from classifier.training.sampling import PowerSampler
from classifier.training.state import State
from classifier.training.step import step

MAP = ClassMap((194, 216, 225))
CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)
LOSSES = ({"kind": "logit_adjusted", "tau": 1.0}, {"kind": "weighted", "weights": "inverse", "beta": 0.0},
          {"kind": "ldam", "largest_margin": 0.5, "deferred_from": 0.0, "beta": 0.9})


def sources(device: torch.device = CPU) -> list[Source]:
    """A source of 8, 4 and 2 materials of three classes, and an added one, of random stacks."""
    made = []
    for number, (counts, weight) in enumerate((((8, 4, 2), 1.0), ((0, 3, 3), 0.5))):
        class_idx = torch.from_numpy(np.repeat(np.arange(3), counts))
        names, n = np.arange(len(class_idx)).astype(str), len(class_idx)
        x = torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(number)) + class_idx[:, None, None, None]
        samples = StackSet(x, class_idx, torch.eye(3)[class_idx], names, names, names, np.full(n, "simulated"))
        made.append(Source.build(samples, sampler=PowerSampler(power=0.5), weight=weight, device=device))
    return made


def trained(config, steps: int = 4) -> State:
    given = sources()
    state, sizes = State(config, MAP, CPU, (3, 16, 16)), class_sizes(config, given)
    for _ in range(steps):
        step(state, config, given, sizes, MAP, ALONE)
        state.images_seen += config.batch
    return state


def largest_difference(one: State, two: State) -> float:
    return max(float((a - b).detach().abs().max())
               for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))


def test_dropout_is_torchs_own_to_the_bit_and_the_same_in_parts() -> None:
    h = torch.randn(10, 33)
    ours, theirs = BatchDropout(0.3), nn.Dropout(0.3)
    torch.manual_seed(3)
    whole = ours(h)
    torch.manual_seed(3)
    assert torch.equal(whole, theirs(h)) and (whole == 0).any()
    for first, last in ((0, 4), (4, 5), (5, 10)):
        torch.manual_seed(3)
        place_rows(ours, first, 10)
        assert torch.equal(ours(h[first:last]), whole[first:last])
    assert torch.equal(ours.eval()(h), h)


def test_rows_of_a_batch_are_drawn_and_augmented_as_in_the_whole(make_train_config) -> None:
    config = make_train_config(batch=12, synthetic_share=0.4)
    settings = AugmentConfig(quarter_turns=True, gain=0.1, shift_pixels=2, erase=0.5)
    def made(rows: range) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, target, weight = draw_batch(config, sources(), 24, rows)
        return *augment(x, target, torch.Generator().manual_seed(1), settings, MAP, rows), weight
    x, target, weight = made(range(12))
    for rows in (range(0, 5), range(5, 9), range(9, 12), range(3, 3)):
        part, labels, weights = made(rows)
        assert torch.equal(part, x[rows.start : rows.stop])
        assert torch.equal(labels, target) and torch.equal(weights, weight)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss["kind"])
@pytest.mark.parametrize("changes", [{}, {"mixup_alpha": 0.4}], ids=["plain", "mixup"])
def test_micro_batches_give_the_weights_of_the_whole_batch(make_train_config, loss, changes) -> None:
    config = make_train_config(loss=loss, gradient_clip=0.5, **changes)
    whole = trained(config)
    for size in (5, 16, 100):
        assert largest_difference(whole, trained(config.model_copy(update={"micro_batch": size}))) < 1e-5
    other = trained(config.model_copy(update={"seed": 2}))
    assert largest_difference(whole, other) > 1e-3


def test_one_random_pattern_is_drawn_for_the_whole_batch(make_train_config) -> None:
    config = make_train_config()
    config = config.model_copy(update={"model": config.model.model_copy(update={"patterns": "one_random"})})
    assert largest_difference(trained(config), trained(config.model_copy(update={"micro_batch": 7}))) < 1e-5


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty"])
def test_pose_and_tasks_are_cut_with_their_stacks(make_train_config, monkeypatch, weighting) -> None:
    config = make_train_config()
    tasks = {"weights": {"cell_lengths": 0.5, "crystal_system": 1.0}, "weighting": weighting}
    model = ModelConfig(**config.model.model_dump(), pose_input=True, tasks=tasks)
    config, plain = config.model_copy(update={"model": model}), sources
    def with_columns(device: torch.device = CPU) -> list[Source]:
        return [replace(one, samples=replace(one.samples, pose=one.samples.x.mean((2, 3)).repeat(1, 3),
                                             task_target=torch.eye(10)[one.samples.class_idx + 3]))
                for one in plain(device)]
    monkeypatch.setitem(globals(), "sources", with_columns)
    assert largest_difference(trained(config), trained(config.model_copy(update={"micro_batch": 5}))) < 1e-5


def test_a_training_in_micro_batches_resumes_to_the_same_bits(make_train_config, tmp_path) -> None:
    config = make_train_config(micro_batch=6)
    state, given = trained(config, steps=3), sources()
    state.save(tmp_path / "c.safetensors", {})
    again, sizes = State(config, MAP, CPU, (3, 16, 16)), class_sizes(config, given)
    again.load(tmp_path / "c.safetensors")
    for one in (state, again):
        step(one, config, given, sizes, MAP, ALONE)
    assert largest_difference(state, again) == 0


def test_a_step_that_is_not_finite_changes_nothing_but_the_count(make_train_config) -> None:
    config, given = make_train_config(), sources()
    state, sizes = State(config, MAP, CPU, (3, 16, 16)), class_sizes(config, given)
    sick = [replace(one, samples=replace(one.samples, x=one.samples.x * float("nan"))) for one in given]
    before = [{name: tensor.clone() for name, tensor in network.state_dict().items()}
              for network in (state.model, state.average)]
    assert step(state, config, sick, sizes, MAP, ALONE).isnan()
    step(state, config, sick, sizes, MAP, ALONE)
    for network, held in zip((state.model, state.average), before, strict=True):
        assert all(torch.equal(tensor, held[name]) for name, tensor in network.state_dict().items())
    assert (state.skipped, state.unreported, state.loss_sum) == (2, 0, 0)
    healthy = State(config, MAP, CPU, (3, 16, 16))
    for one in (state, healthy):
        loss = step(one, config, given, sizes, MAP, ALONE)
    assert largest_difference(state, healthy) == 0
    assert (state.skipped, state.unreported, state.loss_sum) == (2, 1, loss)


@pytest.mark.slow
def test_bf16_learns_too_and_is_recorded(data, make_train_config, tmp_path) -> None:
    config = make_train_config(precision="bf16")
    path = data.train(config, out=tmp_path / "clf")
    losses = [float(line.split('"loss": ')[1].split(",")[0])
              for line in (tmp_path / "clf/metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]
    classifier = load_classifier(path)
    assert classifier.provenance["config"]["precision"] == "bf16"
    assert {tensor.dtype for tensor in classifier.model.parameters()} == {torch.float32}
    with torch.autocast("cpu", torch.bfloat16):
        assert classifier.model(torch.zeros(1, 3, 16, 16)).dtype == torch.float32
    assert largest_difference(trained(config), trained(make_train_config())) > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_never_waits_for_the_gpu(make_train_config) -> None:
    config = make_train_config(precision="bf16", device="cuda", micro_batch=8, augment={
        "mirror": True, "half_turn": True, "quarter_turns": False, "gain": 0.02, "shift_pixels": 1})
    gpu = torch.device("cuda")
    given = sources(gpu)
    state, sizes = State(config, MAP, gpu, (3, 16, 16)), class_sizes(config, given).to(gpu)
    for turn in range(3):
        torch.cuda.set_sync_debug_mode("error" if turn else "default")
        try:
            step(state, config, given, sizes, MAP, Ranks(0, 1, gpu))
        finally:
            torch.cuda.set_sync_debug_mode("default")
        state.images_seen += config.batch
    assert float(state.unreported) == 3
