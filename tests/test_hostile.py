"""Hostile files: whatever is done to a file, it reads back as it was or is refused in one line; nothing hangs.

A child process reads (support/hostile_reader.py). CBEDGAN_FLIPS sets how many random single bits are flipped a kind.
"""

import io
import json
import os
import select
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cbedgan.boundary.probefile import ProbedPaths, ProbeFile, write_probe
from cbedgan.gan.network.config import NetworkConfig
from cbedgan.gan.network.contract import SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from cbedgan.gan.network.generator import TrainedGenerator
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.config import digest, parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.run import Run
from classifier.network.model import ModelConfig
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.prediction.predict import Predictions, TrainedClassifier
from classifier.samples import stacklayout
from classifier.samples.dataset import Frame, soft_labels
from classifier.samples.split import SplitConfig, split
from classifier.samples.stackfile import SampleTable, StackFile, write_stack_file
from project import CONFIGS
from published import EXAMPLE, preparation
from running import verb

pytestmark = pytest.mark.slow

FLIPS = int(os.environ.get("CBEDGAN_FLIPS", 40))
SECONDS = 30  # a case; the slowest take less than one
SIZE = 8
SPLIT = {"group_by": "structure_type", "validation_fraction": 0.25, "test_fraction": 0.2, "minimum_materials": 2,
         "adopt_partition": False, "near_duplicates": "refuse", "seed": 0}
POSCAR = """salt
5.64
0 .5 .5
.5 0 .5
.5 .5 0
Na Cl
1 1
Direct
0 0 0
.5 .5 .5
"""
NAMES = {"stacks": "stacks.h5", "probe": "probe.h5", "split": "split.json", "run": "run.json",
         "config": "split.toml", "classifier": "classifier.safetensors", "generator": "generator.safetensors",
         "predictions": "predictions.npz", "batch": "batch_train_0.h5", "cif": "salt.cif", "poscar": "POSCAR",
         "stfc": "0.npz", "hspy": "scan.hspy", "npy": "scan.npy", "tiff": "scan.tif"}
# Formats of other programs carry no checksum: a flipped digit is another crystal. The rest must tell every change.
UNSIGNED = {"config", "run", "batch", "cif", "poscar", "hspy", "npy", "tiff"}
SLOW = {"batch", "stfc"}  # a whole set is prepared for each case
EXTRA = {"cif": "moyopy", "poscar": "moyopy", "tiff": "tifffile"}  # what a kind needs beside the core
PREPARE = {"batch": preparation(16, SIZE, policies={"thickness_angstrom": 100.0}, half_width_inv_angstrom=0.08),
           "stfc": preparation(SIZE, SIZE, calibrated=False)}


