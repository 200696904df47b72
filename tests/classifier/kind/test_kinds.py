"""Kinds of measurement: one layout holds samples of any, their axes are calibrated, CBED files stay as they were."""

import io
from dataclasses import replace

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from classifier.foundation.config import Config, parse_config
from classifier.foundation.errors import InputError
from classifier.inspection.catalog import catalog
from classifier.inspection.page import write_inspection_page
from classifier.kind.cbed import Cbed
from classifier.kind.measurement_kind import AnyKind, drawn_sample
from classifier.kind.pdf import Pdf
from classifier.kind.xrd import Xrd
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.grid import GridAxis, SampleGrid
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from classifier.samples.viewed import Frame, load_physical


class Holder(Config):
    measurement: AnyKind


def table(n: int) -> SampleTable:
    return SampleTable.build(n, sample_id=[f"s{k}" for k in range(n)], space_group=225, origin="simulated",
                             material=[f"m{k}" for k in range(n)])


def written(path, grid, n=3):
    samples = np.random.default_rng(0).random((n, *grid.shape), dtype=np.float32)
    write_stack_file(path, samples, table(n), detector=grid, pose="raw", intensity_unit="share of the highest",
                     provenance={"stage": "test"})
    return samples


@pytest.mark.parametrize("grid", [Xrd().grid(), Pdf().grid(), SampleGrid(
    "precession", (GridAxis("k_y", "1/angstrom", 4, -1.5, 1.0), GridAxis("k_x", "1/angstrom", 6, -2.5, 1.0)), 2)])
def test_samples_of_any_kind_are_read_back_with_their_axes(tmp_path, grid):
    path = tmp_path / "samples.h5"
    samples = written(path, grid)
    with StackFile(path) as file:
        assert file.grid == grid and np.array_equal(file.read([2, 0]), samples[[2, 0]])
        file.verify()
        with pytest.raises(InputError, match=f"CBED patterns alone; found samples of kind {grid.kind}"):
            _ = file.detector
    whole, _, frame = load_physical(path, ViewConfig())
    assert np.array_equal(whole, samples) and frame == Frame(grid, "raw", "share of the highest")
    with pytest.raises(InputError, match="CBED patterns alone"):
        load_physical(path, ViewConfig(half_width=1.0, size_pixels=2))


def test_other_programs_find_the_calibrated_axis(tmp_path):
    written(tmp_path / "xrd.h5", Xrd().grid())
    with h5py.File(tmp_path / "xrd.h5") as file:
        axis = file["Experiments/xrd/axis-2"].attrs
        assert (axis["name"], axis["units"], axis["size"], axis["offset"], axis["navigate"]) == (
            "two_theta", "degree", 180, 0.5, False) and axis["scale"] == pytest.approx(0.5)
        assert file["Experiments/xrd/data"].shape == file["entry/xrd/data"].shape == (3, 1, 180)
        assert np.allclose(file["entry/xrd/two_theta"], np.arange(1, 181) / 2)


def test_hyperspy_opens_curves_as_signals_of_one_dimension(tmp_path):
    hyperspy = pytest.importorskip("hyperspy.api")
    samples = written(tmp_path / "pdf.hspy", Pdf().grid())
    signal = hyperspy.load(tmp_path / "pdf.hspy")
    assert signal.axes_manager.signal_dimension == 1 and np.array_equal(signal.data, samples)
    assert (signal.axes_manager[-1].name, signal.axes_manager[-1].units) == ("r", "angstrom")


def test_a_cbed_file_is_what_it_was_to_the_bit(tmp_path):
    """The digest that was written before kinds were."""
    stacks = np.random.default_rng(1).gamma(1.0, 1e-3, (5, 3, 8, 8)).astype(np.float32)
    rows = SampleTable.build(5, sample_id=[f"s{k}" for k in range(5)], space_group=225, origin="simulated", formula="Å")
    assert write_stack_file(
        tmp_path / "cbed.h5", stacks, rows, detector=Detector(8, 0.125, "1/angstrom"), pose="raw",
        intensity_unit="counts", provenance={"stage": "t"},
    ) == "0a34892415ce761d3d2673fbf38ca615a9cbf2842d98cd48148d16de5205906f"
    with h5py.File(tmp_path / "cbed.h5") as file:
        assert file.attrs["format"] == b"cbed-stack-file 1" and file["cbed_stacks"].shape == (5, 3, 8, 8)


@pytest.mark.parametrize("grid", [Detector(8, 0.1, "1/angstrom"), Pdf().grid(), Xrd(points=90).grid(),
                                  Xrd(first=0.6, last=90.1).grid(), Xrd(wavelength_angstrom=0.7093).grid()])
def test_samples_of_another_frame_are_refused(grid):
    frame = Frame(Xrd().grid(), "raw", "share of the highest")
    frame.require(replace(frame, grid=Xrd(last=90.0 + 1e-7).grid()), "rounded")
    with pytest.raises(InputError, match="must be those of training"):
        frame.require(replace(frame, grid=grid), "other")


def test_a_kind_says_its_unit_and_draws_its_samples():
    curve = np.array([[[0.0, -2.0, 4.0, 1.0]]])
    assert Xrd(points=4).in_unit(curve).tolist() == [[[0, 0, 1, 0.25]]]
    assert np.allclose(Pdf(points=4).in_unit(curve), [[[1 / 3, 0, 1, 0.5]]])
    assert Pdf().in_unit(np.ones((1, 1, 5))).tolist() == [[[0, 0, 0, 0, 0]]]
    for kind in (Xrd(), Pdf(), Cbed()):
        sample = np.random.default_rng(0).random(kind.grid().shape)
        picture = imread(io.BytesIO(kind.drawn(sample)))
        assert picture.ndim == 3 and kind.drawn(sample) == drawn_sample(sample, kind.grid())


def test_kinds_are_read_from_configurations():
    content = {"measurement": {"kind": "xrd", "points": 90}}
    assert parse_config(content, Holder, source="t").measurement == Xrd(points=90)
    assert Pdf().grid().axes[0].coordinates()[[0, -1]].tolist() == pytest.approx([1.5, 29.911], abs=1e-3)
    with pytest.raises(InputError, match="kind must be one of cbed, xrd, pdf, or module:Name"):
        parse_config({"measurement": {"kind": "xps"}}, Holder, source="t")
    with pytest.raises(InputError, match="must rise from first to last"):
        parse_config({"measurement": {"kind": "xrd", "quantity": "sin_theta"}}, Holder, source="t")


def test_inspect_counts_and_draws_curves(tmp_path):
    written(tmp_path / "xrd.h5", Xrd().grid())
    found = catalog([tmp_path / "xrd.h5"], verify=True, split=None)
    assert "kind xrd, two_theta from 0.5 in 180 points, 0.5 degree apart" in str(found.files[0]) and not found.faults
    write_inspection_page(tmp_path / "page.html", found)
    assert (tmp_path / "page.html").read_text().count("data:image/png;base64") == 2
