import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.prediction.acquire import Pool, rank
from classifier.prediction.acquisition import BoundaryPoints

# Four stacks, three materials: "doubt" puzzles every member, "dispute" divides them, "clear" (two stacks) is settled.
MATERIAL = np.array(["clear", "doubt", "dispute", "clear"])
FIRST = [[0.98, 0.02], [0.51, 0.49], [0.9, 0.1], [0.99, 0.01]]
SECOND = [[0.98, 0.02], [0.51, 0.49], [0.15, 0.85], [0.99, 0.01]]
FEATURES = np.array([[0.0], [1.0], [2.0], [8.0]])


@pytest.fixture
def pool():
    return Pool(MATERIAL, np.array([FIRST, SECOND]), FEATURES, np.array([[0.0]]))


@pytest.mark.parametrize(("strategy", "expected"), [
    ("entropy", ["doubt", "dispute", "clear"]), ("margin", ["doubt", "dispute", "clear"]),
    ("bald", ["dispute", "clear", "doubt"]), ("core_set", ["clear", "dispute", "doubt"])])
def test_strategies_rank_whole_materials(pool, strategy, expected):
    ranking = rank(strategy, pool, count=9, rng=np.random.default_rng(0))
    assert ranking.material.tolist() == expected and (np.diff(ranking.score) <= 0).all()
    assert rank(strategy, pool, count=1, rng=np.random.default_rng(0)).material.tolist() == expected[:1]


def test_boundary_ranks_by_distance(pool):
    boundary = BoundaryPoints(np.array([[2.0]]), np.array([[0, 1]]))
    ranking = rank("boundary", pool, count=3, rng=np.random.default_rng(0), boundary=boundary)
    assert ranking.material.tolist() == ["dispute", "doubt", "clear"]
    assert ranking.score == pytest.approx([0.0, -1.0, -4.0])


def test_random_follows_the_seed_alone(pool):
    draws = {tuple(rank("random", pool, count=2, rng=np.random.default_rng(seed)).material) for seed in range(20)}
    assert len(draws) == 6  # ordered pairs of three materials
    assert rank("random", pool, count=2, rng=np.random.default_rng(3)).material.tolist() == rank(
        "random", pool, count=2, rng=np.random.default_rng(3)).material.tolist()


def test_what_a_strategy_lacks_is_named(pool):
    alone = Pool(MATERIAL, np.array([FIRST]), FEATURES, FEATURES[:0])
    with pytest.raises(InputError, match="two classifiers or more"):
        rank("bald", alone, count=1, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="needs stacks on the boundary"):
        rank("boundary", pool, count=1, rng=np.random.default_rng(0))
