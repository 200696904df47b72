"""Where disks lie: every pixel that they light, once for each disk, and nothing outside the frame."""

import math

import numpy as np
import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.render.constants import RenderConstants
from cbedgan.render.disk_layout import lay_out, node_places
from cbedgan.simulate.cbed.aperture import aperture_samples
from cbedgan.simulate.cbed.detector import splat

CONSTANTS = RenderConstants()
SQUARE = ((1.0, 0.0), (0.0, 1.0))
SIZE, HALF_WIDTH, NODES = 32, 2.0, 9
PIXEL = 2 * HALF_WIDTH / SIZE


def form(net, *, radius=0.3, azimuth=0.0, share=(0, 0, 0, 0)):
    """One pattern [1, COLUMNS]."""
    return made_up_form(net, radius=radius, azimuth=azimuth, share=share)[None]


def laid(*forms, size=SIZE):
    return lay_out(torch.stack(forms), size=size, half_width=HALF_WIDTH, nodes=NODES, constants=CONSTANTS)


def beams(layout):
    """The vectors [D, 2] of the beams in the order of their rows."""
    return torch.cat([group.g.flatten(0, 1) for group in layout.groups])


def image(layout, patterns=1, size=SIZE):
    """Covers of all disks added up, [N, S, S]."""
    flat = torch.zeros(patterns * size * size)
    return flat.index_add(0, layout.pixel_place, layout.pixel_cover).reshape(patterns, size, size)


def expected(net, radius, size=SIZE):
    """The same by brute force: 8 x 8 points a pixel, in how many disks they lie."""
    fine = 8 * size
    axis = ((torch.arange(fine) + 0.5) / fine * 2 - 1) * HALF_WIDTH
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    steps = torch.arange(-12.0, 13)
    disks = torch.cartesian_prod(steps, steps) @ torch.tensor(net)
    disks = disks[(disks.abs() < HALF_WIDTH + radius).all(1)]
    lit = sum(((places - g).norm(dim=-1) < radius).float() for g in disks)
    return torch.nn.functional.avg_pool2d(lit[None], 8)[0]


@pytest.mark.parametrize(("net", "radius"), [(SQUARE, 0.3), (SQUARE, 0.45), (SQUARE, 0.7), (((1.0, 0.0), (0.3, 0.8)),
                                                                                          0.35)])
def test_pixels_are_covered_as_often_as_disks_cover_them(net, radius):
    layout = laid(form(net, radius=radius))
    found, wanted = image(layout)[0], expected(net, radius)
    assert float((found - wanted).abs().max()) < 0.25  # on the rim, one aperture is cut as good as another
    assert float(found.sum()) == pytest.approx(float(wanted.sum()), rel=0.02)
    assert torch.equal(found > 0.5, wanted > 0.5) or float(((found > 0.5) != (wanted > 0.5)).float().mean()) < 0.02


def test_rims_fade_as_the_simulator_lays_them():
    net, radius = ((1.0, 0.0), (0.31, 0.87)), 0.43
    samples, share = aperture_samples(radius / (PIXEL / 2))
    layout = laid(form(net, radius=radius))
    middles = beams(layout)[layout.pixel_row.unique()].double().numpy() / PIXEL
    light = np.repeat(share[:, None], len(middles), 1)
    wanted = splat(light[None], samples[:, None] / 2 + middles, 1 / 2, SIZE)[0] / share.max() / 4
    np.testing.assert_allclose(image(layout)[0], wanted, atol=2e-5)


def test_every_disk_lights_a_pixel_once_and_apart_disks_share_none():
    layout = laid(form(SQUARE))
    key = layout.pixel_row * SIZE**2 + layout.pixel_place
    assert len(key.unique()) == len(key) and float(image(layout).max()) <= 1 + 1e-6
    inside = beams(layout).abs().amax(1) < 1.5
    area = torch.zeros(len(inside)).index_add(0, layout.pixel_row, layout.pixel_cover) * PIXEL**2
    torch.testing.assert_close(area[inside], torch.full((9,), math.pi * 0.3**2), rtol=0.03, atol=0)


def test_disks_at_the_edge_are_cut_and_those_beyond_it_are_left_out():
    layout = laid(form(SQUARE))
    g = beams(layout).abs()
    area = torch.zeros(len(g)).index_add(0, layout.pixel_row, layout.pixel_cover) * PIXEL**2
    lit = area > 0
    edge, corner = lit & (g.amax(1) > 1.5), lit & (g > 1.5).all(1)
    assert (edge.sum(), corner.sum(), lit.sum()) == (16, 4, 25) and len(g) > 25  # beams beyond the frame count too
    whole = math.pi * 0.3**2
    torch.testing.assert_close(area[edge & ~corner], torch.full((12,), whole / 2), rtol=0.03, atol=0)
    torch.testing.assert_close(area[corner], torch.full((4,), whole / 4), rtol=0.03, atol=0)
    assert layout.pixel_place.min() >= 0 and layout.pixel_place.max() < SIZE**2


def test_patterns_of_a_batch_do_not_see_each_other():
    coarse, fine = form(SQUARE, radius=0.2), form(((0.5, 0.0), (0.1, 0.6)), radius=0.4, share=(1, 0, 0, 0))
    both = laid(coarse, fine, coarse)
    found = image(both, 3)
    for k, one in enumerate((coarse, fine, coarse)):
        alone = laid(one)
        torch.testing.assert_close(found[k], image(alone)[0])


def test_tables_of_nodes_are_read_where_the_pixels_lie():
    layout = laid(form(((1.0, 0.0), (0.3, 1.1)), radius=0.4))
    place = (layout.pixel_weight[..., None] * node_places(NODES)[layout.pixel_node]).sum(0)
    axis = (torch.arange(SIZE) + 0.5) * PIXEL - HALF_WIDTH
    row, column = layout.pixel_place // SIZE, layout.pixel_place % SIZE
    meant = (torch.stack((axis[column], axis[row]), 1) - beams(layout)[layout.pixel_row]) / 0.4
    meant = meant / meant.norm(dim=1, keepdim=True).clamp(min=1)  # a middle beyond the rim is read on the rim
    torch.testing.assert_close(place, meant, atol=1e-5, rtol=0)
    torch.testing.assert_close(layout.pixel_weight.sum(0), torch.ones(len(place)))
    assert float(layout.pixel_weight.min()) >= -1e-5 and int(layout.pixel_node.max()) < NODES**2


def test_disks_smaller_than_a_pixel_still_shine():
    layout = laid(form(SQUARE, radius=0.02))
    area = torch.zeros(len(beams(layout))).index_add(0, layout.pixel_row, layout.pixel_cover)
    assert (area[beams(layout).abs().amax(1) < 1.9] > 0).all()


def test_no_form_asks_for_more_than_so_many_disks():
    layout = laid(form(((0.02, 0.0), (0.0, 0.02)), radius=0.05), form(SQUARE))
    assert max(group.g.shape[1] for group in layout.groups) <= CONSTANTS.most_beams
