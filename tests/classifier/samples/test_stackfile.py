"""Stack files: what goes in comes out, bad input is refused by name, and no damage is ever read as data."""

import copy
import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.stackfile import SampleTable, StackFile, StackWriter, round_mantissa, write_stack_file

SIZE = 8
SETTINGS = {"detector": Detector(SIZE, 0.125, "1/angstrom"), "pose": "raw", "intensity_unit": "counts",
            "provenance": {"stage": "test", "inputs": {"cif": "Å"}}}


def stacks_of(n: int) -> np.ndarray:
    return np.random.default_rng(n).gamma(1.0, 1e-3, (n, 3, SIZE, SIZE)).astype(np.float32)


def table_of(n: int, **columns) -> SampleTable:
    return SampleTable.build(n, **{"sample_id": [f"s{i}" for i in range(n)], "space_group": 225,
                                   "origin": "simulated", **columns})


@pytest.fixture
def stack_file(tmp_path):
    path = tmp_path / "stacks.h5"
    write_stack_file(path, stacks_of(5), table_of(5), **SETTINGS)
    return path


def equal(a: SampleTable, b: SampleTable) -> bool:
    return all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
               for x, y in zip(a.columns().values(), b.columns().values(), strict=True))


def test_everything_written_is_read_back(tmp_path):
    table = SampleTable.build(
        3, sample_id=["a", "b", "ß"], space_group=[1, 230, 0], material=["m", "", "Ångström"], structure_type="t",
        formula="Fe8 O14 F2", partition=["train", "test", ""], origin=["simulated", "experimental", "synthetic"],
        beam_energy_kev=[100, np.nan, 300], zone_axis_uvw=np.arange(27).reshape(3, 3, 3) - 13,
        thickness_angstrom=np.arange(9.0).reshape(3, 3), provenance='{"z": [1, 2]}')
    stacks, path = stacks_of(3), tmp_path / "stacks.h5"
    digest = write_stack_file(path, stacks, table, **SETTINGS)
    with StackFile(path) as file:
        assert np.array_equal(file.read([0, 1, 2]), stacks) and file.read([2]).dtype == np.float32
        assert equal(file.table, table) and np.isnan(file.table.azimuth_rad).all() and len(file) == 3
        assert [column.dtype.kind for column in file.table.columns().values()] == list("UiUUUUUfiffffff" + "fUU")
        assert (file.detector, file.pose, file.intensity_unit, file.provenance, file.mantissa_bits, file.digest) == (
            *SETTINGS.values(), 23, digest)
        file.verify()


def test_reads_in_the_order_asked(stack_file):
    stacks, file = stacks_of(5), StackFile(stack_file)
    for asked in ([3, 1, 1, 2], [4], (0, 4), range(5), np.array([0, 3], dtype=np.int16), [-1]):
        assert np.array_equal(file.read(asked), stacks[list(asked)])
    mask = np.array([True, False, False, True, True])
    assert np.array_equal(file.read(mask), stacks[mask]) and len(file.read(mask & False)) == len(file.read([])) == 0
    with pytest.raises(IndexError):
        file.read([5])


def test_batches_and_one_piece_give_the_same_file(stack_file, tmp_path):
    with StackWriter(tmp_path / "batches.h5", **SETTINGS) as writer:
        for rows in ([0, 1], [], [2, 3, 4]):
            writer.append(stacks_of(5)[rows], table_of(5).take(rows))
    assert writer.digest == StackFile(stack_file).digest and (tmp_path / "batches.h5").stat().st_size < 200_000


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"pose": "canonical"}, {"provenance": {}}, {"intensity_unit": "electrons"},
                                    {"detector": Detector(SIZE, 0.25, "1/angstrom")}])
def test_digest_tells_every_difference(tmp_path, change):
    first = write_stack_file(tmp_path / "a.h5", stacks_of(2), table_of(2), **SETTINGS)
    assert write_stack_file(tmp_path / "b.h5", stacks_of(2), table_of(2), **SETTINGS) == first
    assert write_stack_file(tmp_path / "b.h5", stacks_of(2), table_of(2), **{**SETTINGS, **change}) != first
    assert write_stack_file(tmp_path / "b.h5", stacks_of(2), table_of(2, formula="A"), **SETTINGS) != first
    assert write_stack_file(tmp_path / "b.h5", stacks_of(2)[::-1], table_of(2), **SETTINGS) != first


def test_a_file_without_samples_is_one(tmp_path):
    write_stack_file(tmp_path / "none.h5", stacks_of(0), table_of(0), **SETTINGS)
    file = StackFile(tmp_path / "none.h5")
    file.verify()
    assert len(file) == 0 and file.read([]).shape == (0, 3, SIZE, SIZE)


