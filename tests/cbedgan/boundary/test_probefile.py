from dataclasses import fields

import numpy as np
import pytest

from cbedgan.boundary.probefile import ProbedPaths, ProbeFile, read_probe, write_probe
from classifier.foundation.errors import InputError

WIDTH = {"z_a": (3,), "z_b": (3,), "w": (5,)}
PROVENANCE = {"stage": "probe", "inputs": {"split": "abc"}}


def probed(n=4):
    random = np.random.default_rng(0)
    columns = {column.name: random.normal(size=(n, *WIDTH.get(column.name, ()))) * 10 for column in fields(ProbedPaths)}
    columns["kind"] = np.array(["class", "latent", "w", "w"])[:n]
    return ProbedPaths(**columns | {"crossing": np.where(np.arange(n) == 1, np.nan, 0.5)})


def test_columns_come_back_as_written(tmp_path):
    paths = probed()
    digest = write_probe(tmp_path / "probe.h5", ProbeFile(paths, PROVENANCE, {"success": 0.75}))
    stored = read_probe(tmp_path / "probe.h5")
    assert (stored.provenance, stored.summary, stored.digest) == (PROVENANCE, {"success": 0.75}, digest)
    assert len(stored.paths) == 4 and stored.paths.kind.tolist() == ["class", "latent", "w", "w"]
    assert np.array_equal(stored.paths.w, paths.w.astype(np.float32))
    assert np.array_equal(stored.paths.crossing, paths.crossing, equal_nan=True)
    assert stored.paths.take(stored.paths.kind == "w").z_a.shape == (2, 3)


def test_an_empty_probe_can_be_written(tmp_path):
    write_probe(tmp_path / "probe.h5", ProbeFile(probed(0), PROVENANCE, {}))
    assert len(read_probe(tmp_path / "probe.h5").paths) == 0


def test_changed_content_is_refused(tmp_path):
    import h5py
    write_probe(tmp_path / "probe.h5", ProbeFile(probed(), PROVENANCE, {}))
    with h5py.File(tmp_path / "probe.h5", "r+") as file:
        file["paths/crossing"][0] = 0.25
    with pytest.raises(InputError, match="sha256"):
        read_probe(tmp_path / "probe.h5")


@pytest.mark.parametrize("content", [None, b"", b"\x89HDF\r\n\x1a\n", "cut"])
def test_a_missing_foreign_or_cut_file_is_an_input_error(tmp_path, content):
    path = tmp_path / "probe.h5"
    write_probe(path, ProbeFile(probed(), PROVENANCE, {}))
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:3000] if content == "cut" else content)
    with pytest.raises(InputError, match="probe"):
        read_probe(path)


def test_another_hdf5_file_is_refused(tiny_stack_file):
    with pytest.raises(InputError, match="format"):
        read_probe(tiny_stack_file())