class Reader:
    """The child process that reads; a case that hangs or kills it fails, and the next one gets a new child."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def read(self, kind: str, path: Path) -> list[str]:
        if self.process is None:
            # -P: nothing of the folder of the script is imported.
            self.process = subprocess.Popen(
                [sys.executable, "-P", Path(__file__).parent / "support/hostile_reader.py"], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], SECONDS)[0]:
            self.close()
            return ["failed", f"no answer within {SECONDS} s"]
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.close()
            return ["failed", f"the reader died with code {code}"]
        return json.loads(line)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory, rock_salt_cif) -> Path:
    """A folder with one small sound file of every kind."""
    folder = tmp_path_factory.mktemp("sound")
    random = np.random.default_rng(0)
    write_stacks(folder / "stacks.h5")
    stack_digest = StackFile(folder / "stacks.h5").digest
    (folder / "stack_digest").write_text(stack_digest)
    config = parse_config(SPLIT, SplitConfig, source="test")
    split(config, stacks=folder / "stacks.h5", out=folder / "split.json")
    (folder / "run_config").write_text(json.dumps(SPLIT))
    Run.open(folder, stage="test", config=config, inputs={"stacks": "1"})
    (folder / "split.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in SPLIT.items()))
    write_networks(folder)
    class_map = ClassMap((2, 225))
    Predictions(np.array(["a", "b"]), np.array(["m", "n"]), np.array(["t", "t"]), np.array([2, 225]),
                random.normal(size=(2, 2)).astype(np.float32), np.array(["", ""]), class_map, "d", {"stage": "test"}
                ).save(folder / "predictions.npz")
    width = {"z_a": (3,), "z_b": (3,), "w": (5,)}
    columns = {column.name: random.normal(size=(4, *width.get(column.name, ()))) * 10 for column in fields(ProbedPaths)}
    paths = ProbedPaths(**{**columns, "kind": np.array(["class", "latent", "w", "w"])})
    write_probe(folder / "probe.h5", ProbeFile(paths, {"stage": "probe"}, {"success": 0.75}))
    write_batch(folder / "batch_train_0.h5")
    (folder / "prepare.json").write_text(json.dumps(PREPARE))
    (folder / "salt.cif").write_text(rock_salt_cif(label=("Na", "Cl")))
    (folder / "POSCAR").write_text(POSCAR)
    np.savez(folder / "0.npz", data=random.random((3, SIZE, SIZE), dtype=np.float32), label=np.int64(2))
    write_scans(folder, random.random((3, SIZE, SIZE), dtype=np.float32))
    return folder


def write_stacks(path: Path) -> None:
    n = 8
    table = SampleTable.build(n, sample_id=[f"s{i}" for i in range(n)], space_group=[2, 225] * 4, origin="simulated",
                              material=[f"m{i}" for i in range(n)], structure_type=[f"t{i}" for i in range(n)],
                              formula=[f"A{i + 1}B" for i in range(n)], provenance='{"z": 1}', beam_energy_kev=100.0)
    write_stack_file(path, np.random.default_rng(1).gamma(1.0, 1e-3, (n, 3, SIZE, SIZE)).astype(np.float32), table,
                     detector=Detector(SIZE, 0.5, "shortest_g"), pose="canonical", intensity_unit="counts",
                     provenance={"stage": "test"})


def write_networks(folder: Path) -> None:
    class_map, frame = ClassMap((2, 225)), Frame(Detector(SIZE, 0.5, "shortest_g"), "canonical", "counts")
    view = ViewConfig(half_width=2.0, size_pixels=SIZE)
    scale = IntensityTransform.fit(np.ones((1, 3, SIZE, SIZE), np.float32), IntensityConfig(floor=1e-5))
    model = ModelConfig(widths=(4, 8), groups=2, dropout=0.1)
    built = model.build(classes=2, size_pixels=SIZE)
    prior = np.array([0.5, 0.5], np.float32)
    import torch
    TrainedClassifier(built, model, class_map, view, frame, scale, torch.from_numpy(prior), torch.tensor([4, 4]),
                      "split", "stacks").save(folder / "classifier.safetensors")
    network = parse_config({
        "embedding_dim": 4, "discriminator": {"widths": [4, 4], "symmetric_input": False},
        "generator": {"kind": "pixels", "latent_dim": 4, "mapping_dim": 8, "mapping_layers": 1, "widths": [8, 4]}},
        NetworkConfig, source="test")
    spec = SampleSpec((3, SIZE, SIZE), class_map, view, scale)
    TrainedGenerator(network.generator.build(spec, network), Discriminator(spec, network.discriminator, network),
                     network, class_map, view, frame, scale, "split", "stacks").save(folder / "generator.safetensors")


def write_scans(folder: Path, patterns: np.ndarray) -> None:
    np.save(folder / "scan.npy", patterns)
    with h5py.File(folder / "scan.hspy", "w") as file:
        file.attrs.update(file_format="HyperSpy", file_format_version="3.3")
        group = file.create_group("Experiments/scan")
        group["data"] = patterns
        for k, n in enumerate(patterns.shape):
            group.create_group(f"axis-{k}").attrs.update(size=n, navigate=k == 0, name=f"a{k}", scale=0.1, offset=0.0,
                                                         units="1/angstrom")
    if find_spec("tifffile"):
        from tifffile import imwrite
        imwrite(folder / "scan.tif", patterns)


def write_batch(path: Path, libver: Any = None) -> None:
    with h5py.File(path, "w", libver=libver) as file:
        for number in range(2):
            group = file.create_group(f"sample_0_{number}")
            group["cbed_stack"] = np.random.default_rng(number).random((3, 16, 16), dtype=np.float32)
            group.attrs.update(EXAMPLE)


@pytest.fixture
def case(sound, tmp_path) -> Callable[[str], Path]:
    """A copy of one sound file, with all that reading it needs, to be spoilt."""
    return lambda kind: copied(sound, tmp_path, kind)


def copied(sound: Path, folder: Path, kind: str) -> Path:
    for name in ("stack_digest", "run_config", "prepare.json", NAMES[kind]):
        shutil.copyfile(sound / name, folder / name)
    return folder / NAMES[kind]


def judge(kind: str, found: list[str], original: list[str]) -> str:
    """The verdict on one case, "as it was" or "refused"; any other is a failure."""
    assert found[0] != "failed", found[1]
    assert found[0] == "refused" or found == original or kind in UNSIGNED, "read, but not as it was written"
    return "refused" if found[0] == "refused" else "as it was" if found == original else "another content"


@pytest.mark.parametrize("kind", NAMES)
def test_cut_and_flipped(kind, reader, case, record_property):
    """Cut at every 5 %, then random single bits flipped."""
    pytest.importorskip(EXTRA.get(kind, "numpy"))
    path = case(kind)
    original, content = reader.read(kind, path), path.read_bytes()
    assert original[0] == "read", original[1]
    counts: Counter[str] = Counter()
    for percent in range(0, 100, 5):
        path.write_bytes(content[:len(content) * percent // 100])
        counts["cut: " + judge(kind, reader.read(kind, path), original)] += 1
    random = np.random.default_rng(7)
    for place in random.integers(8 * len(content), size=FLIPS // (4 if kind in SLOW else 1)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            counts["flipped: " + judge(kind, reader.read(kind, path), original)] += 1
        except AssertionError as failure:
            raise AssertionError(f"bit {place} of {path.name}: {failure}") from None
    record_property("counts", dict(counts))
    print(kind, dict(counts))
    if kind not in UNSIGNED:
        assert counts["cut: refused"] == 20


EDITS = st.lists(st.one_of(
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 7)),
    st.tuples(st.just("put"), st.floats(0, 1), st.binary(min_size=1, max_size=16)),
    st.tuples(st.just("drop"), st.floats(0, 1), st.integers(1, 600)),
    st.tuples(st.just("repeat"), st.floats(0, 1), st.integers(1, 600)),
    st.tuples(st.just("append"), st.just(1.0), st.binary(max_size=32)),
    st.tuples(st.just("swap"), st.floats(0, 1), st.floats(0, 1))), min_size=1, max_size=4)


def edited(content: bytes, edits: list[tuple[str, float, Any]]) -> bytes:
    for what, share, value in edits:
        place = min(int(share * len(content)), max(len(content) - 1, 0))
        match what:
            case "flip" if content:
                content = content[:place] + bytes([content[place] ^ 1 << value]) + content[place + 1:]
            case "put" | "append":
                content = content[:place] + value + content[place + (len(value) if what == "put" else 1):]
            case "drop":
                content = content[:place] + content[place + value:]
            case "repeat":
                content = content[:place + value] + content[place:]
            case "swap":
                other = int(value * len(content))
                first, last = sorted((place, other))
                content = content[last:] + content[first:last] + content[:first]
    return content


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind not in EXTRA])
def test_any_edit_is_seen(kind, reader, sound, tmp_path_factory):
    """Property: after any few edits of its bytes a file reads as it was, or is refused."""
    path = copied(sound, tmp_path_factory.mktemp(kind), kind)
    original, content = reader.read(kind, path), path.read_bytes()
    @settings(max_examples=max(10, FLIPS // 2), deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))
    @given(EDITS)
    def holds(edits):
        path.write_bytes(edited(content, edits))
        found = reader.read(kind, path)
        # Bytes behind the end of an archive or of HDF5's declared end are nobody's: the content is the same.
        judge(kind, found, original)
    holds()


def refused(reader: Reader, kind: str, path: Path) -> None:
    found = reader.read(kind, path)
    assert found[0] == "refused", found[1]


KEYS = [("stacks", key) for key in (stacklayout.STACKS, "samples/sample_id", "samples/space_group", "samples/crc32",
                                    "samples/thickness_angstrom", "provenance")]
KEYS += [("probe", key) for key in ("paths/w", "paths/kind", "paths/space_group_a", "provenance")]
KEYS += [("batch", "sample_0_0/cbed_stack")]
ANY_NUMBER = {"samples/thickness_angstrom", "samples/space_group", "paths/w"}  # where forged numbers are numbers
SOURCE = "other.h5"


def virtual(file: h5py.File, key: str, source: str, shape: tuple[int, ...]) -> None:
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(source, "data", shape)
    file.create_virtual_dataset(key, layout)


# What stands in place of a dataset: {name: make(file, key, the values that it held)}.
IMPOSTORS: dict[str, Callable[[h5py.File, str, np.ndarray], Any]] = {
    "nothing": lambda file, key, held: None,
    "a number": lambda file, key, held: file.__setitem__(key, 1.0),
    "half floats": lambda file, key, held: file.__setitem__(key, np.zeros(held.shape, "f2")),
    "complex numbers": lambda file, key, held: file.__setitem__(key, np.zeros(held.shape, "c16")),
    "records": lambda file, key, held: file.__setitem__(key, np.zeros(held.shape, [("a", "f4"), ("b", "S9")])),
    "opaque bytes": lambda file, key, held: file.__setitem__(key, np.zeros(held.shape, "V7")),
    "text": lambda file, key, held: file.__setitem__(key, np.full(held.shape, b"\xff\xfe")),
    "text of variable length": lambda file, key, held: file.create_dataset(key, data=["a"] * 8,
                                                                           dtype=h5py.string_dtype()),
    "references": lambda file, key, held: file.create_dataset(key, data=[file.ref] * 4, dtype=h5py.ref_dtype),
    "an empty space": lambda file, key, held: file.__setitem__(key, h5py.Empty("f4")),
    "no rows": lambda file, key, held: file.__setitem__(key, held.reshape(-1)[:0]),
    "too many axes": lambda file, key, held: file.__setitem__(key, np.zeros((1,) * 9)),
    "a row less": lambda file, key, held: file.__setitem__(key, held[1:] if held.ndim else b""),
    "big-endian numbers": lambda file, key, held: file.__setitem__(key, np.full(held.shape, np.nan, ">f8")),
    "a terabyte": lambda file, key, held: file.create_dataset(key, (1 << 30, 128), "f8"),
    "a terabyte in chunks": lambda file, key, held: file.create_dataset(key, (1 << 30, 128), "f8", chunks=(1024, 128)),
    "a terabyte, packed": lambda file, key, held: file.create_dataset(
        key, (1 << 30, 3, SIZE, SIZE), "f4", chunks=(1, 3, SIZE, SIZE), compression="gzip"),
    "a terabyte elsewhere": lambda file, key, held: virtual(file, key, SOURCE, (1 << 30, 128)),
    "the data elsewhere": lambda file, key, held: virtual(file, key, SOURCE, (8, 3, SIZE, SIZE)),
    "itself, virtually": lambda file, key, held: virtual(file, key, ".", (8, 3, SIZE, SIZE)),
    "raw bytes of another file": lambda file, key, held: file.create_dataset(
        key, (8, 3, SIZE, SIZE), "f4", external=[("/etc/hosts", 0, 4 * 24 * SIZE * SIZE)]),
    "a link to another file": lambda file, key, held: file.__setitem__(key, h5py.ExternalLink(SOURCE, "/data")),
    "a link to a device": lambda file, key, held: file.__setitem__(key, h5py.ExternalLink("/dev/zero", "/data")),
    "a link elsewhere": lambda file, key, held: (file.__setitem__("elsewhere", held),
                                                 file.__setitem__(key, h5py.SoftLink("/elsewhere"))),
    "a link to nowhere": lambda file, key, held: file.__setitem__(key, h5py.SoftLink("/nowhere")),
    "a link to itself": lambda file, key, held: file.__setitem__(key, h5py.SoftLink(f"/{key}")),
    "a group": lambda file, key, held: file.create_group(key),
    "the root": lambda file, key, held: file.__setitem__(key, file["/"]),
    "a type": lambda file, key, held: file.__setitem__(key, np.dtype("f8")),
    "NaN": lambda file, key, held: file.create_dataset(key, data=np.full(held.shape, np.nan, "f4"),
                                                       chunks=(1, *held.shape[1:]) if held.ndim else None),
    "negative numbers": lambda file, key, held: file.create_dataset(key, data=np.full(held.shape, -1, "f4"),
                                                                    chunks=(1, *held.shape[1:]) if held.ndim else None)}


def sign(kind: str, file: h5py.File) -> None:
    """Give a forged file the digest of its content, as far as it has one."""
    try:
        content = stacklayout.read_description(file)
    except Exception:
        return
    if kind == "probe":
        content.pop("/@summary", None)
    if kind != "batch":
        file.attrs["digest"] = stacklayout.fixed_text(stacklayout.content_digest(content))


@pytest.mark.parametrize("kind, key", KEYS)
@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_a_forged_dataset(kind, key, impostor, reader, case):
    path = case(kind)
    with h5py.File(path.with_name(SOURCE), "w") as file:
        file["data"] = np.ones((8, 3, SIZE, SIZE), "f4")
    original = reader.read(kind, path)
    with h5py.File(path, "r+", libver=stacklayout.LIBVER) as file:
        held = file[key][()]
        del file[key]
        IMPOSTORS[impostor](file, key, np.asarray(held))
        sign(kind, file)
    found = reader.read(kind, path)
    if kind == "batch":  # its other sample stays; a link within the file leads to the same data
        assert found[0] == "read" and (found == original) == (impostor == "a link elsewhere"), found[1]
    elif not (key in ANY_NUMBER and impostor in ("half floats", "NaN", "negative numbers", "big-endian numbers")):
        assert found[0] == "refused", found
    else:
        assert found[0] != "failed", found[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-9, -np.inf])
def test_forged_intensities(value, reader, case):
    path = case("stacks")
    with h5py.File(path, "r+", libver=stacklayout.LIBVER) as file:
        file[stacklayout.STACKS][3, 1, 2, 2] = value
        file["samples/crc32"][3] = zlib.crc32(file[stacklayout.STACKS][3])
        sign("stacks", file)
    found = reader.read("stacks", path)
    assert found[0] == "refused" and "sample s3: the stack must be intact; found an intensity" in found[1]


ATTRIBUTES = [("stacks", "/", name) for name in ("format", "digest")]
ATTRIBUTES += [("stacks", "cbed_root/cbed", name) for name in ("size_pixels", "pixel_size", "unit", "pose",
                                                               "intensity_unit", "mantissa_bits")]
ATTRIBUTES += [("probe", "/", name) for name in ("format", "digest", "summary")]
ATTRIBUTES += [("batch", "sample_0_0", name) for name in ("space_group", "material", "energy_keV", "formula", "z_dirs",
                                                          "semi_angles_rad", "abc_angstrom", "angles_degree")]
VALUES: dict[str, Any] = {
    "missing": None, "minus one": -1, "zero": 0, "huge": 1 << 62, "NaN": np.nan, "infinity": np.inf, "text": "text",
    "no UTF-8": np.bytes_(b"\xff\xfe\x80"), "many": np.zeros(1000), "empty": h5py.Empty("f4"),
    "nested": np.zeros((2,) * 8),
    "a megabyte": np.zeros(1_000_000, "u1"), "record": np.zeros((), [("a", "f4")]), "escapes": "\x1b[2J\n\x07"}


@pytest.mark.parametrize("kind, place, name", ATTRIBUTES)
@pytest.mark.parametrize("value", VALUES)
def test_a_forged_attribute(kind, place, name, value, reader, case):
    path = case(kind)
    if kind == "batch":
        write_batch(path, libver="latest")  # the old format holds no great attribute
    with h5py.File(path, "r+", libver=stacklayout.LIBVER) as file:
        del file[place].attrs[name]
        if VALUES[value] is not None:
            file[place].attrs.create(name, VALUES[value])
        if name != "digest":
            sign(kind, file)
    found = reader.read(kind, path)
    assert found[0] != "failed", found[1]
    if kind != "batch" and name not in ("intensity_unit", "mantissa_bits", "size_pixels", "summary", "pixel_size"):
        assert found[0] == "refused"


def deep(file: h5py.File) -> None:
    group = file.create_group("deep")
    for _ in range(3000):
        group = group.create_group("g")


def doubling(file: h5py.File) -> None:
    """Forty groups that have 2^40 paths through them."""
    group = file.create_group("doubling")
    for _ in range(40):
        below = group.create_group("a")
        group["b"] = below
        group = below


# What is added to a sound file: {name: add(file)}.
ADDITIONS: dict[str, Callable[[h5py.File], Any]] = {
    "a circle of groups": lambda file: file.create_group("a").__setitem__("b", file["/"]),
    "a doubling of groups": doubling, "deep groups": deep,
    "many groups": lambda file: [file.create_group(f"many/{k}") for k in range(3000)],
    "a name that is no UTF-8": lambda file: h5py.h5g.create(file.id, b"\xff\xfe"),
    "an attribute that is no UTF-8": lambda file: file.attrs.__setitem__(b"\xff\xfe", 1),
    "a great attribute": lambda file: file.attrs.__setitem__("great", np.zeros(20_000_000, "u1")),
    "an unknown column": lambda file: file.__setitem__("samples/colour", np.arange(8)),
    "a link out": lambda file: file.__setitem__("out", h5py.ExternalLink("/etc/hosts", "/"))}


@pytest.mark.parametrize("kind", ["stacks", "probe", "batch"])
@pytest.mark.parametrize("addition", ADDITIONS)
@pytest.mark.parametrize("signed", [False, True])
def test_an_addition(kind, addition, signed, reader, case):
    path = case(kind)
    if kind == "batch":
        write_batch(path, libver="latest")
    with h5py.File(path, "r+", libver=stacklayout.LIBVER) as file:
        ADDITIONS[addition](file)
        if signed:
            sign(kind, file)
    found = reader.read(kind, path)
    assert found[0] != "failed", found[1]
    if kind != "batch" and not signed and addition != "many groups":  # empty groups are no content
        assert found[0] == "refused"


ODD = st.one_of(st.none(), st.booleans(), st.integers(-1, 3), st.just(10**400), st.floats(), st.text(max_size=4),
                st.just([]), st.just({}), st.just([[[0]]]), st.just({"a": 1}))


def places(node: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths to every value in nested dictionaries and lists."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key)
        yield from places(value, (*path, key))


def replaced(node: Any, path: tuple, value: Any, gone: bool) -> Any:
    """A copy of nested dictionaries and lists with one value replaced or gone."""
    copy = dict(node) if isinstance(node, dict) else list(node)
    if len(path) > 1:
        copy[path[0]] = replaced(node[path[0]], path[1:], value, gone)
    elif gone:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


def holds_for_forgeries(content: Any, forge: Callable[[Any], None], reader: Reader, kind: str, path: Path) -> None:
    """Property: with any one value replaced and all signed again, the file is read or refused, and no more."""
    where = list(places(content))
    @settings(max_examples=max(30, FLIPS), deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(where), ODD, st.booleans())
    def holds(place, value, gone):
        try:
            forge(replaced(content, place, value, gone))
        except (TypeError, ValueError, OverflowError):  # cannot be written
            return
        found = reader.read(kind, path)
        assert found[0] != "failed", found[1]
    holds()


def test_forged_splits(reader, case):
    path = case("split")
    content = json.loads(path.read_text())
    content.pop("digest")
    holds_for_forgeries(content, lambda forged: path.write_text(json.dumps({**forged, "digest": digest(forged)})),
                        reader, "split", path)


def test_forged_run_records(reader, case):
    path = case("run")
    holds_for_forgeries(json.loads(path.read_text()), lambda forged: path.write_text(json.dumps(forged)), reader,
                        "run", path)


@pytest.mark.parametrize("kind", ["classifier", "generator"])
def test_forged_checkpoints(kind, reader, case):
    path = case(kind)
    held = load_checkpoint(path, kind=kind)
    holds_for_forgeries({"parts": held.parts, "header": held.header},
                        lambda forged: save_checkpoint(path, kind=kind, **forged), reader, kind, path)


def test_foreign_checkpoints(reader, case):
    path = case("classifier")
    whole = path.read_bytes()
    for content in (b"", b"\xff" * 8, b"\xff" * 4096, (2).to_bytes(8, "little") + b"{}",
                    (8).to_bytes(8, "little") + b"[" * 8, b"PK\x03\x04" + bytes(100), b"\x80\x04.", whole * 2,
                    whole[:8] + whole[8:200].replace(b"[", b"{") + whole[200:]):
        path.write_bytes(content)
        refused(reader, "classifier", path)
    path.write_bytes(case("generator").read_bytes())
    found = reader.read("classifier", path)
    assert found[0] == "refused" and "kind 'generator'" in found[1]


class Touch:
    """An object whose unpickling would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_hostile_predictions(reader, case, tmp_path):
    path = case("predictions")
    with np.load(path) as held:
        sound_arrays = dict(held)
    executed = tmp_path / "executed"
    hostile: dict[str, Callable[[], Any]] = {
        "pickled": lambda: np.savez(path, **{**sound_arrays, "part": np.array([Touch(executed)] * 2, dtype=object)}),
        "packed": lambda: np.savez_compressed(path, **{**sound_arrays, "logits": np.zeros((30_000_000, 2), "f4")}),
        "too few logits": lambda: np.savez(path, **{**sound_arrays, "logits": np.zeros((1, 2), "f4")}),
        "too few classes": lambda: np.savez(path, **{**sound_arrays, "class_space_groups": np.array([2])}),
        "unknown classes": lambda: np.savez(path, **{**sound_arrays, "class_space_groups": np.array([2, 999])}),
        "no metadata": lambda: np.savez(path, **{**sound_arrays, "metadata": "[]"}),
        "a missing column": lambda: np.savez(path, **{name: sound_arrays[name] for name in list(sound_arrays)[1:]})}
    for name, write in hostile.items():
        write()
        found = reader.read("predictions", path)
        assert found[0] == "refused", (name, found[1])
    assert not executed.exists()
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 37,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("logits.npy", head.getvalue())
    refused(reader, "predictions", path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("logits.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((\n")
    refused(reader, "predictions", path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logits.npy", bytes(200_000_000))
    refused(reader, "predictions", path)


@pytest.mark.parametrize("label", ["1", "[]", "null", '{"225": "x"}', '{"225": NaN}', '{"225": -1, "2": 2}', '{"9": 1}',
                                   '{"x": 1}', "{}", '{"225": 1e400}', "[[[["])
def test_odd_soft_labels(label):
    table = SampleTable.build(1, sample_id="s", space_group=225, provenance='{"soft_label": ' + label + "}")
    with pytest.raises(InputError, match="added.h5, sample s: a soft label must be shares"):
        soft_labels(table, ClassMap((2, 225)), "added.h5")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}", '"text"', "NaN",
                                  "null", '{"digest": "\\ud800"}', "\0" * 100])
