"""The bright part of a net, told from a picture: what is left of weak disks, of none, and where nothing can be told."""

import math

import numpy as np
import pytest

from cbedgan.form.bright_net import ALL, bright_net
from classifier.crystal.reciprocal import same_lattice
from classifier.pattern.geometry import Detector

SIZE, HALF_WIDTH, DIRECT_LIGHT = 64, 2.0, 0.5
DETECTOR = Detector(SIZE, 2 * HALF_WIDTH / SIZE, "shortest_g")


def seen(net, radius, light):
    """What is found in a picture of disks hk of a net that hold light(h, k)."""
    axis = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
    x, y = np.meshgrid(axis, axis)
    pattern = np.zeros((SIZE, SIZE))
    for h in range(-9, 10):
        for k in range(-9, 10):
            gx, gy = np.array([h, k]) @ np.array(net)
            pattern += (light(h, k) if h or k else DIRECT_LIGHT) * (np.hypot(x - gx, y - gy) < radius)
    return bright_net(pattern.astype(np.float32), DETECTOR, np.array(net), radius)


@pytest.mark.parametrize(("net", "bright", "part"), [
    ([[0.5, 0.0], [0.0, 1.1]], lambda h, k: h % 2 == 0, (2, 0, 1)),
    ([[0.5, 0.0], [0.0, 0.5]], lambda h, k: h % 2 == 0 and k % 2 == 0, (2, 0, 2)),
    ([[0.5, 0.0], [0.0, 0.9]], lambda h, k: (h + k) % 2 == 0, (1, 1, 2)),
    ([[1.0, 0.0], [0.0, 0.4]], lambda h, k: k % 3 == 0, (1, 0, 3)),
], ids=["columns", "both", "centred", "thirds"])
@pytest.mark.parametrize("share", [0.04, 0.004])
def test_the_coarsest_part_that_leaves_the_rest_nearly_dark(net, bright, part, share):
    found = seen(net, 0.22, lambda h, k: 0.1 if bright(h, k) else 0.1 * share)
    assert same_lattice(found.net, np.array(net), 1e-6) and found.part == part
    assert found.weakness == pytest.approx(math.log(share) / 2, abs=0.1)


def test_disks_of_like_light_are_all_bright():
    assert seen([[1.0, 0.0], [0.0, 1.2]], 0.3, lambda h, k: 0.1 if (h + k) % 2 == 0 else 0.03).part == ALL


def test_disks_nearer_than_g1_are_weak_on_any_part():
    found = seen([[0.6, 0.8], [0.6, -0.7]], 0.25, lambda h, k: 0.1 if abs(h) + abs(k) > 1 else 1e-3)
    assert found.part == ALL and found.weakness == pytest.approx(math.log(0.01) / 2, abs=0.1)


def test_where_the_rest_is_dark_it_is_no_part_of_the_net():
    found = seen([[0.5, 0.0], [0.0, 1.1]], 0.22, lambda h, k: 0.1 if h % 2 == 0 else 1e-6)
    assert same_lattice(found.net, np.array([[1.0, 0.0], [0.0, 1.1]]), 1e-6) and found.part == ALL


def test_g1_is_never_weak():
    assert seen([[1.0, 0.0], [0.0, 1.1]], 0.3, lambda h, k: 0.1 if h % 2 == 0 else 1e-3).part == ALL


def test_what_bright_disks_cover_tells_nothing():
    found = seen([[0.5, 0.0], [0.0, 0.5]], 0.8, lambda h, k: 0.1 if h % 2 == 0 and k % 2 == 0 else 0.0)
    assert found.part == ALL and same_lattice(found.net, np.array([[0.5, 0.0], [0.0, 0.5]]), 1e-6)


def test_a_dark_picture_is_no_error():
    assert seen([[0.5, 0.0], [0.0, 0.5]], 0.2, lambda h, k: 0.0).part == ALL
