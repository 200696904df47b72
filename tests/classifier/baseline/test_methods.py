"""Each baseline on samples whose answer is known, and what its configuration lists."""

from typing import Any

import numpy as np
import pytest

from classifier.baseline.methods import ExtraTrees, Guess, Logistic, Neighbours, NeighbourVote
from classifier.baseline.train_baseline import TrainBaselineConfig
from classifier.foundation.config import load_config, parse_config
from project import CONFIGS

LOGISTIC = {"kind": "logistic", "scale": ["standard"], "inverse_strength": [1.0], "l1_share": [0.5],
            "class_weight": ["none"], "iterations": 200, "tolerance": 1e-3}
TREES = {"kind": "extra_trees", "trees": 20, "descriptor_share": [0.5], "least_leaf": [1], "class_weight": ["balanced"]}
NEAREST = {"kind": "neighbours", "scale": ["standard"], "components": [2], "neighbours": [3], "distance_power": [0.0],
           "class_weight": ["none"]}


def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Three clouds far apart, of 20, 10 and 5 samples; the third descriptor says nothing."""
    truth = np.repeat([0, 1, 2], [20, 10, 5])
    places = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]])[truth]
    return places + np.random.default_rng(0).normal(size=(35, 3)), truth


def vote(neighbours: int, power: float, weight: str | None) -> NeighbourVote:
    return NeighbourVote(neighbours, power, weight, 1).fit(np.array([[0.0], [1.0], [3.0]]), np.array([4, 7, 7]))


def test_majority_is_certain_of_the_commonest_class_and_prior_gives_the_frequencies():
    features, truth = np.zeros((4, 1)), np.array([2, 5, 5, 5])
    majority, prior = (Guess(kind=kind).pipeline({}, 0, 1).fit(features, truth) for kind in ("majority", "prior"))
    np.testing.assert_array_equal(majority.predict_proba(features[:1]), [[0, 1]])
    np.testing.assert_array_equal(prior.predict_proba(features[:1]), [[0.25, 0.75]])
    assert majority.predict(features[:1]) == prior.predict(features[:1]) == [5]


@pytest.mark.slow
@pytest.mark.parametrize("kind, content", [(Logistic, LOGISTIC), (ExtraTrees, TREES), (Neighbours, NEAREST)])
def test_clouds_far_apart_are_told_and_a_seed_gives_the_same_again(kind: Any, content: dict[str, Any]):
    method = parse_config(content, kind, source="test")
    features, truth = clouds()
    features = features[:, :2]
    (choice,) = method.grid()
    first, again = (method.pipeline(choice, 3, 1).fit(features, truth) for _ in range(2))
    assert (first.predict(features) == truth).all()
    np.testing.assert_array_equal(first.predict_proba(features), again.predict_proba(features))


def test_a_strong_l1_penalty_leaves_out_what_says_nothing():
    method = parse_config({**LOGISTIC, "l1_share": [1.0], "inverse_strength": [0.1]}, Logistic, source="test")
    features, truth = clouds()
    coefficients = method.pipeline(method.grid()[0], 0, 1).fit(features, truth)[-1].coef_
    assert (coefficients[:, 2] == 0).all() and (coefficients[:, :2] != 0).any()


def test_votes_weigh_by_class_and_by_distance():
    at = np.array([[0.5]])
    np.testing.assert_allclose(vote(3, 0.0, None).predict_proba(at), [[1 / 3, 2 / 3]])
    np.testing.assert_allclose(vote(3, 0.0, "balanced").predict_proba(at), [[0.5, 0.5]])
    # Distances 0.5, 0.5 and 2.5: votes 2, 2 and 0.4.
    np.testing.assert_allclose(vote(3, 1.0, None).predict_proba(at), [[2 / 4.4, 2.4 / 4.4]])
    assert vote(3, 1.0, None).predict(np.array([[0.0]])) == [4]  # a copy outvotes the others
    np.testing.assert_allclose(vote(9, 0.0, None).predict_proba(at), [[1 / 3, 2 / 3]])  # no more than there are


def test_the_grid_is_every_combination_of_the_lists():
    method = parse_config({**TREES, "least_leaf": [1, 3], "class_weight": ["none", "balanced"]}, ExtraTrees,
                          source="test")
    grid = method.grid()
    assert len(grid) == 4 and {"descriptor_share": 0.5, "least_leaf": 3, "class_weight": "none"} in grid
    assert Guess(kind="prior").grid() == [{}]


def test_there_is_a_configuration_of_every_method_and_they_differ_in_nothing_else():
    configs = [load_config(path, TrainBaselineConfig) for path in sorted((CONFIGS / "baselines").glob("*.toml"))]
    assert {config.method.kind for config in configs} == {"majority", "prior", "logistic", "extra_trees", "neighbours"}
    assert len({(config.seed, config.view, config.descriptors, config.repeats) for config in configs}) == 1
