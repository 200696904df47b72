"""HyperSpy, py4DSTEM and emdfile open a stack file unconverted, and what they write is imported.

CBEDGAN_INTEROP_PYTHON names the Python of an environment that has them; .ci/run makes one.
"""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from classifier.foundation.config import parse_config
from classifier.imported.import_patterns import ImportConfig, import_patterns
from classifier.samples.stackfile import StackFile

pytestmark = pytest.mark.slow

HYPERSPY = """
import json, sys, hdf5plugin, numpy as np, hyperspy.api as hs
copy, nexus, target = sys.argv[1:]
s, lazy, n = hs.load(copy), hs.load(copy, lazy=True), hs.load(nexus, nxdata_only=True)
np.save(target, s.data)
assert (lazy.data.compute() == s.data).all() and (n.data == s.data).all()
axes = s.axes_manager
print(json.dumps({"kind": type(s).__name__, "title": s.metadata.General.title,
                  "navigation": [a.name for a in axes.navigation_axes],
                  "signal": [[a.name, a.units, a.scale, a.offset] for a in axes.signal_axes],
                  "nexus": [[a.name, a.units, a.scale, a.offset] for a in n.axes_manager.signal_axes]}))
"""
PY4DSTEM = """
import json, sys, hdf5plugin, numpy as np, emdfile, py4DSTEM
source, target = sys.argv[1:]
e, p = emdfile.read(source), py4DSTEM.read(source)
cube = py4DSTEM.DataCube(data=p.data)
np.save(target, e.data)
assert (p.data == e.data).all()
print(json.dumps({"cube": list(cube.data.shape), "names": list(p.dim_names), "units": list(p.dim_units),
                  "k_x": [float(p.dims[3][0]), float(p.dims[3][1])]}))
"""

HYPERSPY_WRITES = """
import json, sys, numpy as np, hyperspy.api as hs
source, *targets = sys.argv[1:]
s = hs.signals.Signal2D(np.load(source))
for axis, name in zip(s.axes_manager.signal_axes, ("kx", "ky")):
    axis.name, axis.scale, axis.offset, axis.units = name, 0.2, -1.5, "$nm^{-1}$"
for axis, name in zip(s.axes_manager.navigation_axes, ("direction", "stack")):
    axis.name = name
for target in targets:
    s.save(target)
print(json.dumps({}))
"""
PY4DSTEM_WRITES = """
import json, sys, numpy as np, emdfile, py4DSTEM
source, cube_file, array_file = sys.argv[1:]
data = np.load(source)
cube = py4DSTEM.DataCube(data=data, name="scan")
cube.calibration.set_Q_pixel_size(0.02)
cube.calibration.set_Q_pixel_units("A^-1")
py4DSTEM.save(cube_file, cube, mode="o")
emdfile.save(array_file, emdfile.Array(data, name="mine", dims=[1, 1, 0.02, 0.02],
                                       dim_units=["", "", "A^-1", "A^-1"]), mode="o")
print(json.dumps({}))
"""
IMPORT = {"layout": "stacks", "dataset": "auto", "beam_energy_kev": 100.0, "convergence_semi_angle_mrad": "unknown",
          "on_fault": "stop", "frame": {"pose": "raw", "size_pixels": 16, "pixel_size_inv_angstrom": 0.02},
          "geometry": {"transpose": False, "flip_rows": False, "flip_columns": False, "pixel_size": "from file",
                       "centre": "middle", "square": "crop"},
          "intensity": {"offset": 0.0, "on_nan": "refuse", "on_negative": "refuse", "saturation": "none",
                        "on_saturated": "refuse", "incident": "unknown", "detected_share": 1.0, "unit": "counts"},
          "pose": {"visible": 0.02, "tie": 0.02, "least_explained_share": 0.2}}