def test_odd_json(text, reader, case):
    for kind in ("split", "run"):
        path = case(kind)
        path.write_text(text)
        refused(reader, kind, path)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1" + "0" * 5000, "seed = inf", "seed = 1979-05-27",
                                  "a = {b = {c = 1}}", "\ufeffseed = 1", "seed = 1\nseed = 2", '[a]\n[a]', "\0"])
def test_odd_configurations(text, reader, case):
    path = case("config")
    path.write_text(text)
    refused(reader, "config", path)


@pytest.mark.parametrize("kind, before, after", [
    ("cif", "5.64", "nan"), ("cif", "5.64", "1e300"), ("cif", "5.64", "-5"), ("cif", "5.64", "0"),
    ("cif", "_alpha 90", "_alpha 179"), ("cif", "0.5 0.5 0.5", "nan 0 0"), ("cif", "0.5 0.5 0.5", "? ? ?"),
    ("cif", "Cl Cl", "Xx Xx"), ("cif", "F m -3 m", "F m -3 q"), ("cif", "data_salt", "data_\xff"),
    ("poscar", "5.64", "nan"), ("poscar", "5.64", "0"), ("poscar", "5.64", "1e300"), ("poscar", "1 1\n", "-1 1\n"),
    ("poscar", "1 1\n", "1000000000 1\n"), ("poscar", "1 1\n", "9999999999999999999999 1\n"),
    ("poscar", "Na Cl", "Na"), ("poscar", "Na Cl", "Qq Cl"), ("poscar", "0 0 0", "inf 0 0"),
    ("poscar", ".5 0 .5", ".5 .5 0"), ("poscar", "Direct", "\x00\xff")])
