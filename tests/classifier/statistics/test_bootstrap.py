import numpy as np
import pytest
from sklearn.metrics import f1_score

from classifier.statistics import metrics
from classifier.statistics.bootstrap import Bootstrap, over_seeds


def test_whole_units_are_drawn() -> None:
    # One unit of each class is all right, the other all wrong: only 0, 1/2, 1 mixtures of whole units can come out.
    truth = np.repeat([0, 1], 6)
    predicted = np.where(np.tile([1, 1, 1, 0, 0, 0], 2), truth, 1 - truth)
    unit = np.repeat(["a", "b", "c", "d"], 3)
    recall = Bootstrap.draw(unit, replicates=500, seed=0).recall(truth, predicted, 3)
    assert recall.shape == (501, 3) and np.isnan(recall[:, 2]).all() and recall[0, :2].tolist() == [0.5, 0.5]
    found = recall[1:][~np.isnan(recall[1:, 0]), 0]
    assert set(np.round(found, 3)) <= {0, 0.25, 0.333, 0.5, 0.667, 0.75, 1}
    assert np.mean(found) == pytest.approx(0.5, abs=0.05) and metrics.interval(found) == (0, 1)
    assert np.isnan(recall[:, 0]).any()  # a replicate may miss a class
    assert np.array_equal(recall, Bootstrap.draw(unit, replicates=500, seed=0).recall(truth, predicted, 3),
                          equal_nan=True)


def test_the_width_is_that_of_the_units_not_of_the_samples() -> None:
    random = np.random.default_rng(0)
    right = random.random(100) < 0.5
    truth, predicted = np.zeros(1000, int), np.where(np.repeat(right, 10), 0, 1)
    unit = np.repeat(np.arange(100).astype(str), 10)
    spread = Bootstrap.draw(unit, replicates=2000, seed=0).recall(truth, predicted, 2)[1:, 0].std()
    assert spread == pytest.approx(0.05, rel=0.1)


def test_each_replicate_is_what_its_units_give() -> None:
    random = np.random.default_rng(3)
    truth, predicted, value = random.integers(0, 4, 60), random.integers(0, 4, 60), random.normal(size=(60, 2))
    unit, weight = random.integers(0, 12, 60), random.random(60)
    drawn = Bootstrap.draw(unit, replicates=5, seed=1, weight=weight)
    for row, times in enumerate(drawn.times):
        own = times[drawn.code] * weight
        assert drawn.sums(value)[row] == pytest.approx(own @ value)
        assert drawn.means(value[:, 0])[row] == pytest.approx(np.average(value[:, 0], weights=own))
        assert drawn.tally(truth, 4, value[:, 1])[row] == pytest.approx(np.bincount(truth, own * value[:, 1], 4))
        assert drawn.macro_f1(truth, predicted, 4)[row] == pytest.approx(
            f1_score(truth, predicted, average="macro", sample_weight=own))
    assert (drawn.times.sum(axis=1) == 12).all() and (drawn.times[0] == 1).all()


def test_a_mean_over_seeds_leaves_out_what_a_seed_cannot_tell_and_weighs() -> None:
    times = np.array([[1, 1], [2, 0], [1, 3]])
    values = [np.array([1.0, np.nan, 1.0]), np.array([3.0, 5.0, 5.0])]
    assert over_seeds(values, times) == pytest.approx([2, np.nan, 4], nan_ok=True)
    assert over_seeds(values, times, [np.ones(3), np.full(3, 3.0)])[2] == pytest.approx((1 + 9 * 5) / 10)
    rows = over_seeds([np.stack([one, 2 * one], axis=1) for one in values], times)
    assert rows[2] == pytest.approx([4, 8])


def test_each_seed_alone_scores_as_the_plain_metrics() -> None:
    random = np.random.default_rng(3)
    truth, predicted = random.integers(0, 3, 40), random.integers(0, 3, (2, 40))
    drawn = Bootstrap.draw(np.arange(40) // 2, replicates=9, seed=0, seeds=2)
    assert drawn.seed_times.shape == (10, 2) and (drawn.seed_times.sum(axis=1) == 2).all()
    assert drawn.first(4).times.shape == (5, 20)
    alone = drawn.each_seed()
    f1 = over_seeds([alone.macro_f1(truth, of_seed, 3) for of_seed in predicted], alone.seed_times)
    assert f1 == pytest.approx([metrics.macro_f1(metrics.confusion(truth, of_seed, 3)) for of_seed in predicted])
