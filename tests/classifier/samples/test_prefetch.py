"""Reading ahead: the order, the drop after a jump, errors of a thread, and threads that end."""

import gc
import threading

import numpy as np
import pytest

from classifier.samples.cache import open_or_build
from classifier.samples.prefetch import Prefetch

X = np.random.default_rng(0).random((9, 3, 4, 4), dtype=np.float32)


@pytest.fixture
def cache(tmp_path):
    return open_or_build(tmp_path, name="t", key={}, shape=X.shape, blocks=iter([X]))


def rows(seed: int, position: int, batch: int = 4) -> np.ndarray:
    return np.random.default_rng([seed, position]).integers(0, 9, batch)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_come_in_the_order_asked_for_whatever_the_threads(cache, workers):
    reader = Prefetch(cache, workers=workers)
    for step in range(30):
        batch = reader.gather(lambda k, step=step: rows(0, step + k))
        assert np.array_equal(batch, X[rows(0, step)])


def test_a_jump_and_batches_of_changing_size_are_followed(cache):
    reader = Prefetch(cache, workers=2)
    for step in (0, 1, 17, 18, 3, 4):
        batch = reader.gather(lambda k, step=step: rows(1, step + k, batch=(step + k) % 3))
        assert np.array_equal(batch, X[rows(1, step, batch=step % 3)])


def test_an_error_in_a_thread_reaches_the_caller(cache):
    reader = Prefetch(cache, workers=1)
    with pytest.raises(IndexError):
        reader.gather(lambda k: np.array([99]))
    assert np.array_equal(reader.gather(lambda k: np.array([3])), X[[3]])


def test_the_last_batch_announces_none_and_a_slow_disk_is_asked_ahead(tmp_path, monkeypatch):
    large = open_or_build(tmp_path, name="large", key={}, shape=X.shape, blocks=iter([X]))
    monkeypatch.setattr("classifier.samples.prefetch.pages_fetched", iter(range(9)).__next__)
    asked = []
    monkeypatch.setattr(large, "advise", lambda rows: asked.append(rows.tolist()))
    reader, order = Prefetch(large, workers=1), [np.array([2, 1]), np.array([0, 8]), np.array([3])]
    for step, each in enumerate(order):
        batch = reader.gather(lambda k, step=step: order[step + k] if step + k < 3 else None)
        assert np.array_equal(batch, X[each])
    assert asked == [[3]]  # the first batch had to be fetched


@pytest.mark.slow
def test_the_threads_end_with_their_reader(cache):
    before = set(threading.enumerate())
    reader = Prefetch(cache, workers=2)
    reader.gather(lambda k: rows(0, k))
    (mine,) = set(threading.enumerate()) - before
    del reader
    gc.collect()
    mine.join(timeout=5)
    assert not mine.is_alive()
