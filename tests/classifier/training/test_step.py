import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.ranks import Ranks
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.pattern.measurement import MeasurementConfig
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement
from classifier.training.batches import Source, class_sizes, draw_batch
from classifier.training.sampling import PowerSampler
from classifier.training.state import State
from classifier.training.step import step
from classifier.training.train_config import learning_rate

MAP = ClassMap((194, 216, 225))
CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)


def source(counts: tuple[int, ...], *, value: float = 0.0, power: float = 1.0, weight: float = 1.0) -> Source:
    """Stacks filled with `value`, counts[k] materials of class k."""
    class_idx = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
    n = len(class_idx)
    names = np.arange(n).astype(str)
    samples = StackSet(torch.full((n, 3, 16, 16), value), class_idx, torch.eye(3)[class_idx], names, names, names,
                       np.full(n, "simulated"))
    return Source.build(samples, sampler=PowerSampler(power=power), weight=weight, device=CPU)


def test_an_added_source_gives_its_exact_share_over_time(make_train_config) -> None:
    config = make_train_config(batch=10, synthetic_share=0.17)
    sources = [source((5, 3, 2), value=0.0), source((0, 4), value=1.0, weight=0.5)]
    added = 0
    for images_seen in range(0, 1000, 10):
        x, target, weight = draw_batch(config, sources, images_seen, range(10))
        from_added = x[:, 0, 0, 0] == 1
        assert x.shape == (10, 3, 16, 16) and target.shape == (10, 3)
        assert torch.equal(weight, torch.where(from_added, 0.5, 1.0)) and (target[from_added].argmax(1) == 1).all()
        added += int(from_added.sum())
    assert added == 170


def test_real_samples_come_last_and_the_loss_is_told(make_train_config) -> None:
    config = make_train_config(batch=10, images=100, synthetic_share=0.5, synthetic_weight=1.0, synthetic_until=0.35,
                               sampling_power=1.0)
    sources = [source((5, 3, 2)), source((0, 4), value=1.0, weight=1.0)]
    added = [int((draw_batch(config, sources, seen, range(10))[0] == 1).all(dim=(1, 2, 3)).sum())
             for seen in range(0, 100, 10)]
    assert added == [5] * 4 + [0] * 6
    priors = [class_sizes(config, sources, images_seen=seen) for seen in (0, 30, 40, 90)]
    assert [sizes.prior.tolist() for sizes in priors] == [pytest.approx([0.25, 0.65, 0.1])] * 2 + [
        pytest.approx([0.5, 0.3, 0.2])] * 2
    assert priors[0].materials.tolist() == [5, 7, 2] and priors[-1].materials.tolist() == [5, 3, 2]
    assert "synthetic_until" not in make_train_config().model_dump()  # older runs keep their digest


def test_without_an_added_source_the_batch_is_as_large(make_train_config) -> None:
    x, _, weight = draw_batch(make_train_config(), [source((5, 3, 2))], 0, range(16))
    assert len(x) == 16 and (weight == 1).all()


def test_the_prior_is_what_the_loss_sees(make_train_config) -> None:
    plain = class_sizes(make_train_config(sampling_power=1.0), [source((6, 3, 1))])
    assert plain.prior.tolist() == pytest.approx([0.6, 0.3, 0.1])
    mixed = class_sizes(make_train_config(synthetic_share=0.5, synthetic_weight=0.5),
                              [source((6, 3, 1)), source((0, 0, 7), weight=0.5)])
    assert mixed.prior.tolist() == pytest.approx([0.3 / 0.75, 0.15 / 0.75, 0.3 / 0.75])
    absent = class_sizes(make_train_config(), [source((6, 2))])
    assert absent.prior[1] / absent.prior[2] == pytest.approx(2)


def test_soft_labels_count_in_the_prior_where_their_shares_lie(make_train_config) -> None:
    added = source((0, 0, 4), weight=1.0)
    added.samples.soft_label[:] = torch.tensor([0.75, 0.0, 0.25])
    sizes = class_sizes(make_train_config(sampling_power=1.0, synthetic_share=0.5, synthetic_weight=1.0),
                              [source((6, 3, 1)), added])
    assert sizes.prior.tolist() == pytest.approx([0.3 + 0.375, 0.15, 0.05 + 0.125])


def test_the_learning_rate_warms_up_and_falls_to_zero(make_train_config) -> None:
    config = make_train_config(images=1000, batch=10, warmup_images=100, learning_rate=1.0)
    rates = [learning_rate(config, seen) for seen in range(0, 1001, 10)]
    assert rates[0] == pytest.approx(1 / 11) and rates[10] == 1.0 and rates[55] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0, abs=1e-12) and max(rates) == 1.0


def test_a_step_is_a_function_of_state_and_images_seen(make_train_config) -> None:
    config, sources = make_train_config(), [source((5, 3, 2), value=0.3)]
    sizes = class_sizes(config, sources)
    states = [State(config, MAP, CPU, (3, 16, 16)) for _ in range(2)]
    assert step(states[0], config, sources, sizes, MAP, ALONE) == step(states[1], config, sources, sizes, MAP, ALONE)
    torch.rand(7)
    step(states[0], config, sources, sizes, MAP, ALONE)
    step(states[1], config, sources, sizes, MAP, ALONE)
    for one, two in zip(states[0].model.parameters(), states[1].model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_state_survives_its_file_with_moments_laid_out_as_their_parameters(make_train_config, tmp_path) -> None:
    config, sources = make_train_config(), [source((5, 3, 2), value=0.3)]
    sizes = class_sizes(config, sources)
    state, again = State(config, MAP, CPU, (3, 16, 16)), State(config, MAP, CPU, (3, 16, 16))
    step(state, config, sources, sizes, MAP, ALONE)
    state.images_seen = 16
    state.save(tmp_path / "c.safetensors", {})
    again.load(tmp_path / "c.safetensors")
    assert again.images_seen == 16
    for parameter, moments in again.optimiser.state.items():
        assert moments["exp_avg"].stride() == parameter.stride()
    assert step(again, config, sources, sizes, MAP, ALONE) == step(state, config, sources, sizes, MAP, ALONE)
    for one, two in zip(state.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_step_sees_new_copies_of_what_was_drawn_and_each_of_two_ranks_the_same_ones(make_train_config, monkeypatch):
    config, sources, seen = make_train_config(batch=8), [source((5, 3, 2), value=0.3)], []
    measurement = Measurement(MeasurementConfig(electrons=1e4), IntensityTransform(IntensityConfig(), high=8.0))
    monkeypatch.setattr("classifier.pattern.augment.augment", lambda x, target, *_: (seen.append(x), (x, target))[1])
    sizes = class_sizes(config, sources)
    for ranks, images_seen in ((ALONE, 0), (ALONE, 8), (ALONE, 0)):
        state = State(config, MAP, CPU, (3, 16, 16))
        state.images_seen = images_seen
        step(state, config, sources, sizes, MAP, ranks, measurement)
    monkeypatch.setattr(Ranks, "rows", lambda self, batch: range(4, 8))
    step(State(config, MAP, CPU, (3, 16, 16)), config, sources, sizes, MAP, ALONE, measurement)
    step(State(config, MAP, CPU, (3, 16, 16)), config, sources, sizes, MAP, ALONE)
    assert not torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2]) and torch.equal(seen[0][4:], seen[3])
    assert len(seen[0].unique()) > 5 and (seen[4] == 0.3).all()
