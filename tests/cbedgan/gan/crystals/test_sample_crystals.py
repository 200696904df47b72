"""Samples of a generator of crystals: any group, exact labels, seeded one by one, chosen by a stated rule, as CIF."""

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cbedgan.cli import main
from cbedgan.crystal.cif import crystals_from_cif
from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.natural_crystals import NaturalConfig
from cbedgan.gan.crystals import sample_crystals
from cbedgan.gan.crystals.draw import ArmConfig, draw_stack
from cbedgan.gan.crystals.network.crystal_generator import CrystalGenerator
from cbedgan.gan.crystals.prior import PriorConfig
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from classifier.foundation.errors import InputError
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from running import killed, verb

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def source(trained) -> TrainedCrystals:
    return load_crystals(trained / "generator.safetensors")


@pytest.fixture(scope="session")
def sampled(trained, tmp_path_factory) -> Path:
    """Two stacks of a group of the training and one of a group that no stack has."""
    folder = tmp_path_factory.mktemp("sampled")
    assert verb("sample", "--generator", trained / "generator.safetensors", "--groups", "225:2,14:1", "--seed", "5",
                "--candidates", "2", "--threads", "1", "--out", folder / "made.h5", "--cif", folder / "cif") == 0
    return folder / "made.h5"


def test_a_file_holds_labelled_stacks_and_their_crystals(sampled, small_set):
    with StackFile(sampled) as file:
        table, stacks = file.table, file.read(range(3))
        held = load_split(small_set.split, stack_digest=StackFile(small_set.stacks).identity)
        assert check_added_source(sampled, held, stacks=small_set.stacks) == file.digest
    assert table.space_group.tolist() == [14, 225, 225] and set(table.origin) == {"synthetic"}
    assert table.sample_id.tolist() == ["sample-14-000000", "sample-225-000000", "sample-225-000001"]
    assert np.isfinite(stacks).all() and 0.05 < stacks.sum((2, 3)).min() and stacks.sum((2, 3)).max() < 1.01
    told = [json.loads(row) for row in table.provenance]
    assert [one["logits"] is None for one in told] == [True, False, False]  # the discriminator knows no group 14
    for name, row in zip(table.sample_id, told, strict=True):
        crystal, = crystals_from_cif(sampled.parent / "cif" / f"{name}.cif")
        assert crystal.space_group == row["space_group"] == Crystal.from_record(row["crystal"]).space_group
    report = json.loads(sampled.with_name("made.h5.report.json").read_text())
    assert report["drawn"] == 3 and report["processor_seconds"] > 0