def test_mantissa_is_rounded_to_nearest(tmp_path):
    assert round_mantissa(np.float32([1, 1.24, 1.26, 3.3, 0]), 1).tolist() == [1.0, 1.0, 1.5, 3.0, 0.0]
    values = stacks_of(50)
    for bits in (1, 10, 22):
        assert np.abs(round_mantissa(values, bits) / values - 1).max() <= 2.0 ** -(bits + 1)
    assert round_mantissa(values, 23) is values
    write_stack_file(tmp_path / "rounded.h5", values, table_of(50), **SETTINGS, mantissa_bits=10)
    with StackFile(tmp_path / "rounded.h5") as file:
        assert np.array_equal(file.read(range(50)), round_mantissa(values, 10)) and file.mantissa_bits == 10
    with pytest.raises(InputError, match="1..23"):
        round_mantissa(values, 0)


@pytest.mark.parametrize("value, found", [(np.nan, "nan"), (-1e-9, "-1"), (np.inf, "inf"), (3e38, "3.0+5.*e.38")])
def test_bad_intensities_are_refused_by_sample(tmp_path, value, found):
    stacks = stacks_of(4)
    stacks[2, 1, 3, 3] = value
    with pytest.raises(InputError, match=rf"sample s2.*finite and >= 0.*{found}"):
        write_stack_file(tmp_path / "bad.h5", stacks, table_of(4), **SETTINGS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stacks", [stacks_of(2).astype(np.float64), stacks_of(3), stacks_of(2)[:, :2],
                                    stacks_of(2)[..., :4], [[1.0]]])
def test_wrong_shapes_and_dtypes_are_refused(tmp_path, stacks):
    with pytest.raises(InputError, match=r"sample s0: stacks must be a float32 array \[2, 3, 8, 8\]"):
        write_stack_file(tmp_path / "bad.h5", stacks, table_of(2), **SETTINGS)


@pytest.mark.parametrize("columns, rule", [
    ({"sample_id": ["a", "a"]}, "unique"), ({"sample_id": ["a", ""]}, "not be empty"), ({"space_group": 231}, "1..230"),
    ({"origin": "guessed"}, "simulated, experimental, synthetic"), ({"partition": "dev"}, "train, validation, test"),
    ({"origin": "synthetic", "partition": "test"}, "synthetic sample must be empty or train")])
def test_bad_rows_are_refused_and_the_old_file_stays(stack_file, columns, rule):
    before = stack_file.read_bytes()
    with pytest.raises(InputError, match=f"stacks.h5, sample [01].*{rule}"):
        write_stack_file(stack_file, stacks_of(2), table_of(2, **columns), **SETTINGS)
    assert stack_file.read_bytes() == before and len(list(stack_file.parent.iterdir())) == 1


@pytest.mark.parametrize("columns, name", [
    ({"space_group": 2.5}, "space_group"), ({"space_group": 70000}, "space_group"),
    ({"space_group": "1"}, "space_group"), ({"material": [1, 2]}, "material"),
    ({"material": ["a\0b", "b"]}, "material"),
    ({"azimuth_rad": [0.0, 1.0]}, "azimuth_rad"), ({"beam_energy_kev": [100.0]}, "beam_energy_kev"),
    ({"energy": 100}, "energy")])
def test_columns_of_the_wrong_kind_are_refused(columns, name):
    with pytest.raises(InputError, match=name):
        table_of(2, **columns)


def test_tables_are_taken_and_concatenated():
    table = table_of(4, material=list("abcd"))
    assert table.take([3, 0]).material.tolist() == ["d", "a"] and len(table.take([])) == 0
    assert table.take(table.material > "b").sample_id.tolist() == ["s2", "s3"]
    assert SampleTable.concatenate([table.take([3]), table.take([1, 0])]).material.tolist() == ["d", "b", "a"]
    assert len(SampleTable.concatenate([])) == 0


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.h5: the stack file must exist"):
        StackFile(tmp_path / "nowhere.h5")
    broken = tmp_path / "broken.h5"
    broken.write_text("no HDF5")
    with pytest.raises(InputError, match="broken.h5: a stack file must be HDF5"):
        StackFile(broken)
    with h5py.File(broken, "w") as file:
        file["cbed_stack"] = 1
    with pytest.raises(InputError, match="broken.h5: the file must be a cbed-stack-file 1.*keys cbed_stack"):
        StackFile(broken)


@pytest.mark.slow
def test_nothing_is_read_from_the_global_heap(stack_file):
    # It has no checksum, and HDF5 loops for ever over some damages of it (single flipped bits of an object's size do).
    content = bytearray(stack_file.read_bytes())
    heap = content.index(b"GCOL")
    content[heap:heap + 4096] = bytes(4096)
    stack_file.write_bytes(content)
    with StackFile(stack_file) as file:
        assert np.array_equal(file.read(range(5)), stacks_of(5)) and file.detector == SETTINGS["detector"]


