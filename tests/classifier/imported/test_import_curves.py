"""A user's own curves: any header, step, separator and wavelength, on the axis of a kind, and what was done is said."""

import json

import numpy as np
import pytest

from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.imported.curve_files import StoredCurve, read_curve
from classifier.imported.import_curves import ImportCurvesConfig, import_curves
from classifier.imported.regridding import ClippedPeaks, on_axis, regridded, without_background
from classifier.kind.pdf import Pdf
from classifier.kind.xrd import Xrd
from classifier.samples.stackfile import StackFile
from project import ROOT

MEASURED = ROOT.parent / "shared/data/measured"
XRD = {"measurement": {"kind": "xrd"}, "axis": "two_theta_degree", "wavelength_angstrom": 1.54184, "between": "mean",
       "background": {"kind": "none"}}
PDF = {"measurement": {"kind": "pdf"}, "axis": "r_angstrom", "between": "value", "background": {"kind": "none"}}
XRDML = """<?xml version="1.0"?><x xmlns="http://www.xrdml.com/1.5"><kAlpha1 unit="Angstrom">1.5406</kAlpha1>
<dataPoints><positions axis="2Theta"><startPosition>10</startPosition><endPosition>21</endPosition></positions>
<intensities unit="counts">1 2 3 4 5 6 5 4 3 2 1 0</intensities></dataPoints></x>"""


def config(base=XRD, **changes) -> ImportCurvesConfig:
    return parse_config(base | changes, ImportCurvesConfig, source="test")


def two_columns(line: str, rows: int = 12) -> str:
    return "".join(line.format(10 + k, k * k) + "\n" for k in range(rows))


@pytest.mark.parametrize("text", [
    two_columns("{} {}"), "angle,counts\n" + two_columns("{},{}"), "# made by\n# 1 2\n" + two_columns("{}\t{}"),
    "[DEFAULT]\nqmax = 24\n#### start data\n#S 1\n#L r G\n" + two_columns("{} {}"),
    "Winkel;Zahl\n" + two_columns("{},0;{},0"), "sample\n2-Theta\nIntensity\n   12\n" + two_columns(" {}E+00  {}.0D0"),
    two_columns("{} {}") + "\nend of scan\n1 2\n", "﻿" + two_columns("{} {}\r"), two_columns("{} {} 0.5")])
def test_headers_separators_and_footers_are_seen_through(tmp_path, text):
    path = tmp_path / "curve.xy"
    path.write_text(text, encoding="utf-8")
    curve = read_curve(path, (1, 2))
    assert curve.places.tolist() == list(range(10, 22)) and curve.values.tolist() == [k * k for k in range(12)]


def test_xrdml_is_read_with_its_wavelength(tmp_path):
    path = tmp_path / "scan.xrdml"
    path.write_text(XRDML)
    curve = read_curve(path, (1, 2))
    assert curve.places.tolist() == list(range(10, 22)) and curve.values[5] == 6 and curve.wavelength_angstrom == 1.5406
    path.write_text(XRDML.replace("<x ", '<!DOCTYPE x [<!ENTITY a "b">]><x '))
    with pytest.raises(InputError, match="no entities"):
        read_curve(path, (1, 2))


@pytest.mark.parametrize("text, said", [("", "lines with 2 numbers"), ("a b\n" * 50, "lines with 2 numbers"),
                                        (two_columns("{} {}", 5), "10 points"), ("<x>" * 9, "no XML"),
                                        (two_columns("{} nan"), "lines with 2 numbers"), ("\0\1" * 99, "2 numbers")])
def test_what_is_no_curve_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "curve.xy"
    path.write_text(text)
    with pytest.raises(InputError, match=f"curve.xy: .*{said}"):
        read_curve(path, (1, 2))


def test_places_of_one_plane_agree_whatever_they_are_given_in():
    """d = 2 angstrom, seen with Mo K alpha and asked with Cu K alpha: Bragg's law in every spelling."""
    axis, d, mo, cu = Xrd().grid().axes[0], 2.0, 0.71073, 1.54184
    expected = 2 * np.degrees(np.arcsin(cu / 2 / d))
    for place, unit in ((2 * np.degrees(np.arcsin(mo / 2 / d)), "two_theta_degree"), (2 * np.pi / d, "q_inv_angstrom"),
                        (np.degrees(np.arcsin(mo / 2 / d)), "theta_degree"), (20 * np.pi / d, "q_inv_nm"),
                        (d, "d_angstrom")):
        found = on_axis(np.array([place]), unit, axis, measured=mo, wanted=cu, source="t")
        assert found == pytest.approx([expected], rel=1e-12)
    assert np.isnan(on_axis(np.array([0.5]), "d_angstrom", axis, measured=None, wanted=cu, source="t")).all()
    with pytest.raises(InputError, match="Declare wavelength_angstrom"):
        on_axis(np.array([20.0]), "two_theta_degree", axis, measured=None, wanted=cu, source="t")
    with pytest.raises(InputError, match="can become r"):
        on_axis(np.array([20.0]), "two_theta_degree", Pdf().grid().axes[0], measured=cu, wanted=None, source="t")


