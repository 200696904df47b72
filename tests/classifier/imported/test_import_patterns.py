"""Patterns written by hand in each format come in at the right place, scale, azimuth and intensity, or not at all."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import cbedgan
from classifier.crystal.reciprocal import reduced_basis
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.imported.files import OpenFiles
from classifier.imported.import_patterns import ImportConfig, import_patterns
from classifier.imported.pose import PoseConfig, measured_pose
from classifier.pattern.geometry import Detector, Pose
from classifier.prediction.predict import Predictions, load_classifier, predict
from classifier.samples.stackfile import StackFile
from project import CONFIGS
from raw_pose import to_raw
from running import verb

DATA = Path(cbedgan.__file__).parent / "data"
CLASSIFIER = DATA / "classifier.safetensors"
TEMPLATE = tomllib.loads((CONFIGS / "import/import.toml").read_text(encoding="utf-8"))
ROWS, SIZE, KEV = [0, 300], 128, 100.0


def config(*, samples=(), **changes):
    """The shipped configuration with other values; nested keys as geometry_centre and intensity_incident."""
    content = json.loads(json.dumps(TEMPLATE)) | {"samples": list(samples)}
    for key, value in changes.items():
        section, _, inner = key.partition("_")
        if section in ("geometry", "intensity", "pose") and inner:
            content[section][inner] = value
        else:
            content[key] = value
    return parse_config(content, ImportConfig, source="test")


@pytest.fixture(scope="module")
def raw():
    """Two demo stacks as a 128-pixel detector would have seen them, with the truth."""
    with StackFile(DATA / "demo.h5") as file:
        stacks, table = file.read(ROWS), file.table.take(ROWS)
    pixel = float(table.shortest_g_inv_angstrom.max()) * 4 / SIZE
    g = table.shortest_g_inv_angstrom[..., None] * np.stack([np.cos(table.azimuth_rad), -np.sin(table.azimuth_rad)], -1)
    patterns = to_raw(stacks, Detector(SIZE, pixel, "1/angstrom"), Pose(g), shortest_g_pixels=12)
    disks = g / pixel + (SIZE - 1) / 2
    samples = [{"sample_id": f"s{k}", "shortest_g_disk": disks[k].tolist()} for k in range(2)]
    logits = predict(load_classifier(CLASSIFIER), DATA / "demo.h5").logits[ROWS]
    return SimpleNamespace(patterns=patterns, pixel=pixel, samples=samples, truth=stacks[..., 8:40, 8:40], g=g,
                           table=table, logits=logits, declared={"value": pixel, "unit": "1/angstrom"})


def write_hspy(path, data, scale, unit):
    with h5py.File(path, "w") as file:
        file.attrs.update(file_format="HyperSpy", file_format_version="3.3")
        group = file.create_group("Experiments/my scan")
        group["data"] = data
        for k, n in enumerate(data.shape):
            group.create_group(f"axis-{k}").attrs.update(
                size=n, navigate=k < data.ndim - 2, name=f"a{k}", scale=scale, offset=-scale * (n - 1) / 2, units=unit)


def write_nexus(path, data, scale, unit):
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "scan"
        file.create_group("scan").attrs.update(NX_class="NXentry", default="plot")
        file.create_group("scan/other").attrs.update(NX_class="NXdata", signal="data")
        group = file.create_group("scan/plot")
        group.attrs.update(NX_class="NXdata", signal="counts", axes=["."] * (data.ndim - 2) + ["ky", "kx"])
        group["counts"] = h5py.SoftLink("/store/data")
        file["store/data"] = data
        for name, n in zip(("ky", "kx"), data.shape[-2:], strict=True):
            group[name] = (np.arange(n) - (n - 1) / 2) * scale
            group[name].attrs["units"] = np.bytes_(unit)


def write_emd(path, data, scale, unit, kind="Array"):
    with h5py.File(path, "w") as file:
        file.attrs.update(emd_group_type="file", version_major=1, version_minor=0)
        file.create_group("root").attrs.update(emd_group_type="root")
        group = file.create_group("root/cube")
        group.attrs.update(emd_group_type="array", python_class=kind)
        group["data"] = data
        for k in range(data.ndim):
            group[f"dim{k}"] = np.array([0, scale if k >= data.ndim - 2 else 1])
            group[f"dim{k}"].attrs.update(name=f"d{k}", units=unit if k >= data.ndim - 2 else "pixels")


def write_npy(path, data, *_):
    np.save(path.with_suffix(".npy"), data)
    path.with_suffix(".npy").rename(path)


def write_tiff(path, data, *_):
    pytest.importorskip("tifffile", reason="needs the extra import").imwrite(path, data, photometric="minisblack")


WRITERS = {"hspy": write_hspy, "nxs": write_nexus, "emd": write_emd, "npy": write_npy, "tif": write_tiff}


def bring(raw, path, tmp_path, *, like=CLASSIFIER, name="out.h5", **changes):
    settings = {"geometry_pixel_size": raw.declared, "geometry_centre": "middle", "intensity_incident": 1.0} | changes
    files = path if isinstance(path, list) else [path]
    return StackFile(import_patterns(config(**settings), files=files, out=tmp_path / name, like=like))


def same_stacks(raw, file, rows=(0, 1)):
    """Whether intensities and logits are those of the demo's stacks, but for resampling twice."""
    found, truth = file.read(range(len(file))), raw.truth[list(rows)]
    assert (np.abs(found - truth).sum((2, 3)) < 0.2 * truth.sum((2, 3))).all()
    assert found.sum((2, 3)) == pytest.approx(truth.sum((2, 3)), rel=0.02)
    assert file.table.shortest_g_inv_angstrom == pytest.approx(raw.table.shortest_g_inv_angstrom[list(rows)], rel=1e-3)
    turned = np.angle(np.exp(1j * (file.table.azimuth_rad - raw.table.azimuth_rad[list(rows)])))
    assert np.abs(turned).max() < 1e-3
    judged = predict(load_classifier(CLASSIFIER), file.path).logits
    assert (judged.argmax(1) == raw.logits[list(rows)].argmax(1)).all()
    assert np.abs(judged - raw.logits[list(rows)]).max() < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_comes_in_and_is_judged_alike(raw, tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    WRITERS[suffix](path, raw.patterns, raw.pixel, "1/angstrom")
    calibrated = suffix in ("hspy", "nxs", "emd")
    file = bring(raw, path, tmp_path, samples=raw.samples,
                 geometry_pixel_size="from file" if calibrated else raw.declared,
                 geometry_centre="from file" if suffix in ("hspy", "nxs") else "middle")
    same_stacks(raw, file)
    assert set(file.table.origin) == {"experimental"} and list(file.table.sample_id) == ["s0", "s1"]
    assert json.loads(file.table.provenance[1])["patterns"] == [[path.name, [1, k]] for k in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("unit, factor", [("nm^-1", 10), ("$A^{-1}$", 1), ("Å⁻¹", 1), ("1/nm", 10),
                                          ("mrad", 1e3 * 0.0370143)])
def test_units_of_the_file_are_understood(raw, tmp_path, unit, factor):
    write_hspy(tmp_path / "a.hspy", raw.patterns, raw.pixel * factor, unit)
    file = bring(raw, tmp_path / "a.hspy", tmp_path, samples=raw.samples, geometry_pixel_size="from file")
    same_stacks(raw, file)


@pytest.mark.slow
def test_a_file_without_units_asks_for_a_declaration(raw, tmp_path):
    write_hspy(tmp_path / "a.hspy", raw.patterns, 1.0, "px")
    with pytest.raises(InputError, match="needs calibrated axes.*unit 'px'.*pixel_size"):
        bring(raw, tmp_path / "a.hspy", tmp_path, geometry_pixel_size="from file")


def test_py4dstem_axes_start_at_zero_and_give_no_centre(raw, tmp_path):
    write_emd(tmp_path / "a.emd", raw.patterns, raw.pixel, "A^-1", "DataCube")
    with pytest.raises(InputError, match="axes that start with 0"):
        bring(raw, tmp_path / "a.emd", tmp_path, geometry_pixel_size="from file", geometry_centre="from file")


@pytest.mark.slow
def test_three_files_make_a_stack_and_three_positions_of_a_datacube_too(raw, tmp_path):
    singles = []
    for k in range(3):
        singles.append(tmp_path / f"axis{k}.npy")
        np.save(singles[-1], raw.patterns[0, k])
    first = bring(raw, singles, tmp_path, name="singles.h5", layout="patterns", samples=raw.samples[:1])
    cube = np.zeros((4, 5, SIZE, SIZE), np.float32)
    places = [(0, 3), (2, 2), (3, 4)]
    for k, place in enumerate(places):
        cube[place] = raw.patterns[0, k]
    write_emd(tmp_path / "scan.h5", cube, raw.pixel, "A^-1", "DataCube")
    listed = raw.samples[0] | {"patterns": [{"file": "scan.h5", "at": place} for place in places]}
    second = bring(raw, tmp_path / "scan.h5", tmp_path, name="cube.h5", layout="listed", samples=[listed])
    same_stacks(raw, first, [0])
    assert np.array_equal(first.read([0]), second.read([0]))


def test_one_stack_without_a_leading_axis_is_named_by_its_file(raw, tmp_path):
    np.save(tmp_path / "grain.npy", raw.patterns[0])
    found = bring(raw, tmp_path / "grain.npy", tmp_path, like=None,
                  frame={"pose": "raw", "size_pixels": 64, "pixel_size_inv_angstrom": raw.pixel})
    assert list(found.table.sample_id) == ["grain"] and found.pose == "raw" and found.detector.unit == "1/angstrom"
    assert np.array_equal(found.read([0])[0], raw.patterns[0][:, 32:96, 32:96])


def test_raw_patterns_are_resampled_to_the_pixels_asked_for(raw, tmp_path):
    np.save(tmp_path / "a.npy", raw.patterns[0])
    found = bring(raw, tmp_path / "a.npy", tmp_path, like=None,
                  frame={"pose": "raw", "size_pixels": 64, "pixel_size_inv_angstrom": 2 * raw.pixel}).read([0])[0]
    assert found == pytest.approx(raw.patterns[0].reshape(3, 64, 2, 64, 2).sum((2, 4)), rel=0.6, abs=1e-4)
    assert found.sum((1, 2)) == pytest.approx(raw.patterns[0].sum((1, 2)), rel=0.01)


def test_stored_order_is_undone_as_declared(raw, tmp_path):
    stored = raw.patterns[0][:, :, ::-1].transpose(0, 2, 1)  # columns reversed first: undone last
    np.save(tmp_path / "a.npy", stored)
    disks = [[row, SIZE - 1 - column] for column, row in raw.samples[0]["shortest_g_disk"]]
    file = bring(raw, tmp_path / "a.npy", tmp_path, geometry_transpose=True, geometry_flip_columns=True,
                 samples=[{"sample_id": "a", "shortest_g_disk": disks}])
    same_stacks(raw, file, [0])


@pytest.mark.slow
@pytest.mark.parametrize("square", ["crop", "pad"])
def test_a_wide_pattern_off_the_centre_is_squared_about_it(raw, tmp_path, square):
    wide = np.zeros((3, SIZE + 30, SIZE + 70), np.float32)
    wide[:, 10:10 + SIZE, 45:45 + SIZE] = raw.patterns[0]
    np.save(tmp_path / "a.npy", wide)
    disks = [[column + 45, row + 10] for column, row in raw.samples[0]["shortest_g_disk"]]
    file = bring(raw, tmp_path / "a.npy", tmp_path, geometry_centre=[63.5 + 45, 63.5 + 10], geometry_square=square,
                 samples=[{"sample_id": "a", "shortest_g_disk": disks}])
    same_stacks(raw, file, [0])


def test_counts_become_fractions_of_the_beam(raw, tmp_path):
    counts = np.random.default_rng(0).poisson(raw.patterns * 1e7 + 3).astype(np.uint32)
    np.save(tmp_path / "a.npy", counts)
    np.save(tmp_path / "dark.npy", np.full((SIZE, SIZE), 3))
    by_beam = bring(raw, tmp_path / "a.npy", tmp_path, name="1.h5", intensity_incident=1e7, intensity_offset=3.0,
                    samples=raw.samples)
    assert by_beam.read([0]).sum((2, 3)) == pytest.approx(raw.truth[:1].sum((2, 3)), rel=0.02)
    settings = config(geometry_pixel_size=raw.declared, geometry_centre="middle", samples=raw.samples)
    total = StackFile(import_patterns(settings, files=[tmp_path / "a.npy"], dark=tmp_path / "dark.npy",
                                      out=tmp_path / "2.h5", like=CLASSIFIER))
    share = raw.truth.sum((2, 3)) / raw.patterns.sum((2, 3))
    assert total.read([0, 1]).sum((2, 3)) == pytest.approx(share, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("value, key, policy, remark", [
    (np.nan, "intensity_on_nan", "zero", "non-finite"), (-1.0, "intensity_on_negative", "clip", "negative"),
    (9.0, "intensity_on_saturated", "keep", "saturated")])
def test_faulty_pixels_follow_their_policy(raw, tmp_path, value, key, policy, remark):
    faulty = raw.patterns.copy()
    faulty[1, 2, 0, 0] = value
    np.save(tmp_path / "a.npy", faulty)
    settings = {"samples": raw.samples, "intensity_saturation": 5.0}
    with pytest.raises(InputError, match=rf"\[1, 2\].*{remark} pixels; found 1"):
        bring(raw, tmp_path / "a.npy", tmp_path, **settings, **{key: "refuse"})
    kept = bring(raw, tmp_path / "a.npy", tmp_path, **settings, **{key: policy})
    assert f"pattern 2: 1 {remark} pixels" in json.loads(kept.table.provenance[1])["remarks"]
    left = bring(raw, tmp_path / "a.npy", tmp_path, name="left.h5", on_fault="leave out", **settings, **{key: "refuse"})
    assert list(left.table.sample_id) == ["s0"] and remark in left.provenance["left_out"]["s1"]


@pytest.mark.slow
@pytest.mark.parametrize("counts", [None, 1e6])
@pytest.mark.parametrize("way", ["image", "net"])
def test_the_pose_is_found(disk_pattern, tmp_path, counts, way):
    turn, lengths = np.radians(17), (18.0, 25.0)
    lattice = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * np.array(lengths)[:, None]
    def amplitude(h, k):
        if way == "net" and k:  # one row of disks is no lattice to see
            return 0.0
        return 1.0 if h == k == 0 else (0.5 if h > 0 else 0.3) / (1 + h * h + k * k)
    pattern = disk_pattern(SIZE, lattice, 6.0, amplitude=amplitude, centre=(7.0, -4.0), dose=counts)
    np.save(tmp_path / "a.npy", np.stack([pattern] * 3))
    mrad = 6 * 0.01 * 0.0370143 * 1e3
    sample = {"sample_id": "a", "cell_lengths_angstrom": [1 / 0.18, 1 / 0.25, 4.0], "cell_angles_degree": [90.0] * 3,
              "zone_axis_uvw": [[0, 0, 1]] * 3} if way == "net" else {"sample_id": "a"}
    settings = config(geometry_pixel_size={"value": 0.01, "unit": "1/angstrom"}, samples=[sample],
                      convergence_semi_angle_mrad=mrad, frame={"pose": "canonical", "size_pixels": 32,
                                                               "shortest_g_pixels": 9.0})
    file = StackFile(import_patterns(settings, files=[tmp_path / "a.npy"], out=tmp_path / "o.h5"))
    assert json.loads(file.table.provenance[0])["pose_from"][0].startswith(way)
    assert file.table.shortest_g_inv_angstrom == pytest.approx(0.18, rel=0.01)
    assert np.degrees(file.table.azimuth_rad) == pytest.approx(-17, abs=1.0)
    for basis in json.loads(file.table.provenance[0])["disk_lattice"]:
        assert np.abs(reduced_basis(np.array(basis))) == pytest.approx(np.diag([1, 25 / 18]), abs=0.02)
    nearest = (SIZE / 2 - 7.0) * 0.01  # from the direct beam, which lies 7 pixels beside the middle
    for field in json.loads(file.table.provenance[0])["field_inv_angstrom"]:
        assert nearest - 0.012 < field < nearest + 0.003  # to whole pixels of the square about the beam


def test_hostile_and_foreign_files_are_refused(raw, tmp_path):
    def refused(name, match, **changes):
        with pytest.raises(InputError, match=match):
            bring(raw, tmp_path / name, tmp_path, **changes)
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused("object.npy", "object.npy.*Python objects in dtype")
    np.save(tmp_path / "text.npy", np.full((3, 4, 4), "x"))
    refused("text.npy", "must be numbers")
    (tmp_path / "note.txt").write_text("hello")
    refused("note.txt", "must be HDF5")
    write_hspy(tmp_path / "a.hspy", raw.patterns, 1.0, "px")
    (tmp_path / "cut.hspy").write_bytes((tmp_path / "a.hspy").read_bytes()[:5000])
    refused("cut.hspy", "cut.hspy.*truncated")
    with h5py.File(tmp_path / "link.hspy", "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        file.create_group("Experiments/x")["data"] = h5py.ExternalLink("a.hspy", "/Experiments/my scan/data")
    refused("link.hspy", "must lie in the file itself")
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("d", shape=(10**6, 3, 512, 512), dtype="f8", chunks=(1, 1, 512, 512))
        file.create_dataset("ragged", shape=(3,), dtype=h5py.vlen_dtype(np.float32))
        file["circle"] = h5py.SoftLink("/circle")
    refused("bomb.h5", "must hold the values that it declares", dataset="/d")
    refused("bomb.h5", "variable length", dataset="/ragged")
    refused("bomb.h5", "circle of links", dataset="/circle")
    refused("bomb.h5", "nothing lies at", dataset="/missing/x")
    refused("bomb.h5", "found 0: none in a HyperSpy, NeXus or EMD layout")
    refused("absent.npy", "must exist")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
def test_damage_is_one_clear_error_or_none(tmp_path, suffix):
    path, random = tmp_path / f"a.{suffix}", np.random.default_rng(0)
    WRITERS[suffix](path, random.random((2, 3, 8, 8)).astype(np.float32), 0.1, "1/nm")
    whole, refused = path.read_bytes(), 0
    for number in range(60):
        damaged = bytearray(whole)
        for place in random.integers(0, min(len(whole), (300, 6000)[number % 2]), 1 + number % 7):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged[:random.integers(1, len(whole))] if number % 4 == 0 else damaged)
        try:
            with OpenFiles("auto") as files:
                files[path].read((0,) * len(files[path].lead))
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and path.name in str(error)
    assert refused > 10


@pytest.mark.slow
def test_the_verbs_import_and_predict(raw, tmp_path, monkeypatch):
    write_hspy(tmp_path / "scan.hspy", raw.patterns, raw.pixel, "1/Å")
    text = (CONFIGS / "import/import.toml").read_text(encoding="utf-8").replace('"total"', "1.0").replace(
        'centre = "find"', 'centre = "from file"')
    for sample in raw.samples:
        text += f'\n[[samples]]\nsample_id = "{sample["sample_id"]}"\nshortest_g_disk = {sample["shortest_g_disk"]}\n'
    (tmp_path / "import.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for arguments in (["import", "scan.hspy", "--config", "import.toml", "--like", CLASSIFIER, "--out", "mine.h5"],
                      ["predict", "--classifier", CLASSIFIER, "--stacks", "mine.h5", "--out", "p.npz"]):
        assert verb(*arguments) == 0
    assert (Predictions.load(tmp_path / "p.npz").logits.argmax(1) == raw.logits.argmax(1)).all()


def test_what_does_not_fit_together_is_said(raw, tmp_path):
    np.save(tmp_path / "a.npy", raw.patterns)
    path = tmp_path / "a.npy"
    for match, changes in {
        'or a table without it; found no --like': {"like": None},
        'set intensity.incident to "total"': {"intensity_incident": "unknown"},
        "1 for 2 stacks": {"samples": raw.samples[:1]},
        "needs its three patterns": {"layout": "listed", "samples": raw.samples},
        "three files a stack; found 1": {"layout": "patterns"},
        "the centre must lie in the pattern": {"geometry_centre": [200.0, 5.0]},
        "no samples are listed": {"layout": "listed"},
    }.items():
        with pytest.raises(InputError, match=match):
            bring(raw, path, tmp_path, **changes)
    np.save(tmp_path / "b.npy", raw.patterns[:, :2])
    with pytest.raises(InputError, match=r"\[3, H, W\] or \[N, 3, H, W\]; found leading axes \[2, 2\]"):
        bring(raw, tmp_path / "b.npy", tmp_path)
    assert not (tmp_path / "out.h5").exists()


def test_the_same_command_again_keeps_the_file_and_another_is_refused(raw, tmp_path):
    np.save(tmp_path / "a.npy", raw.patterns)
    first = bring(raw, tmp_path / "a.npy", tmp_path, samples=raw.samples)
    before = first.path.stat().st_mtime_ns
    assert bring(raw, tmp_path / "a.npy", tmp_path, samples=raw.samples).path.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="config_digest may not change"):
        bring(raw, tmp_path / "a.npy", tmp_path, samples=raw.samples, intensity_incident=2.0)


def test_touching_disks_are_not_placed_by_cell_and_zone_axis():
    """Three of six such patterns were placed wrongly without a warning, before this was refused."""
    shapeless = np.random.default_rng(0).random((96, 96))
    with pytest.raises(InputError, match="0.96 times as wide.*shortest_g_disk"):
        measured_pose(shapeless, Detector(96, 1.0, "pixel"),
                      PoseConfig(visible=0.02, tie=0.02, least_explained_share=0.5), centre=np.zeros(2),
                      disk_radius=9.6, basis=np.array([[20.0, 0.0], [0.0, 31.0]]))
