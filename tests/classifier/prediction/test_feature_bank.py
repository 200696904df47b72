import numpy as np
import pytest

from classifier.prediction.feature_bank import ROWS, FeatureBank, bank_rows


def bank(rows: int = 4000) -> FeatureBank:
    """Features with variances 100 and 1, and nothing between them."""
    features = (np.random.default_rng(0).normal(size=(rows, 2)) * [10, 1]).astype(np.float32)
    return FeatureBank.build(features, np.arange(rows).astype(str), np.full(rows, 225))


def test_distance_counts_standard_deviations() -> None:
    found = bank().distance(np.array([[0, 0], [30, 0], [0, 3], [30, 3]], np.float32))
    assert found == pytest.approx([0, 3 / np.sqrt(2), 3 / np.sqrt(2), 3], abs=0.15)


def test_the_bank_itself_lies_at_one() -> None:
    held = bank()
    assert np.square(held.distance(held.features * held.scale)).mean() == pytest.approx(1, abs=0.01)


def test_each_of_the_nearest_materials_is_named_once_nearest_first() -> None:
    angles = np.radians([0, 1, 10, 30, 60, 120, 180, 240, 300])
    material = np.array(["a", "a", "b", "c", "d", "e", "f", "g", "h"])
    held = FeatureBank.build(np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32), material,
                             np.arange(1, 10))
    rows, distance = held.nearest(np.array([[1.0, -0.01]], np.float32), 3)
    assert material[rows[0]].tolist() == ["a", "b", "c"] and (np.diff(distance[0]) > 0).all()
    assert distance[0, 0] == pytest.approx(0, abs=0.01)
    assert held.nearest(np.zeros((0, 2), np.float32), 3)[0].shape == (0, 3)
    assert held.nearest(np.ones((1, 2), np.float32), 99)[0].shape == (1, 8)


def test_equal_features_leave_finite_distances() -> None:
    held = FeatureBank.build(np.ones((3, 4), np.float32), np.full(3, "m"), np.ones(3, int))
    assert np.isfinite(held.distance(np.zeros((2, 4), np.float32))).all()


def test_rows_hold_every_material_before_any_twice() -> None:
    material = np.repeat([f"m{k}" for k in range(ROWS - 10)], 3)
    rows = bank_rows(material, seed=0)
    assert len(rows) == ROWS == len(set(rows)) and (np.diff(rows) > 0).all() and len(set(material[rows])) == ROWS - 10
    assert bank_rows(np.array(["a", "a", "b"]), seed=0).tolist() == [0, 1, 2]


def test_the_bank_survives_a_checkpoint_and_refuses_what_does_not_fit() -> None:
    held = bank(20)
    again = FeatureBank.from_state(held.state())
    assert np.array_equal(again.features, held.features) and again.material.tolist() == held.material.tolist()
    with pytest.raises(ValueError, match="19 materials"):
        FeatureBank.from_state({**held.state(), "material": held.state()["material"][1:]})