def test_a_killed_command_goes_on_and_ends_at_the_same_bits(trained, tmp_path, monkeypatch):
    def command(out):
        return ["sample", "--generator", trained / "generator.safetensors", "--groups", "194:9,225:17", "--seed", "5",
                "--candidates", "1", "--threads", "1", "--out", out]
    whole, out = tmp_path / "whole.h5", tmp_path / "out.h5"
    parts = tmp_path / "out.h5.parts"
    assert killed([sys.executable, "-m", "cbedgan", *map(str, command(out))],
                  lambda: len(list(parts.glob("*-*.json"))) > 1) != 0
    there = {path: path.stat().st_mtime_ns for path in parts.glob("*-*.json")}
    assert not out.exists() and 2 <= len(there) < 5
    assert verb(*command(whole)) == 0
    with monkeypatch.context() as patched:
        patched.setattr(sample_crystals, "StackWriter", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main([str(word) for word in command(out)])
    assert not out.exists() and there.items() <= {one: one.stat().st_mtime_ns for one in parts.glob("*-*.json")}.items()
    assert verb(*command(out)) == 0 and not parts.exists()
    assert out.read_bytes() == whole.read_bytes()
    with StackFile(out) as file:
        assert file.table.sample_id[[0, 8, 9]].tolist() == ["sample-194-000000", "sample-194-000008",
                                                            "sample-225-000000"]


def test_a_sample_is_the_same_whatever_else_is_drawn_and_another_for_another_seed(sampled, source):
    arm = ArmConfig(candidates=2)
    with StackFile(sampled) as file:
        written = file.read([2])[0]
    alone, other = (draw_stack(source, arm, 225, 1, seed=seed, refused=Counter()) for seed in (5, 6))
    assert np.abs(alone.stack - written).max() <= written.max() * 2**-10
    assert alone.crystal.material != other.crystal.material


def test_untrained_samples_are_the_prior_itself(source):
    arm = ArmConfig(moved=False, candidates=1)
    crystal = draw_stack(source, arm, 62, 0, seed=1, refused=Counter()).crystal
    drawn = next(crystal for attempt in range(100) if (crystal := source.prior.source.draw(
        62, np.random.default_rng([1, 0, 0, 62, attempt]))) is not None)
    assert crystal.record() == drawn.record()
    still = replace(source, generator=CrystalGenerator(source.network.generator).eval())
    unmoved = draw_stack(still, ArmConfig(candidates=1), 62, 0, seed=1, refused=Counter()).crystal
    assert np.abs(unmoved.lattice - drawn.lattice).max() < 1e-6 and (unmoved.numbers == drawn.numbers).all()


def test_a_choice_follows_the_discriminator(source, monkeypatch):
    arm = ArmConfig(candidates=3)
    def seen(x: torch.Tensor, class_idx: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.0], [50.0], [0.0]])
    monkeypatch.setattr(source.discriminator, "forward", seen)
    for number in range(3):
        row = draw_stack(source, arm, 225, number, seed=2, refused=Counter()).row
        assert json.loads(row.provenance[0])["chosen"] == 1


def test_crystals_that_moves_spoil_are_refused_and_counted(source):
    refused: Counter[str] = Counter()
    with pytest.raises(InputError, match="within the prior's attempts"):
        draw_stack(replace(source, prior=PriorConfig(source=NaturalConfig(kind="natural", attempts=3))),
                   ArmConfig(minimum_distance_ratio=0.999), 225, 0, seed=0, refused=refused)
    assert sum(refused.values()) == 3 and refused["atoms too near"] + refused["not drawn"] == 3


def test_options_of_crystals_are_refused_for_other_generators(tmp_path, capsys):
    assert verb("sample", "--generator", tmp_path / "none.safetensors", "--groups", "225:1", "--seed", "0", "--out",
                tmp_path / "a.h5", "--as-drawn") == 2
    assert "of generators of crystals" in capsys.readouterr().err


def test_a_crystal_that_is_not_wanted_is_not_drawn(source):
    arm, refused = ArmConfig(candidates=1), Counter()
    first = draw_stack(source, arm, 62, 0, seed=1, refused=Counter()).crystal
    other = draw_stack(source, arm, 62, 0, seed=1, refused=refused, against=lambda crystal: (
        "that one" if crystal.material == first.material else "")).crystal
    assert refused["that one"] == 1 and other.material != first.material


def test_a_place_that_cannot_be_written_is_refused_before_any_work(trained, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert verb("sample", "--generator", trained / "generator.safetensors", "--groups", "225:1", "--seed", "0",
                "--out", tmp_path / "file/made.h5") == 2
    assert "permission to write" in capsys.readouterr().err


def test_a_group_that_needs_larger_cells_gets_them(source):
    refused: Counter[str] = Counter()
    tiny = NaturalConfig(kind="natural", maximum_primitive_atoms=2, attempts=4)
    small = replace(source, prior=PriorConfig(source=tiny))
    with pytest.raises(InputError, match="within the prior's attempts"):
        draw_stack(small, ArmConfig(candidates=1), 62, 0, seed=0, refused=refused)
    large = PriorConfig(source=NaturalConfig(kind="natural", maximum_primitive_atoms=2, attempts=60),
                        maximum_random_atoms={62: 12})
    one = draw_stack(replace(source, prior=large), ArmConfig(candidates=1), 62, 0, seed=0, refused=refused)
    assert 2 < one.crystal.n_primitive <= 12
