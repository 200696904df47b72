"""The bundled data: whole, as planned, parts apart by structure type, canonical, made again from its provenance."""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from cbedgan.crystal.crystals import Crystal, measure_symmetry
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import resimulate, slabs
from classifier.foundation.config import digest, load_config
from classifier.samples.stackfile import StackFile
from project import CONFIGS, ROOT

CONFIG = load_config(CONFIGS / "demo/simulate.toml", SimulateConfig)
# Ten bits of mantissa leave at most 2^-11 = 4.9e-4 of each pixel; other processors' rounding adds some 1e-5.
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def demo() -> Iterator[StackFile]:
    with StackFile(ROOT / "cbedgan/data/demo.h5") as file:
        yield file


def crystals(demo: StackFile, rows) -> list[Crystal]:
    return [Crystal.from_record(json.loads(text)["crystal"]) for text in demo.table.provenance[rows].tolist()]


def test_it_is_whole_small_and_of_this_configuration(demo: StackFile):
    demo.verify()
    assert demo.path.stat().st_size < 12e6 and demo.provenance["config_digest"] == digest(CONFIG)
    assert demo.pose == "canonical" and demo.detector.size_pixels == 48
    assert 1 / demo.detector.pixel_size == pytest.approx(12)


def test_quotas_are_met_and_parts_share_neither_type_nor_material(demo: StackFile):
    table = demo.table
    counts = Counter(zip(table.space_group.tolist(), table.partition.tolist(), strict=True))
    assert counts == {(quota.space_group, part): getattr(quota, part)
                      for quota in CONFIG.crystals.groups for part in ("train", "test")}
    train, test = (set(table.structure_type[table.partition == part].tolist()) for part in ("train", "test"))
    assert not train & test
    assert len(set(zip(table.formula.tolist(), table.space_group.tolist(), strict=True))) == len(demo)


def test_groups_and_types_are_those_that_moyopy_measures(demo: StackFile):
    for crystal in crystals(demo, slice(None, None, 9)):
        assert measure_symmetry(crystal.lattice, crystal.positions, crystal.numbers).number == crystal.space_group
        assert crystal.structure_type.startswith(f"{crystal.space_group}_")


def test_the_shortest_visible_disk_lies_at_twelve_pixels_on_the_right(demo: StackFile):
    x = np.arange(48) - 23.5
    from_centre = np.hypot(x[None, :], x[:, None])
    right, up = (np.hypot(x[None, :] - k_x, x[:, None] - k_y) < 5 for k_x, k_y in ((12, 0), (0, 12)))
    stacks = demo.read(np.arange(len(demo)))
    assert stacks.min() >= 0 and (stacks.sum(axis=(2, 3)) < 1).all()
    diffracted = stacks[..., from_centre > 6.5].sum(axis=-1)
    share = stacks[..., right].sum(axis=-1) / diffracted
    # Visible means 0.02 of the brightest disk; a few lose most of it when the aperture shrinks to fit a shorter |g1|.
    assert share.min() > 1e-4 and (share > 3e-3).mean() > 0.98
    assert np.median(share) > 2 * np.median(stacks[..., up].sum(axis=-1) / diffracted)
    halo = stacks[..., (from_centre > 5.8) & (from_centre < 6.2)].mean(axis=-1)
    assert np.median(stacks[..., from_centre < 5].mean(axis=-1) / halo) > 5


@pytest.mark.slow
def test_slabs_are_cut_as_they_were(demo: StackFile):
    rows = slice(4, None, 40)
    for text, crystal, axes in zip(demo.table.provenance[rows].tolist(), crystals(demo, rows),
                                   demo.table.zone_axis_uvw[rows], strict=True):
        pieces = slabs(crystal, CONFIG)
        np.testing.assert_array_equal([piece.zone_axis_uvw for piece in pieces], axes)
        np.testing.assert_allclose([np.linalg.norm(piece.slope) for piece in pieces], json.loads(text)["slope"],
                                   atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("space_group", [221, 216, 12])
def test_stacks_are_made_again_from_their_provenance(demo: StackFile, space_group: int):
    here = np.flatnonzero(demo.table.space_group == space_group)
    volume = demo.table.cell_lengths_angstrom[here].prod(axis=1)
    row = here[volume.argmin()]  # the smallest cell takes the least time
    stored, again = demo.read([row])[0], resimulate(CONFIG, str(demo.table.provenance[row]))
    off = np.abs(stored - again).sum(axis=(1, 2)) / stored.sum(axis=(1, 2))
    assert (off < TOLERANCE).all(), off
