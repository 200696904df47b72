import numpy as np
import pytest
import torch

from classifier.pattern.disk_distances import MOST, DiskDistances
from classifier.prediction.one_crystal import Patterns
from classifier.training.one_crystal_fitting import MIXED, fit_one_crystal, mixed_up


def crystals(count: int, seed: int) -> Patterns:
    """Patterns whose disks lie at one distance in 1/angstrom, another for each crystal; all else is noise."""
    random = np.random.default_rng(seed)
    shortest_g = torch.from_numpy(random.uniform(0.2, 0.6, (count, 3))).float()
    distance = torch.full((count, 3, MOST), 1.0)
    distance[..., 0] = torch.from_numpy(random.uniform(0.7, 1.2, (count, 1))).float() / shortest_g
    clearness = torch.zeros(count, 3, MOST)
    clearness[..., 0] = 1.0
    alone = torch.from_numpy(random.normal(size=(count, 3, 40))).float()
    return Patterns(alone, DiskDistances(distance, clearness), shortest_g)


def test_it_learns_what_patterns_of_one_crystal_share() -> None:
    group = np.arange(300) % 5
    taught = fit_one_crystal(crystals(300, 0), group, crystals(200, 1), seed=0)
    whole = crystals(400, 2)
    mixed = whole.taken(torch.from_numpy(mixed_up(np.arange(400) % 5, seed=3)))
    assert (taught.comparison.of(whole) > taught.threshold).mean() < 0.06
    assert (taught.comparison.of(mixed) > taught.threshold).mean() > 0.9
    again = fit_one_crystal(crystals(300, 0), group, crystals(200, 1), seed=0)
    assert np.array_equal(again.comparison.of(mixed), taught.comparison.of(mixed))


def test_the_threshold_is_the_finite_sample_quantile_of_validation() -> None:
    held = crystals(149, 1)
    taught = fit_one_crystal(crystals(120, 0), np.arange(120) % 3, held, seed=0)
    # ceil(150 x 0.98) = 147: the 147th of 149, which two exceed.
    assert taught.threshold == pytest.approx(np.sort(taught.comparison.of(held))[146])
    assert (taught.comparison.of(held) > taught.threshold).sum() == 2


def test_mixed_up_stacks_have_one_or_two_foreign_patterns_mostly_of_their_group() -> None:
    group = np.repeat([0, 1, 2, 3], 50)
    rows = mixed_up(group, seed=0)
    assert 0.9 * MIXED * 200 < len(rows) <= MIXED * 200
    kinds = [len(set(row)) for row in rows.tolist()]
    assert set(kinds) == {2, 3}
    alike = (group[rows] == group[rows[:, :1]]).all(axis=1).mean()
    assert 0.65 < alike < 0.85
