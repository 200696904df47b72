"""Root finds over many paths at once: known functions, and how often each is asked."""

import numpy as np
import pytest

from cbedgan.distortion.thresholds import brackets, find_roots, log_grid, sign_changes

AT = np.array([0.0123, 0.3, 0.0004])


def test_each_classifier_crosses_a_known_function_where_it_is_zero():
    grid = log_grid(1e-3, np.array([1.0, 0.5, 1.0]), 7)
    assert grid[:, 0] == pytest.approx(1e-3) and grid[:, -1] == pytest.approx([1, 0.5, 1])

    def margin(distortion, at):
        return 8 * np.tanh(np.log(distortion / at)) + np.log(distortion / at)

    places = np.concatenate([np.full((3, 1), 1e-9), grid], axis=1)
    margins = np.stack([margin(places, AT[:, None]), margin(places, 3 * AT[:, None]), np.ones_like(places)], axis=1)
    found = brackets(grid, margins)
    assert list(zip(found.path, found.member, strict=True)) == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]  # 0.9: too far
    asked = []

    def measured(rows, distortion):
        asked.append(len(rows))
        return margin(distortion, (AT * np.array([[1], [3]]))[found.member[rows], found.path[rows]])

    roots = find_roots(measured, found, tolerance=1e-4, precision=0.0, rounds=30)
    assert roots.distortion == pytest.approx([0.0123, 0.0369, 0.3, 0.0004, 0.0012], rel=1e-4)
    assert (np.abs(roots.margin) <= 1e-4).all() and (roots.low <= roots.distortion).all()
    assert (roots.distortion <= roots.high).all() and len(asked) < 14 and asked[-1] < asked[0]


def test_a_jump_over_zero_is_enclosed():
    margins = np.array([[[-1.0, -1.0, 1.0]]])
    roots = find_roots(lambda rows, distortion: np.sign(distortion - 0.05), brackets(np.array([[0.01, 0.1]]), margins),
                       tolerance=1e-3, precision=0.1, rounds=20)
    assert roots.low[0] < 0.05 < roots.high[0] and roots.high[0] / roots.low[0] < 1.11
    assert roots.distortion[0] == pytest.approx(np.sqrt(roots.low[0] * roots.high[0])) and abs(roots.margin[0]) == 1


def test_a_denied_beginning_is_no_crossing_and_returns_are_counted():
    margins = np.array([[[0.5, -1, 1], [-1, 1, -1], [-1, -1, -1]]])
    found = brackets(np.array([[0.01, 0.1]]), margins)
    assert found.member.tolist() == [1] and found.low[0] == pytest.approx(1e-5) and found.high[0] == 0.01
    assert sign_changes(margins).tolist() == [[2, 2, 0]]
