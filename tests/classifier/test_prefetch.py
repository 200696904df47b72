"""Reading ahead: the order, the drop after a jump, errors of a thread, and threads that end."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from classifier.cache import open_or_build
from classifier.prefetch import Prefetch

X = np.random.default_rng(0).random((9, 3, 4, 4), dtype=np.float32)


@pytest.fixture
def cache(tmp_path):
    return open_or_build(tmp_path, name="t", key={}, shape=X.shape, blocks=iter([X]))


def rows(seed: int, position: int, batch: int = 4) -> np.ndarray:
    return np.random.default_rng([seed, position]).integers(0, 9, batch)


@pytest.mark.parametrize("readers", [1, 2, 5])
def test_batches_come_in_the_order_asked_for_whatever_the_threads(cache, readers):
    reader = Prefetch(cache, readers=readers)
    for step in range(30):
        batch = reader.gather(lambda k, step=step: rows(0, step + k))
        assert np.array_equal(batch, X[rows(0, step)])


def test_a_jump_and_batches_of_changing_size_are_followed(cache):
    reader = Prefetch(cache, readers=2)
    for step in (0, 1, 17, 18, 3, 4):
        batch = reader.gather(lambda k, step=step: rows(1, step + k, batch=(step + k) % 3))
        assert np.array_equal(batch, X[rows(1, step, batch=step % 3)])


def test_an_error_in_a_thread_reaches_the_caller(cache):
    reader = Prefetch(cache, readers=1)
    with pytest.raises(IndexError):
        reader.gather(lambda k: np.array([99]))
    assert np.array_equal(reader.gather(lambda k: np.array([3])), X[[3]])


def test_the_threads_end_with_their_reader(cache):
    before = set(threading.enumerate())
    reader = Prefetch(cache, readers=3)
    reader.gather(lambda k: rows(0, k))
    mine = set(threading.enumerate()) - before
    assert len(mine) == 3
    del reader
    gc.collect()
    for thread in mine:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in mine)