def run_there(script: str, *arguments: object) -> dict:
    """Run a script in the other environment; returns the JSON of its last line."""
    python = os.environ.get("CBEDGAN_INTEROP_PYTHON")
    if not python:
        pytest.skip("CBEDGAN_INTEROP_PYTHON names no Python with HyperSpy, emdfile and py4DSTEM; .ci/run makes one")
    done = subprocess.run([python, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("materials", [1, 3])
def test_hyperspy_opens_it_calibrated(tiny_stack_file, tmp_path, materials):
    path = tiny_stack_file(space_groups=(225,), materials=materials)
    copies = [shutil.copy(path, tmp_path / f"copy.{suffix}") for suffix in ("hspy", "nxs")]
    found = run_there(HYPERSPY, *copies, tmp_path / "data.npy")
    axes = [["k_x", "shortest_g", 0.25, -1.875], ["k_y", "shortest_g", 0.25, -1.875]]
    assert found == {"kind": "Signal2D", "title": "CBED stacks", "navigation": ["direction", "sample"],
                     "signal": axes, "nexus": axes}
    assert np.array_equal(np.load(tmp_path / "data.npy"), StackFile(path).read(range(materials)))


@pytest.mark.parametrize("materials", [1, 3])
def test_py4dstem_and_emdfile_open_it(tiny_stack_file, tmp_path, materials):
    path = tiny_stack_file(space_groups=(225,), materials=materials)
    found = run_there(PY4DSTEM, path, tmp_path / "data.npy")
    assert found["cube"] == [materials, 3, 16, 16] and found["names"] == ["sample", "direction", "k_y", "k_x"]
    assert found["units"][2:] == ["shortest_g"] * 2 and found["k_x"] == [-1.875, -1.625]
    assert np.array_equal(np.load(tmp_path / "data.npy"), StackFile(path).read(range(materials)))


@pytest.fixture
def counts(tmp_path):
    """Two stacks of 16 x 16 counts, also in the file counts.npy."""
    data = np.random.default_rng(0).integers(1, 1000, (2, 3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "counts.npy", data)
    return data


def imported(path, target):
    """Stacks of a file, cut to 16 pixels of 0.02 1/angstrom, which is what its own calibration must say."""
    config = parse_config(IMPORT, ImportConfig, source="test")
    return StackFile(import_patterns(config, files=[path], out=target)).read([0, 1])


@pytest.mark.parametrize("suffix", ["hspy", "nxs"])
def test_what_hyperspy_writes_is_imported(counts, tmp_path, suffix):
    path = tmp_path / f"scan.{suffix}"
    run_there(HYPERSPY_WRITES, tmp_path / "counts.npy", path)
    assert np.array_equal(imported(path, tmp_path / "out.h5"), counts)


def test_what_py4dstem_and_emdfile_write_is_imported(counts, tmp_path):
    files = [tmp_path / "cube.h5", tmp_path / "array.emd"]
    run_there(PY4DSTEM_WRITES, tmp_path / "counts.npy", *files)
    for number, path in enumerate(files):
        assert np.array_equal(imported(path, tmp_path / f"out{number}.h5"), counts)


def test_raw_patterns_in_1_angstrom_go_out_again_calibrated(counts, tmp_path):
    config = parse_config(IMPORT | {"geometry": IMPORT["geometry"] | {"pixel_size": {"value": 0.2, "unit": "1/nm"}}},
                          ImportConfig, source="test")
    path = import_patterns(config, files=[tmp_path / "counts.npy"], out=tmp_path / "out.h5")
    copies = [shutil.copy(path, tmp_path / f"copy.{suffix}") for suffix in ("hspy", "nxs")]
    found = run_there(HYPERSPY, *copies, tmp_path / "data.npy")
    assert [axis[:2] for axis in found["signal"]] == [["k_x", "1/angstrom"], ["k_y", "1/angstrom"]]
    assert [axis[2:] for axis in found["nexus"]] == [pytest.approx([0.02, -0.15])] * 2
    found = run_there(PY4DSTEM, path, tmp_path / "again.npy")
    assert found["units"][2:] == ["1/angstrom"] * 2 and found["k_x"] == pytest.approx([-0.15, -0.13])
    for name in ("data.npy", "again.npy"):
        assert np.array_equal(np.load(tmp_path / name), counts)