def test_odd_structures(kind, before, after, reader, case):
    pytest.importorskip("moyopy")
    path = case(kind)
    path.write_bytes(path.read_bytes().replace(before.encode(), after.encode("latin-1")))
    found = reader.read(kind, path)
    assert found[0] == "refused" or after == "data_\xff" and found[0] == "read", found


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\xff" * 500,
                                     "cut"])
def test_verbs_end_with_one_line_and_leave_outputs_alone(content, sound, tmp_path, capsys):
    """Every verb that reads a stack file, a split, a network or a configuration, each of them spoilt in turn."""
    bad = tmp_path / "bad"
    bad.write_bytes((sound / "stacks.h5").read_bytes()[:5000] if content == "cut" else content)
    out = tmp_path / "out"
    out.write_text("kept")
    stacks, held, config, judge_ = (sound / NAMES[kind] for kind in ("stacks", "split", "config", "classifier"))
    train = CONFIGS / "demo/train_clf.toml"
    for arguments in (
            ["split", "--config", bad, "--stacks", stacks], ["split", "--config", config, "--stacks", bad],
            ["predict", "--classifier", bad, "--stacks", stacks], ["predict", "--classifier", judge_, "--stacks", bad],
            ["train-clf", "--config", bad, "--stacks", stacks, "--split", held],
            ["train-clf", "--config", train, "--stacks", bad, "--split", held],
            ["train-clf", "--config", train, "--stacks", stacks, "--split", bad],
            ["prepare", "--config", bad, "--source", sound], ["simulate", "--config", bad],
            ["inspect", stacks, "--split", bad, "--json"]):
        code = verb(*arguments, *([] if arguments[-1] == "--json" else ["--out"]), out)
        printed = capsys.readouterr()
        errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
        assert code == 2 and len(errors) == 1 and "Traceback" not in printed.err, (arguments, printed.err)
        assert out.read_text() == "kept"
    assert verb("inspect", bad, stacks) == 1 and "Traceback" not in capsys.readouterr().err
