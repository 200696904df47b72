"""A source without end: what its blocks hold, when they are seen, and that nothing depends on who draws them."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.foundation.workers import worker_pool
from classifier.network.symmetry_network import SymmetryConfig
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.pattern.measurement import MeasurementConfig
from classifier.samples.measured_samples import Measurement
from classifier.stream.piece import PIECE_STACKS, FixedPart, Recipe, draw_piece
from classifier.stream.stack_source import groups_of_block
from classifier.stream.stream_config import StreamConfig
from classifier.stream.window import StreamWindow, open_window
from spots import GROUPS, Spots

MAP = ClassMap(GROUPS)
SPOTS = Spots(side=32)
SCALE = IntensityTransform.fit(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.1,
                               IntensityConfig(per_radius=True))
PIXELS = Recipe(3, MAP, ViewConfig(half_width=2.0, size_pixels=32), SCALE, None)


def fixed() -> Recipe:
    """Of a network of fixed features that learns from measured copies and from stacks as they are."""
    config = SymmetryConfig(kind="symmetry", width=8, hidden=8)
    torch.manual_seed(0)
    network = config.build(classes=4, size_pixels=32, mirror_partner=MAP.mirror_partner(), space_groups=GROUPS)
    network.fit(torch.from_numpy(draw_piece(SPOTS, PIXELS, 0, range(8)).x))
    how = {"measurement": Measurement(MeasurementConfig(electrons=1e6), SCALE), "ideal_share": 0.4, "mirror": True}
    return replace(PIXELS, fixed=FixedPart.of(network, config, 32, **how))


def test_the_window_moves_with_the_images_that_were_seen():
    stream = StreamConfig(block=10, window=3, images_per_block=100)
    windows = [stream.window_at(images) for images in (0, 99, 100, 250, 300, 1000)]
    assert windows == [range(0, 1), range(0, 1), range(0, 2), range(0, 3), range(1, 4), range(8, 11)]


def test_groups_come_in_their_shares_and_in_every_order():
    source = replace(SPOTS, stream=StreamConfig(block=50), group_shares={225: 3.0, 186: 1.0, 194: 0.0, 216: 1.1})
    blocks = [groups_of_block(source, number, seed=0) for number in range(40)]
    counts = np.array([[(block == group).sum() for group in GROUPS] for block in blocks])
    expected = 50 * np.array([1.0, 0.0, 1.1, 3.0]) / 5.1
    assert (np.abs(counts - expected) < 1).all() and (counts[:, 1] == 0).all()
    assert counts.mean(0) == pytest.approx(expected, abs=0.2)
    assert not (np.sort(blocks[0]) == blocks[0]).all() and (blocks[0] != blocks[1]).any()
    assert (groups_of_block(source, 7, seed=0) == blocks[7]).all()
    assert (groups_of_block(source, 7, seed=1) != blocks[7]).any()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [PIXELS, fixed()], ids=["pixels", "fixed features"])
def test_a_block_is_the_same_from_every_process_whatever_came_before(recipe):
    draw_piece(SPOTS, recipe, 0, range(4))
    here = draw_piece(SPOTS, recipe, 2, range(8, 16))
    with worker_pool(1) as pool:
        there = pool.submit(draw_piece, SPOTS, recipe, 2, range(8, 16)).result()
    assert here.sample_id.tolist() == there.sample_id.tolist() and here.passed_over == there.passed_over
    for mine, theirs in ((here.x, there.x), (here.copies, there.copies)):
        assert (mine is None) == (theirs is None) and (mine is None or np.array_equal(mine, theirs))
    other = draw_piece(SPOTS, replace(recipe, seed=4), 2, range(8, 16))
    assert not set(here.sample_id) & set(other.sample_id)


def test_a_network_of_fixed_features_gets_what_it_makes_of_copies():
    recipe = fixed()
    piece, plain = draw_piece(SPOTS, recipe, 1, range(3)), draw_piece(SPOTS, PIXELS, 1, range(3))
    assert piece.copies.shape[:3] == (3, 1 + 4, 2) and piece.ideal_share == 0.4 and piece.x is None
    network = recipe.fixed.network(MAP).eval()
    with torch.inference_mode():
        as_it_is = network.fixed(torch.from_numpy(plain.x).flip(-2))
    torch.testing.assert_close(torch.from_numpy(piece.copies[:, 0, 1]).float(), as_it_is, atol=2e-3, rtol=1e-2)


@pytest.mark.slow
def test_the_window_holds_the_stacks_of_its_blocks():
    with open_window(replace(SPOTS, stream=StreamConfig(block=10, window=2)), PIXELS, workers=1, end=4) as window:
        while not window.wait(range(1, 3)):
            pass
        samples, copies = window.stacks(range(1, 3), torch.device("cpu"))
        assert copies is None and len(samples) == 20 and window.wait(range(1, 3))
        second = draw_piece(window.source, PIXELS, 2, range(PIECE_STACKS, 10))
        assert torch.equal(samples.x[18:], torch.from_numpy(second.x))
        groups = np.concatenate([groups_of_block(window.source, number, PIXELS.seed) for number in (1, 2)])
        assert samples.class_idx.tolist() == [GROUPS.index(group) for group in groups]
        assert torch.equal(samples.soft_label.argmax(1), samples.class_idx)


def test_no_block_is_drawn_that_nobody_will_see():
    asked = []
    class Pool:
        def submit(self, function, source, recipe, number, rows):
            asked.append((number, rows))
            return done(function(source, recipe, number, rows))
    window = StreamWindow(replace(SPOTS, stream=StreamConfig(block=9)), PIXELS, Pool(), end=3)
    assert window.wait(range(0, 1)) and window.wait(range(0, 2)) and window.wait(range(1, 3))
    assert asked == [(number, rows) for number in range(3) for rows in (range(8), range(8, 9))]


def done(value: object):
    """A future that has its value."""
    future: Future = Future()
    future.set_result(value)
    return future


@pytest.mark.slow
def test_what_a_process_says_reaches_the_training():
    with (pytest.raises(InputError, match="every group must be drawn"),
          open_window(replace(SPOTS, impossible=216), PIXELS, workers=1, end=1) as window):
        while not window.wait(range(0, 1)):
            pass
