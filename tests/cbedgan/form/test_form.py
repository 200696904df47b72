"""Forms measured on stacks: nets that hold what is lit and no more, symmetries as groups have them, clear errors."""

import math
from importlib.resources import files

import numpy as np
import pytest
import torch

from cbedgan.form.form import COLUMNS, measure_forms, parts
from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import same_lattice
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file

DEMO = files("cbedgan") / "data/demo.h5"
SIZE, HALF_WIDTH, RADIUS, LONGEST = 48, 2.0, 0.3, 6.0


@pytest.fixture
def drawn_stack(tmp_path):
    """Factory of a file with one stack, whose three equal patterns show disks at hk [M, 2] of the net of an
    orthorhombic cell along [001]; b over a, and how many of the shortest net vectors g1 has."""
    def write(hk, *, ratio: float, of_g1: int, pose="canonical", strength=None, **missing):
        net = np.array([[1 / of_g1, 0.0], [0.0, ratio / of_g1]])
        axis = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
        x, y = np.meshgrid(axis, axis)
        pattern = np.where(np.hypot(x, y) < RADIUS, 0.1, 1e-9)
        for (gx, gy), height in zip(np.reshape(hk, (-1, 2)) @ net, strength or [0.01] * len(hk), strict=True):
            pattern = pattern + height * (np.hypot(x - gx, y - gy) < RADIUS)
        a = LONGEST
        g1 = of_g1 / a
        columns = {"cell_lengths_angstrom": [[a, a / ratio, 4.0]], "cell_angles_degree": [[90.0, 90.0, 90.0]],
                   "zone_axis_uvw": [[[0, 0, 1]] * 3], "shortest_g_inv_angstrom": [[g1] * 3], "beam_energy_kev": 100.0,
                   "convergence_semi_angle_mrad": [[RADIUS * g1 * wavelength_angstrom(100.0) * 1e3] * 3]}
        table = SampleTable.build(1, sample_id=["one"], space_group=[47], material=["m"], structure_type=["t"],
                                  formula=["AB"], origin="simulated",
                                  **{name: value for name, value in columns.items() if name not in missing})
        path = tmp_path / "drawn.h5"
        write_stack_file(path, np.broadcast_to(pattern, (1, 3, SIZE, SIZE)).astype(np.float32), table,
                         detector=Detector(SIZE, 2 * HALF_WIDTH / SIZE, "shortest_g"), pose=pose,
                         intensity_unit="fraction of the incident beam per pixel", provenance={"stage": "test"})
        return path
    return write


def net_of(path):
    """The net of the first pattern, float64 [2, 2]."""
    form = measure_forms(path, ["one"])
    assert form.shape == (1, 3, COLUMNS) and form.dtype == torch.float32
    assert parts(form).radius.flatten().tolist() == pytest.approx([RADIUS] * 3, rel=1e-5)
    return parts(form).net[0, 0].double().numpy()


def around(reach_h, reach_k, chosen=lambda h, k: True):
    return [(h, k) for h in range(-reach_h, reach_h + 1) for k in range(-reach_k, reach_k + 1)
            if (h or k) and chosen(h, k)]


@pytest.mark.parametrize(("hk", "ratio", "of_g1", "net"), [
    (around(2, 1), 1.3, 1, [[1, 0], [0, 1.3]]),
    (around(4, 2, lambda h, k: (h + k) % 2 == 0), 1.6, 2, [[1, 0], [0.5, 0.8]]),
    (around(4, 2, lambda h, k: h % 2 == 0), 2.0, 2, [[1, 0], [0, 1]]),
    (around(4, 0, lambda h, k: h % 2 == 0), 6.0, 2, [[1, 0], [0, 3]]),
    (around(4, 0, lambda h, k: h % 2 == 0), 2.4, 2, [[1, 0], [0, 2.4]]),
    (around(18, 0, lambda h, k: h % 9 == 0), 30.0, 9, [[1, 0], [0, 30 / 9]]),
], ids=["primitive", "centred", "every other column", "one row", "one row, others dark", "finer than the pixels"])
def test_a_net_holds_what_is_lit_and_no_more(drawn_stack, hk, ratio, of_g1, net):
    assert same_lattice(net_of(drawn_stack(hk, ratio=ratio, of_g1=of_g1)), np.array(net, dtype=float), 1e-3)