def test_means_over_steps_keep_the_area_and_the_place_of_a_narrow_peak():
    x = np.arange(5.0, 90.0, 0.01)
    y = np.exp(-0.5 * ((x - 30.13) / 0.05) ** 2)
    grid = Xrd().grid()
    values, remarks = regridded(StoredCurve(x, y), x, grid, between="mean", background=config().background, first=10.0,
                                last=None, source="t")
    at = grid.axes[0].coordinates()
    assert values.sum() * 0.5 == pytest.approx(y.sum() * 0.01, rel=1e-3) and at[values.argmax()] == 30.0
    assert values[at < 9.5].max() == 0 and "19 of 180 points were not measured and are 0" in remarks


def test_a_background_is_clipped_off_under_the_peaks():
    x = np.arange(10.0, 80.0, 0.05)
    peaks = 500 * np.exp(-0.5 * ((x[:, None] - [22.0, 31.0, 55.0]) / 0.15) ** 2).sum(1)
    hump = 200 + 300 * np.exp(-0.5 * ((x - 25) / 8) ** 2)
    left = without_background(peaks + hump, 0.05, ClippedPeaks(kind="snip", width=2.0))
    assert np.abs(left - peaks).max() < 25 and left.min() == 0


def test_files_become_samples_that_say_what_was_done(tmp_path):
    (tmp_path / "a.xy").write_text(two_columns("{} {}", 60))
    (tmp_path / "bad.xy").write_text("nothing")
    asked = config(on_fault="leave out", samples=[{"file": "a.xy", "space_group": 225, "formula": "Ni"}])
    out = import_curves(asked, files=[tmp_path / "a.xy", tmp_path / "bad.xy"], out=tmp_path / "own.h5")
    with StackFile(out) as file:
        assert file.grid == Xrd().grid() and file.intensity_unit == "share of the highest" and len(file) == 1
        assert (file.table.sample_id[0], file.table.space_group[0], file.table.origin[0]) == ("a", 225, "experimental")
        assert "bad.xy" in file.provenance["left_out"]
        said = json.loads(file.table.provenance[0])["remarks"]
        assert said[0].startswith("two_theta 10 to 69 degree, 60 points, as values at steps") and len(said) == 3
        assert file.read([0])[0, 0, 137] == 1.0  # 69 degrees
        digest = file.digest
    assert StackFile(import_curves(asked, files=[tmp_path / "a.xy", tmp_path / "bad.xy"], out=out)).digest == digest
    with pytest.raises(InputError, match="an output holds one run"):
        import_curves(config(), files=[tmp_path / "a.xy"], out=out)
    with pytest.raises(InputError, match="lines with 2 numbers"):
        import_curves(config(), files=[tmp_path / "bad.xy"], out=tmp_path / "other.h5")
    with pytest.raises(InputError, match="no file for c.xy"):
        import_curves(config(samples=[{"file": "c.xy"}]), files=[tmp_path / "a.xy"], out=tmp_path / "other.h5")


def test_limits_and_background_are_in_degrees_whatever_the_axis_is(tmp_path):
    x = np.arange(5.0, 90.0, 0.1)
    y = 100.0 + 900 * np.exp(-0.5 * ((x - 40) / 0.3) ** 2) + 5000 * (x < 9)
    np.savetxt(tmp_path / "a.xy", np.stack([x, y], axis=1))
    onto = {"kind": "xrd", "quantity": "sin_theta", "first": 0.05, "last": 0.7, "points": 400}
    curved = config(measurement=onto, first=10.0, background={"kind": "snip", "width": 4.0})
    with StackFile(import_curves(curved, files=[tmp_path / "a.xy"], out=tmp_path / "a.h5")) as file:
        curve = file.read([0])[0, 0]
    at = np.linspace(0.05, 0.7, 400)
    assert at[curve.argmax()] == pytest.approx(np.sin(np.radians(20.0)), abs=0.002)
    assert not curve[at < np.sin(np.radians(4.9))].any() and np.median(curve) < 0.01


@pytest.mark.parametrize("name", ["powder", "pdf"])
def test_the_configurations_are_sound(name):
    load_config(ROOT / f"configs/import/{name}.toml", ImportCurvesConfig)


@pytest.mark.skipif(not MEASURED.is_dir(), reason="measured patterns lie beside the checkout")
def test_measured_patterns_come_in(tmp_path):
    powder = config(first=10.0, background={"kind": "snip", "width": 4.0})
    with StackFile(import_curves(powder, files=sorted((MEASURED / "xrd").glob("*.xy")), out=tmp_path / "x.h5")) as file:
        assert len(file) == 5 and (file.read(range(5)).max(axis=(1, 2)) == 1).all()
        # Most of a measured pattern is no peak.
        assert (np.median(file.read(range(5)), axis=(1, 2)) < 0.1).all()
    with StackFile(import_curves(config(PDF), files=sorted((MEASURED / "pdf").glob("*.gr")), out=tmp_path / "p.h5")
                   ) as file:
        nickel = file.read(np.flatnonzero(file.table.sample_id == "225_Ni"))[0, 0]
        # Nickel's nearest neighbours are 2.49 angstrom apart.
        at = Pdf().grid().axes[0].coordinates()
        assert at[nickel[at < 3.2].argmax()] == pytest.approx(2.49, abs=0.14)
