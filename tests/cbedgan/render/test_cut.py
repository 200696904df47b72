"""The slab as tensors is the slab, from its primitive cell as from its own; beams are kept by length alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cbedgan.render.render import render
from cbedgan.render.scene import Atoms
from cbedgan.simulate.cbed.layers import atomic_layers
from cbedgan.simulate.cbed.simulate_config import RenderConfig


@pytest.mark.parametrize(("name", "uvw"), [("gaas", [1, 1, 1]), ("zincite", [2, 1, 0]), ("monoclinic", [1, 0, 0])])
def test_a_primitive_cell_gives_the_same_pattern_as_the_slab(name, uvw, crystals, cut_along, scene, difference):
    whole = scene(cut_along(name, uvw))
    lattice, sites, numbers = crystals[name].primitive()
    kinds = np.unique(numbers).tolist()
    few = replace(whole, atoms=Atoms(torch.from_numpy(np.array(lattice)), torch.from_numpy(np.array(sites)),
                                     whole.atoms.rows, torch.tensor([kinds.index(number) for number in numbers])))
    assert len(few.atoms.sites) <= len(whole.atoms.sites) == len(whole.slab.numbers)
    one, other = render([whole, few])
    assert difference(one.images[0], other.images[0]) < 1e-5


def test_a_plate_has_the_lengths_and_layers_of_its_slab(cut_along, scene):
    piece = cut_along("monoclinic", [1, 0, 0])
    plate = scene(piece).plate
    _, gaps = atomic_layers(piece, merge_angstrom=0.4, entry_plane=0.0)
    assert plate.gaps.tolist() == pytest.approx(gaps, abs=1e-5)
    assert plate.cell.numpy() == pytest.approx(piece.cell, abs=1e-9)
    assert plate.slope.numpy() == pytest.approx(piece.slope, abs=1e-9)
    assert plate.reciprocal_lattice.numpy() == pytest.approx(np.linalg.inv(piece.projected_lattice).T, abs=1e-9)


def test_beams_of_one_length_are_kept_or_left_out_together(cut_along, scene):
    for config in (RenderConfig(least_beams=60), RenderConfig(least_beams=60, most_beams=50)):
        made = scene(cut_along("gaas", [0, 0, 1]), config=config)
        lengths = np.hypot(*made.g_now.T)
        assert len(lengths) <= config.most_beams and made.cut.beam[0].tolist() == [0, 0]
        shells = np.unique(np.round(lengths / lengths[1], 3), return_counts=True)[1]
        assert (shells[1:] % 4 == 0).all()  # of a square lattice


def test_few_beams_are_made_more(cut_along, scene):
    counts = [len(scene(cut_along("gaas", [0, 0, 1]), config=RenderConfig(least_beams=least)).cut.beam)
              for least in (9, 100)]
    assert counts[0] < 60 and 85 < counts[1] < 115
