"""The stage: stacks of exact label, inside groups and on both sides of their boundaries, resumed to the bit."""

import json
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cbedgan.choice.choose import look
from cbedgan.comparison.arms import ARMS
from cbedgan.comparison.study import CompareConfig, compare
from cbedgan.crystal.crystals import Crystal, measure_symmetry, standard_crystal
from cbedgan.distortion.modes import Mode
from cbedgan.gan.crystals.draw import draw_stack
from cbedgan.gan.crystals.trained_crystals import load_crystals
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import resimulate
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.held_out import HeldOut
from cbedgan.synthesis.crystals.synthesize_crystals import SynthesizeCrystalsConfig, synthesize_crystals
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import check_added_source
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.training.train import TrainClassifierConfig
from project import ROOT
from running import killed, verb
from small_crystals import SIMULATE
from tiny import ARM

pytestmark = pytest.mark.slow

TOML = """seed = 4
[sampling_strategy.interior]
shots = ["few"]
ratio = 0.0
base = 1
target = 60
[sampling_strategy.boundary]
shots = ["few"]
ratio = 0.0
base = 4
target = 60
[sampling_strategy.hard]
shots = ["few"]
ratio = 0.0
base = 2
target = 60
[arm]
candidates = 1
[hard]
pool = 2.5
"""


@pytest.fixture(scope="module")
def command(learnt, tmp_path_factory):
    """command(out): the words of the verb."""
    config = tmp_path_factory.mktemp("config") / "synthesize.toml"
    config.write_text(TOML)
    given = [word for one in learnt.classifiers for word in ("--classifier", one)]
    return lambda out: ["synthesize", "--config", config, "--generator", learnt.generator, "--stacks", learnt.stacks,
                        "--split", learnt.split, "--paths", learnt.paths, *given, "--workers", "1", "--out", out]