def test_faint_disks_make_no_net_finer_but_weak_ones_do(drawn_stack):
    hk = around(4, 2)
    for weak, net in ((1e-7, [[1, 0], [0, 1]]), (1e-4, [[0.5, 0], [0, 1]])):
        strength = [weak if h % 2 else 0.01 for h, _ in hk]
        found = net_of(drawn_stack(hk, ratio=2.0, of_g1=2, strength=strength))
        assert same_lattice(found, np.array(net, dtype=float), 1e-3)


def test_disks_without_contrast_are_alike_and_a_polar_row_is_not(drawn_stack):
    share = parts(measure_forms(drawn_stack(around(2, 1), ratio=1.3, of_g1=1), ["one"])).share
    torch.testing.assert_close(share, torch.tensor([1.0, 0, 0, 1]).expand(1, 3, 4), atol=5e-3, rtol=0)  # rounding
    polar = [0.01 if k < 0 else 0.002 for _, k in around(2, 1)]
    form = parts(measure_forms(drawn_stack(around(2, 1), ratio=1.3, of_g1=1, strength=polar), ["one"]))
    assert float(form.share[0, 0, 0]) < 0.9 and float(form.share[0, 0, 3]) == 1
    assert math.cos(float(form.azimuth[0, 0])) == pytest.approx(0, abs=1e-4)  # the line along y


def test_raw_stacks_and_stacks_of_unknown_cells_are_refused(drawn_stack):
    with pytest.raises(InputError, match="raw pose"):
        measure_forms(drawn_stack(around(2, 1), ratio=1.3, of_g1=1, pose="raw"), ["one"])
    for column in ("cell_lengths_angstrom", "zone_axis_uvw", "convergence_semi_angle_mrad"):
        with pytest.raises(InputError, match=f"{column}.*first one"):
            measure_forms(drawn_stack(around(2, 1), ratio=1.3, of_g1=1, **{column: None}), ["one"])


def test_disks_wider_than_any_camera_shows_are_refused(drawn_stack):
    with StackFile(drawn_stack(around(2, 1), ratio=1.3, of_g1=1)) as file:
        columns = file.table.columns()
        table = SampleTable(**columns | {"convergence_semi_angle_mrad": columns["convergence_semi_angle_mrad"] * 1e3})
        path = file.path.with_name("wide.h5")
        write_stack_file(path, file.read(np.array([0])), table, detector=file.detector, pose="canonical",
                         intensity_unit=file.intensity_unit, provenance={"stage": "test"})
    with pytest.raises(InputError, match="sample one: the radius of disks must be .* at most 8 times the shortest g"):
        measure_forms(path, ["one"])


def test_a_cell_that_does_not_fit_a_picture_without_a_net_is_refused(drawn_stack, tmp_path):
    path = drawn_stack([], ratio=1.3, of_g1=1)
    with StackFile(path) as file:
        table, stack = file.table, file.read(np.array([0]))
        columns = table.columns() | {"shortest_g_inv_angstrom": table.shortest_g_inv_angstrom * 1.1}
        write_stack_file(tmp_path / "off.h5", stack, SampleTable(**columns), detector=file.detector, pose="canonical",
                         intensity_unit=file.intensity_unit, provenance={"stage": "test"})
    with pytest.raises(InputError, match="sample one, pattern 0: the disk net must follow from cell"):
        measure_forms(tmp_path / "off.h5", ["one"])


def test_order_follows_the_samples_asked_for_and_a_cache_changes_nothing(tmp_path):
    with StackFile(DEMO) as file:
        groups = file.table.space_group
        rows = [int(np.flatnonzero(groups == group)[0]) for group in (225, 194, 198)]
        ids = file.table.sample_id[rows].tolist()
    forms = measure_forms(DEMO, ids)
    assert torch.isfinite(forms).all() and forms.shape == (3, 3, COLUMNS)
    assert torch.equal(measure_forms(DEMO, ids[::-1]), forms.flip(0))
    for _ in range(2):
        assert torch.equal(measure_forms(DEMO, ids, tmp_path), forms)
    found = parts(forms)
    assert ((found.share >= 0) & (found.share <= 1)).all()
    assert float(found.share[0, 1, 2]) > 0.95  # four-fold along [100] of Fm-3m
    assert float(found.share[1, 0, 1]) > 0.9  # three-fold along [001] of P6_3/mmc
    # g1 is a point of every net.
    index = torch.tensor([1.0, 0.0]) @ torch.linalg.inv(found.net)
    assert float((index - index.round()).abs().max()) < 0.02