def test_a_flipped_bit_of_a_stack_names_its_sample(stack_file):
    with h5py.File(stack_file) as file:
        chunk = file["cbed_stacks"].id.get_chunk_info(3)
    damaged = bytearray(stack_file.read_bytes())
    damaged[chunk.byte_offset + chunk.size // 2] ^= 16
    stack_file.write_bytes(damaged)
    file = StackFile(stack_file)
    assert np.array_equal(file.read([0, 1, 2, 4]), stacks_of(5)[[0, 1, 2, 4]])
    for read in (lambda: file.read(range(5)), lambda: file.read([3]), file.verify):
        with pytest.raises(InputError, match="stacks.h5, sample s3: the stack must be intact"):
            read()


def test_edits_with_valid_checksums_are_found(stack_file):
    with h5py.File(stack_file, "r+") as file:
        file["cbed_stacks"][1, 0, 0, 0] *= 2
    with pytest.raises(InputError, match="sample s1: the stack must be intact; found its crc32 differs"):
        with StackFile(stack_file) as file:
            file.verify()
    with h5py.File(stack_file, "r+") as file:
        file["samples/space_group"][0] = 221
    with pytest.raises(InputError, match="stacks.h5.*do not match the digest"):
        StackFile(stack_file)


@pytest.mark.parametrize("key, shape", [("cbed_root/cbed/data", (10**6, 3, SIZE, SIZE)), ("samples/crc32", (10**9,))])
def test_a_file_that_declares_more_than_it_holds_is_refused_unread(stack_file, key, shape):
    with h5py.File(stack_file, "r+") as file:
        del file[key]
        file.create_dataset(key, shape=shape, dtype="f4", chunks=(1, *shape[1:]))
    with pytest.raises(InputError, match=f"{key} must hold the values that it declares"):
        StackFile(stack_file)


def test_data_outside_the_file_is_refused(stack_file, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(stack_file.read_bytes())
    with h5py.File(stack_file, "r+") as file:
        del file["cbed_root/cbed/data"]
        file["cbed_root/cbed/data"] = h5py.ExternalLink(str(other), "cbed_root/cbed/data")
    with pytest.raises(InputError, match="data must lie in the file itself"):
        StackFile(stack_file)
    with h5py.File(stack_file, "r+") as file:
        del file["cbed_root/cbed/data"]
        layout = h5py.VirtualLayout((5, 3, SIZE, SIZE), "f4")
        layout[:] = h5py.VirtualSource(str(other), "cbed_root/cbed/data", (5, 3, SIZE, SIZE))
        file.create_virtual_dataset("cbed_root/cbed/data", layout)
    with pytest.raises(InputError, match="data must lie in the file itself"):
        StackFile(stack_file)


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), StackWriter(tmp_path / "half.h5", **SETTINGS) as writer:
        writer.append(stacks_of(3), table_of(3))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="pose must be one of raw, canonical"):
        StackWriter(tmp_path / "half.h5", **{**SETTINGS, "pose": "tilted"})


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    room = iter([10**9, 10**3])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(room)))
    with pytest.raises(InputError, match="large.h5: there must be room.*found 1000 free bytes for 3840 more"):
        with StackWriter(tmp_path / "large.h5", **SETTINGS) as writer:
            writer.append(stacks_of(5), table_of(5))
            writer.append(stacks_of(5), table_of(5))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="room and permission"):
        write_stack_file(tmp_path / "a.h5", stacks_of(1), table_of(1), **SETTINGS)


def test_forked_workers_and_copies_read_for_themselves(stack_file):
    file = StackFile(stack_file)
    file.read([0])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(file.read, [[i] for i in range(5)])
    assert np.array_equal(np.concatenate(found), stacks_of(5)) and os.getpid() == file._process
    assert np.array_equal(copy.copy(file).read([4]), stacks_of(5)[[4]])
    file.close()
    assert np.array_equal(file.read([2]), stacks_of(5)[[2]])


def test_the_derivation_is_a_column_only_where_it_is_known(tmp_path: Path):
    rows = {"sample_id": ["a", "b"], "space_group": 1, "origin": "simulated"}
    stacks = stacks_of(2)
    for name, known in (("without.h5", {}), ("with.h5", {"derivation": ["real", ""]})):
        write_stack_file(tmp_path / name, stacks, SampleTable.build(2, **rows, **known), **SETTINGS)
        with h5py.File(tmp_path / name) as file:
            assert ("samples/derivation" in file) == bool(known)
    with StackFile(tmp_path / "without.h5") as old, StackFile(tmp_path / "with.h5") as new:
        assert old.table.derivation.tolist() == ["", ""] and new.table.derivation.tolist() == ["real", ""]
        assert old.digest != new.digest
    with pytest.raises(InputError, match="derivation must be empty or one of real, random"):
        write_stack_file(tmp_path / "c.h5", stacks, SampleTable.build(2, **rows, derivation="natural"), **SETTINGS)
