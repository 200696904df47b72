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
from cbedgan.gan.crystals import draw, drawn_files
from cbedgan.gan.crystals.draw import ArmConfig, draw_stack
from cbedgan.gan.crystals.network.crystal_generator import CrystalGenerator
from cbedgan.gan.crystals.prior import PriorConfig
from cbedgan.gan.crystals.sample_crystals import SampleCrystalsConfig, sample_crystals
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from cbedgan.gan.crystals.views import views_of
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import simulate_every_view
from cbedgan.simulate.engine import engine_of
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, StackWriter
from running import killed, verb
from small_crystals import SIMULATE

pytestmark = pytest.mark.slow

VIEWS = [{"name": "tilted", "specimen": {"tilt_mrad": 10.0, "wedge_degree": 5.0}}, {"name": "large", "size_pixels": 32}]


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
        patched.setattr(drawn_files, "StackWriter", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main([str(word) for word in command(out)])
    assert not out.exists() and there.items() <= {one: one.stat().st_mtime_ns for one in parts.glob("*-*.json")}.items()
    assert verb(*command(out)) == 0 and not parts.exists()
    assert out.read_bytes() == whole.read_bytes()
    with StackFile(out) as file:
        assert file.table.sample_id[[0, 8, 9]].tolist() == ["sample-194-000000", "sample-194-000008",
                                                            "sample-225-000000"]


@pytest.fixture(scope="session")
def with_views(trained, tmp_path_factory) -> Path:
    """The generator, had its set a tilted view and one of finer pixels."""
    source = load_crystals(trained / "generator.safetensors")
    views = parse_config(SIMULATE | {"views": VIEWS}, SimulateConfig, source="test").views
    path = tmp_path_factory.mktemp("views") / "generator.safetensors"
    replace(source, instrument=replace(source.instrument, views=views)).save(path)
    return path


def test_views_of_the_set_are_written_beside_row_for_row(with_views, sampled, small_set, tmp_path):
    out = tmp_path / "made.h5"
    assert verb("sample", "--generator", with_views, "--groups", "225:2,14:1", "--seed", "5", "--candidates", "2",
                "--threads", "1", "--out", out) == 0
    held = load_split(small_set.split, stack_digest=StackFile(small_set.stacks).identity)
    instrument = load_crystals(with_views).instrument
    with StackFile(out) as file, StackFile(sampled) as before:
        base, stacks = file.table, file.read(range(3))
        assert (stacks == before.read(range(3))).all()  # on the axes nothing changes
        crystals = [Crystal.from_record(json.loads(row)["crystal"]) for row in base.provenance]
    for number, name in enumerate(("tilted", "large"), start=1):
        view = tmp_path / f"made.{name}.h5"
        assert check_added_source(view, held, stacks=small_set.stacks)
        with StackFile(view) as file:
            assert file.identity.condition == name and file.detector.size_pixels == 16 * number
            assert file.detector.pixel_size == pytest.approx(0.25 / number)
            for column in ("sample_id", "space_group", "material", "origin", "partition", "derivation"):
                assert getattr(file.table, column).tolist() == getattr(base, column).tolist()
            for row, crystal in enumerate(crystals):
                told, on_axis = (json.loads(table.provenance[row]) for table in (file.table, base))
                assert told["view"] == name and ("specimen" in told) == (name == "tilted")
                assert on_axis.items() <= told.items() and told["generator_digest"] == load_crystals(with_views).digest
                as_simulated, _ = simulate_every_view(crystal, instrument.with_views, beam_energy_kev=100.0,
                                                      engine=engine_of(instrument.with_views))[number]
                seen = file.read([row])[0]
                assert np.abs(as_simulated[0] - seen).max() <= seen.max() * 2**-10
            assert name == "large" or np.abs(file.read(range(3)) - stacks).sum() > 0.05 * stacks.sum()


def test_views_go_on_where_a_killed_command_has_stopped_and_can_be_left_out(with_views, tmp_path, monkeypatch):
    def made(out, **how):
        arm = ArmConfig(candidates=1)
        return sample_crystals(SampleCrystalsConfig(seed=5, counts={225: 9}, mantissa_bits=10, arm=arm),
                               generator=with_views, out=out, workers=1, **how)
    whole, out = made(tmp_path / "whole.h5"), tmp_path / "out.h5"
    def writer(path, **how):
        return 1 / 0 if path == out else StackWriter(path, **how)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(drawn_files, "StackWriter", writer)
        made(out)
    assert (tmp_path / "out.tilted.h5").exists() and not out.exists()  # whoever finds the set finds its views
    parts = tmp_path / "out.h5.parts"
    endings = (".h5", ".tilted.h5", ".large.h5", ".json")
    assert {path.name for path in parts.glob("225-*")} == {
        f"225-{first:06d}{ending}" for first in (0, 8) for ending in endings}
    (parts / "225-000008.json").unlink()
    made(out)
    for ending in ("h5", "tilted.h5", "large.h5"):
        assert (tmp_path / f"out.{ending}").read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    bare = made(tmp_path / "bare.h5", views=False)
    assert not list(tmp_path.glob("bare.*.h5"))
    with StackFile(bare) as file, StackFile(whole) as other:
        assert (file.read(range(9)) == other.read(range(9))).all()
    (tmp_path / "bare.h5").rename(tmp_path / "out.tilted.h5")
    with pytest.raises(InputError, match="inputs may not change"):
        made(out)


def test_a_candidate_that_a_view_cannot_show_gives_way_to_the_next(with_views, monkeypatch):
    source, arm, shown = load_crystals(with_views), ArmConfig(candidates=1), []
    first = draw_stack(source, arm, 225, 0, seed=5, refused=Counter()).crystal.material
    def views(crystal, row, instrument):
        shown.append(crystal.material)
        if crystal.material == first:
            raise InputError(source="view", rule="must be shown", value="none", remedy="Take another.")
        return views_of(crystal, row, instrument)
    monkeypatch.setattr(draw, "views_of", views)
    refused: Counter[str] = Counter()
    one = draw_stack(source, arm, 225, 0, seed=5, refused=refused, views=True)
    assert shown == [first, one.crystal.material] and refused["not to be rendered in a view"] == 1
    assert len(one.views) == 2 and first != one.crystal.material


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
