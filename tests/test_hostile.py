"""Hostile files: whatever is done to a file, it reads back as it was or is refused in one line; nothing hangs.

A child process reads (tests/hostile_reader.py). CBEDGAN_FLIPS sets how many random single bits are flipped a kind.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cbedgan.boundary.probefile import ProbedPaths, write_probe
from cbedgan.gan.generator import TrainedGenerator
from cbedgan.gan.networks import Discriminator, Generator, NetworkConfig
from classifier.config import parse_config
from classifier.dataset import Frame
from classifier.geometry import Detector, ViewConfig
from classifier.intensity import IntensityConfig, IntensityTransform
from classifier.model import ModelConfig, StackClassifier
from classifier.predict import Predictions, TrainedClassifier
from classifier.run import Run
from classifier.spacegroup import ClassMap
from classifier.split import SplitConfig, split
from classifier.stackfile import SampleTable, StackFile, write_stack_file

FLIPS = int(os.environ.get("CBEDGAN_FLIPS", 40))
SECONDS = 30  # a case; the slowest take less than one
SIZE = 8
SPLIT = {"group_by": "structure_type", "validation_fraction": 0.25, "test_fraction": 0.2, "minimum_materials": 2,
         "adopt_partition": False, "near_duplicates": "refuse", "seed": 0}
CIF = """data_salt
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na Na 0 0 0
Cl Cl 0.5 0.5 0.5
"""
PREPARE = """on_unreadable_file = "report"
thickness_angstrom = 100.0
mantissa_bits = 23
[reduction]
source_size_pixels = 16
source_pixel_size_inv_angstrom = 0.01
half_width_inv_angstrom = 0.08
pose = "raw"
size_pixels = 8
shortest_g_pixels = 4.0
visible = 0.02
tie = 0.02
least_explained_share = 0.5
on_partial_nan = "skip"
on_negative = "skip"
"""
NAMES = {"stacks": "stacks.h5", "probe": "probe.h5", "split": "split.json", "run": "run.json",
         "config": "split.toml", "classifier": "classifier.safetensors", "generator": "generator.safetensors",
         "predictions": "predictions.npz", "batch": "batch_train_0.h5", "structure": "salt.cif"}
# Formats of other programs carry no checksum: a flipped digit is another crystal. The rest must tell every change.
UNSIGNED = {"config", "run", "batch", "structure"}


class Reader:
    """The child process that reads; a case that hangs or kills it fails, and the next one gets a new child."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def read(self, kind: str, path: Path) -> list[str]:
        if self.process is None:
            # -P: this folder has a folder `classifier` too.
            self.process = subprocess.Popen(
                [sys.executable, "-P", Path(__file__).with_name("hostile_reader.py")], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])})
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
def sound(tmp_path_factory) -> Path:
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
    write_probe(folder / "probe.h5", ProbedPaths(**{**columns, "kind": np.array(["class", "latent", "w", "w"])}),
                provenance={"stage": "probe"}, summary={"success": 0.75})
    write_batch(folder / "batch_train_0.h5")
    (folder / "prepare.toml").write_text(PREPARE)
    (folder / "salt.cif").write_text(CIF)
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
    scale = IntensityTransform.fit(np.ones((1, 3, SIZE, SIZE), np.float32),
                                   IntensityConfig(transform="log", floor=1e-5, per_radius=False))
    model = ModelConfig(widths=(4, 8), blocks=1, groups=2, dropout=0.1)
    built = StackClassifier(model, classes=2, size_pixels=SIZE)
    prior = np.array([0.5, 0.5], np.float32)
    import torch

    TrainedClassifier(built, model, class_map, view, frame, scale, torch.from_numpy(prior), torch.tensor([4, 4]),
                      "split", "stacks").save(folder / "classifier.safetensors")
    network = parse_config({
        "latent_dim": 4, "mapping_dim": 8, "mapping_layers": 1, "embedding_dim": 4, "generator_widths": [8, 4],
        "discriminator_widths": [4, 4], "blocks": 1, "basis_pixels": 4, "templates": 0, "generator_patch": 1,
        "discriminator_patch": 1, "symmetric_output": False, "symmetric_input": False, "quarter_turns": False,
        "unconditional_pixels": 0, "precision": "float32"}, NetworkConfig, source="test")
    TrainedGenerator(*(kind((3, SIZE, SIZE), network, class_map) for kind in (Generator, Discriminator)), network,
                     class_map, view, frame, scale, "split", "stacks").save(folder / "generator.safetensors")


def write_batch(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for number in range(2):
            group = file.create_group(f"sample_0_{number}")
            group["cbed_stack"] = np.random.default_rng(number).random((3, 16, 16), dtype=np.float32)
            group.attrs.update({
                "space_group": np.bytes_("2"), "material": np.bytes_("mp-763064"), "energy_keV": 100,
                "formula": "Fe8 O14 F2", "z_dirs": np.array([[[1, 1, 0], [1, -1, 1], [-1, 1, 3]]]),
                "y_dirs": np.array([[[-1.33333333, 1, -1], [0.66666667, 0, 1], [-0.66666667, 0, -1]]]),
                "semi_angles_rad": np.array([0.00276776, 0.0028678, 0.00367309]),
                "d_hkls_angstrom": np.array([3.34336566, 3.22673953, 2.51930512]),
                "abc_angstrom": np.array([4.6456035, 7.54737513, 7.59231027]),
                "angles_degree": np.array([75.75270737, 91.58467769, 89.08634999])})


@pytest.fixture
def case(sound, tmp_path) -> Callable[[str], Path]:
    """A copy of one sound file, with all that reading it needs, to be spoilt."""
    return lambda kind: copied(sound, tmp_path, kind)


def copied(sound: Path, folder: Path, kind: str) -> Path:
    for name in ("stack_digest", "run_config", "prepare.toml", NAMES[kind]):
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
    if kind == "structure":
        pytest.importorskip("moyopy")
    path = case(kind)
    original, content = reader.read(kind, path), path.read_bytes()
    assert original[0] == "read", original[1]
    counts: Counter[str] = Counter()
    for percent in range(0, 100, 5):
        path.write_bytes(content[:len(content) * percent // 100])
        counts["cut: " + judge(kind, reader.read(kind, path), original)] += 1
    random = np.random.default_rng(7)
    for place in random.integers(8 * len(content), size=FLIPS):
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


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind != "structure"])
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