@pytest.fixture(scope="module")
def made(command, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "synthetic.h5"
    assert verb(*command(out)) == 0 and not out.with_name("synthetic.h5.parts").exists()
    return out


@pytest.fixture(scope="module")
def rows(made):
    """Table and provenance of each row."""
    with StackFile(made) as file:
        return file.table, [json.loads(text) for text in file.table.provenance]


def test_every_group_has_its_quota_and_its_label_is_measured(made, rows, learnt):
    table, told = rows
    with StackFile(learnt.stacks) as real:
        split = load_split(learnt.split, stack_digest=real.identity)
        assert check_added_source(made, split, stacks=learnt.stacks)
    report = json.loads(made.with_name("synthetic.h5.report.json").read_text())
    assert report["quota"]["boundary"] == {"12": 4, "63": 4, "194": 4} and report["short"] == {
        "interior": [], "boundary": [], "hard": []}
    assert Counter((one["kind"], group) for one, group in zip(told, table.space_group.tolist(), strict=True)) == {
        (kind, group): number for kind, number in (("interior", 1), ("boundary", 4), ("hard", 2))
        for group in (12, 63, 194)}
    assert len(set(table.material)) == len(table) == 21 and set(table.origin) == {"synthetic"}
    for group, one in zip(table.space_group.tolist(), told, strict=True):
        crystal = Crystal.from_record(one["crystal"])
        assert crystal.space_group == group == measure_symmetry(*crystal.primitive()).number
    held_out = HeldOut.of(learnt.split, learnt.stacks)
    assert held_out.free(table).all()


def test_both_sides_of_a_boundary_are_there_where_there_are_two(rows):
    table, told = rows
    sides = Counter((group, one.get("side")) for group, one in zip(table.space_group.tolist(), told, strict=True))
    assert sides[63, "distorted"] == sides[63, "undistorted"] == 2
    assert sides[194, "undistorted"] == 4 and sides[12, "distorted"] == 4  # no class lies above or below
    names = [name for name, one in zip(table.sample_id.tolist(), told, strict=True) if one.get("side") == "distorted"]
    assert {name.rsplit("-", 1)[0] for name in names} == {"boundary-63-distorted-194", "boundary-12-distorted-63"}


def test_the_report_says_what_each_pair_was_to_get_and_got(made, rows):
    told = json.loads(made.with_name("synthetic.h5.report.json").read_text())["made"]
    assert told["boundary"]["63"]["pairs"] == {"distorted, 194": {"asked": 2, "made": 2},
                                               "undistorted, 12": {"asked": 2, "made": 2}}
    assert told["boundary"]["12"]["pairs"] == {"distorted, 63": {"asked": 4, "made": 4}}
    assert "pairs" not in told["interior"]["12"] and told["interior"]["12"]["crystals"] == 1
    stems = [(one.get("parent") or one["crystal"])["material"] for one in rows[1] if one["kind"] == "boundary"
             and one["crystal"]["space_group"] == 12]
    assert told["boundary"]["12"]["crystals"] == len(set(stems))


@pytest.fixture(scope="module")
def selecting(command, tmp_path_factory):
    """selecting(TOML): the report of such a command, and the file."""
    def run(more):
        folder = tmp_path_factory.mktemp("selected")
        config = folder / "config.toml"
        config.write_text(TOML.replace("base = 4", "base = 2").replace("pool = 2.5", "pool = 1.0") + more)
        words = command(folder / "out.h5")
        words[2] = config
        assert verb(*words) == 0
        return json.loads((folder / "out.h5.report.json").read_text()), folder / "out.h5"
    return run


def test_what_is_kept_is_selected_from_more_than_the_quota(selecting, command, made):
    report, out = selecting("""
[selection.interior]
kind = "prototype"
times = 2.0
[selection.boundary]
kind = "variety"
times = 2.0
[selection.hard]
kind = "covariance"
times = 2.0
""")
    assert report["short"] == {"interior": [], "boundary": [], "hard": []}
    pools = {kind: [row["pool"] for row in groups.values()] for kind, groups in report["made"].items()}
    assert pools == {"interior": [2, 2, 2], "boundary": [4, 4, 4], "hard": [4, 4, 4]}
    assert report["made"]["boundary"]["12"]["crystals"] == 2  # of four distortions of two crystals at most one each
    with StackFile(out) as file, StackFile(made) as before:
        assert len(file) == 15 and set(file.table.sample_id) != set(before.table.sample_id)
        shared = np.intersect1d(file.table.sample_id, before.table.sample_id)
        rows = [[one.table.sample_id.tolist().index(name) for name in shared] for one in (file, before)]
        assert len(shared) and (file.read(rows[0]) == before.read(rows[1])).all()  # drawn alike, whatever is kept


def test_a_distorted_crystal_lies_on_its_path_between_t_data_and_beyond_t_star(rows, learnt):
    paths = json.loads((learnt.paths / "paths.json").read_text())["paths"]
    distorted = [one for one in rows[1] if one.get("side") == "distorted"]
    assert {one["path"] is None for one in distorted} == {True, False}  # the file's paths do not suffice
    assert max(Counter(one["path"] for one in distorted if one["path"] is not None).values()) <= 2
    for one in distorted:
        far = max(one["t_data"], one["t_star"] or np.inf)
        assert one["t_data"] - 1e-7 <= one["distortion_angstrom"] <= 3 * far
        parent, mode = Crystal.from_record(one["parent"]), Mode(*map(np.array, one["mode"].values()))
        assert [parent.space_group, one["crystal"]["space_group"]] == one["pair"]
        again = standard_crystal(*mode.cell(parent, one["distortion_angstrom"]), steady=True, source="test")
        assert again.material == one["crystal"]["material"]
        if one["path"] is not None:
            assert paths[one["path"]]["crystal"] == one["parent"] and paths[one["path"]]["t_data"] == one["t_data"]


def test_a_stack_can_be_made_again_from_its_row(made, rows, learnt):
    source = load_crystals(learnt.generator)
    instrument = source.instrument.config
    with StackFile(made) as file:
        for row in (0, len(file) - 1):
            stack = file.read([row])[0]
            again = resimulate(instrument, str(file.table.provenance[row]), engine=engine_of(instrument))
            assert np.abs(again - stack).max() <= stack.max() * 2**-10
    inside = next(one for one in rows[1] if one["kind"] == "interior")
    arm = parse_config({"seed": 0, "sampling_strategy": {}, "arm": {"candidates": 1}}, SynthesizeCrystalsConfig,
                       source="test").arm
    held_out = HeldOut.of(learnt.split, learnt.stacks)
    drawn = draw_stack(source, arm, inside["space_group"], inside["number"], seed=inside["seed"], refused=Counter(),
                       against=lambda crystal: held_out.reason(crystal) or "")
    assert drawn.crystal.record() == inside["crystal"]


def test_hard_stacks_are_chosen_from_a_pool_by_what_the_classifiers_say(made, rows, learnt):
    report = json.loads(made.with_name("synthetic.h5.report.json").read_text())["made"]["hard"]
    assert [row["pool"] for row in report.values()] == [5, 5, 5]
    hard = rows[0].sample_id[[one["kind"] == "hard" for one in rows[1]]].tolist()
    names = {name for group in (12, 63, 194) for name in (f"hard-{group}-{k:06d}" for k in range(5))}
    assert set(hard) < names
    inside = {one["number"] for one in rows[1] if one["kind"] == "interior"}
    assert not inside & {one["number"] for one in rows[1] if one["kind"] == "hard"}
    seen = look([load_classifier(path) for path in learnt.classifiers], made, "ideal").probability
    kept = seen[np.isin(rows[0].sample_id, hard) & (rows[0].space_group == 12)].mean()
    assert kept == pytest.approx(report["12"]["mean probability, chosen"], abs=1e-3)


def test_a_killed_command_goes_on_and_ends_at_the_same_bits(command, made, tmp_path):
    out = tmp_path / "out.h5"
    parts = tmp_path / "out.h5.parts"
    assert killed([sys.executable, "-m", "cbedgan", *map(str, command(out))],
                  lambda: len(list(parts.glob("*-*.json"))) > 1) != 0
    there = {path: path.stat().st_mtime_ns for path in parts.glob("*-*.json")}
    assert not out.exists() and len(there) >= 2
    assert verb(*command(out)) == 0 and not parts.exists()
    assert out.read_bytes() == made.read_bytes()
    before = out.stat().st_mtime_ns
    assert verb(*command(out)) == 0 and out.stat().st_mtime_ns == before


def test_arms_of_every_kind_can_be_compared(made, learnt, compare_config, tmp_path):
    config = compare_config(arms=["real", "boundary_synthetic", "hard_synthetic", "boundary_shuffled_labels"],
                            classifier=ARM | {"images": 48})
    page = compare(config, stacks=learnt.stacks, split=learnt.split, synthetic=made, out=tmp_path / "out", workers=1)
    report = json.loads(page.with_suffix(".json").read_text())
    assert {arm["stacks_added"] for name, arm in report["arms"].items() if name != "real"} == {6}
    assert report["synthesis"]["made"]["hard"]["12"]["accepted"] == 2 and "Where the synthetic" in page.read_text()
    labels = [StackFile(tmp_path / f"out/sources/{source}.h5").table.space_group for source in ("boundary", "shuffled")]
    assert sorted(labels[0]) == sorted(labels[1]) == [12, 12, 63, 63, 194, 194]


def test_the_configurations_that_are_shipped_are_whole_and_of_one_classifier():
    config = load_config(ROOT / "configs/bench/synthesize_crystals.toml", SynthesizeCrystalsConfig)
    assert set(config.sampling_strategy) == {"interior", "boundary", "hard"}
    compared = load_config(ROOT / "configs/bench/compare_crystals.toml", CompareConfig)
    ideal = load_config(ROOT / "configs/symmetry/ideal.toml", TrainClassifierConfig)
    assert compared.classifier.model_copy(update={"loss": ideal.loss}) == ideal
    assert {ARMS[arm].loss for arm in compared.arms} == {ideal.loss}


def test_views_of_the_set_lie_beside_row_for_row_and_feed_their_classifier(learnt, made, compare_config, tmp_path):
    source = load_crystals(learnt.generator)
    views = [{"name": "tilted", "specimen": {"tilt_mrad": 10.0}}]
    tilted = parse_config(SIMULATE | {"views": views}, SimulateConfig, source="test").views
    generator, config, out = tmp_path / "generator.safetensors", tmp_path / "config.toml", tmp_path / "synthetic.h5"
    replace(source, instrument=replace(source.instrument, views=tilted)).save(generator)
    config.write_text(TOML.replace("base = 4", "base = 2").replace("pool = 2.5", "pool = 1.5"))
    given = [word for one in learnt.classifiers for word in ("--classifier", one)]
    assert verb("synthesize", "--config", config, "--generator", generator, "--stacks", learnt.stacks, "--split",
                learnt.split, "--paths", learnt.paths, *given, "--workers", "1", "--out", out) == 0
    with StackFile(out) as base, StackFile(tmp_path / "synthetic.tilted.h5") as view, StackFile(made) as before:
        assert view.identity.condition == "tilted" and len(base) == 15
        assert (view.table.sample_id == base.table.sample_id).all()
        kept = np.isin(base.table.sample_id, before.table.sample_id)
        rows = [before.table.sample_id.tolist().index(name) for name in base.table.sample_id[kept]]
        assert kept.sum() >= 3 and (base.read(kept) == before.read(rows)).all()  # on the axes nothing changes
        for row in (0, len(base) - 1):
            told, on_axis = (json.loads(file.table.provenance[row]) for file in (view, base))
            assert told["view"] == "tilted" and on_axis.items() <= told.items()
            instrument = load_crystals(generator).instrument.with_views
            again = resimulate(instrument, str(view.table.provenance[row]), engine=engine_of(instrument))
            assert np.abs(again - view.read([row])[0]).max() <= again.max() * 2**-10
    asked = compare_config(arms=["real", "boundary_synthetic"], classifier=ARM | {"images": 48})
    page = compare(asked, stacks=learnt.stacks, split=learnt.split, synthetic=tmp_path / "synthetic.tilted.h5",
                   out=tmp_path / "out", workers=1)
    assert json.loads(page.with_suffix(".json").read_text())["synthesis"]["made"]["hard"]["12"]["accepted"] == 2


def test_what_does_not_fit_is_refused_by_name(learnt, tmp_path, capsys):
    config = parse_config({"seed": 0, "sampling_strategy": {"boundary": {"shots": ["few"], "ratio": 0.0, "base": 1,
                                                                         "target": 9}}},
                          SynthesizeCrystalsConfig, source="test")
    with pytest.raises(InputError, match="--paths: must be given for boundary stacks"):
        synthesize_crystals(config, generator=learnt.generator, stacks=learnt.stacks, split=learnt.split,
                            out=tmp_path / "a.h5", workers=1)
    for changes, message in (({"selection": {"interior": {"kind": "variety"}}}, "given for the selection variety"),
                             ({"selection": {"hard": {"kind": "variety"}}}, "must be of kinds in sampling_strategy")):
        with pytest.raises(InputError, match=message):
            content = config.model_dump() | {"sampling_strategy": {"interior": {
                "shots": ["few"], "ratio": 0.0, "base": 1, "target": 9}}} | changes
            synthesize_crystals(parse_config(content, SynthesizeCrystalsConfig, source="test"),
                                generator=learnt.generator, stacks=learnt.stacks, split=learnt.split,
                                out=tmp_path / "a.h5", workers=1)
    given = ["synthesize", "--config", tmp_path / "none.toml", "--stacks", learnt.stacks, "--split", learnt.split,
             "--out", tmp_path / "a.h5"]
    assert verb(*given, "--generator", learnt.generator, "--probe", tmp_path / "probe.h5") == 2
    assert "--probe: goes with kinds of generator other than crystals" in " ".join(capsys.readouterr().err.split())
    assert verb(*given, "--generator", tmp_path / "none.safetensors", "--paths", learnt.paths) == 2
    assert "--paths: goes with generators of crystals" in " ".join(capsys.readouterr().err.split())
    assert verb(*given, "--generator", tmp_path / "none.safetensors") == 2
    assert "needs --probe" in capsys.readouterr().err
