"""Training on rendered crystals: what it leaves, exact resume after kill -9, and what it refuses."""

import json
import sys

import numpy as np
import pytest
import torch

import tiny
from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.instrument import Instrument, told_of
from cbedgan.gan.crystals.network.movable import movable
from cbedgan.gan.crystals.network.moves import Moves, moved
from cbedgan.gan.crystals.prior import Prior, draw_prior
from cbedgan.gan.crystals.sight import Seen
from cbedgan.gan.crystals.train_crystals import train_crystals
from cbedgan.gan.crystals.trained_crystals import load_crystals
from cbedgan.gan.network.generator import load_generator
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.samples.stackfile import StackFile, write_stack_file
from running import killed, metrics, verb, written_anew

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path
from cbedgan.gan.crystals.train_crystals import TrainCrystalsConfig, train_crystals
if __name__ == "__main__":
    stacks, split, out = map(Path, sys.argv[2:])
    train_crystals(TrainCrystalsConfig.model_validate_json(sys.argv[1]), stacks=stacks, split=split, out=out)
"""


def test_a_training_moves_crystals_and_leaves_what_samples_need(trained):
    source = load_crystals(trained / "generator.safetensors")
    assert source.class_map.space_groups == (62, 194, 225) and source.frame.detector.size_pixels == 16
    reports = metrics(trained)
    assert [line["images_seen"] for line in reports] == [8, 16, 24]
    assert reports[0]["shift_angstrom"] < reports[-1]["shift_angstrom"] < 0.3 and reports[-1]["growth"] != 0
    assert all(torch.isfinite(parameter).all() for parameter in source.generator.parameters())
    result = json.loads((trained / "result.json").read_text())
    assert result["generator_digest"] == source.digest and not (trained / "checkpoint.safetensors").exists()


def test_a_training_ends_with_a_sheet_of_what_it_draws(trained, small_set):
    told = json.loads((trained / "result.json").read_text())["drawn"]
    with StackFile(trained / "samples.h5") as drawn, StackFile(small_set.stacks) as real:
        assert drawn.table.space_group.tolist() == [62] * 3 + [194] * 3 + [225] * 3
        assert not set(drawn.table.formula) <= set(real.table.formula)
    assert (trained / "samples.png").stat().st_size > 1000
    assert told["crystals"] == 9 and 0 <= told["told_apart"]["estimate"] <= 1


def test_a_training_killed_twice_ends_at_the_same_bits(small_set, small_training, trained, tmp_path):
    program, out = tmp_path / "program.py", tmp_path / "gan"
    program.write_text(PROGRAM)
    command = [sys.executable, program, small_training().model_dump_json(), *small_set, out]
    killed(command, lambda: len(list((out / "prior").glob("*.json"))) > 1)
    assert not (out / "checkpoint.safetensors").exists()
    assert killed(command, written_anew(out / "checkpoint.safetensors")) != 0
    train_crystals(small_training(), **small_set._asdict(), out=out)
    assert metrics(out) == metrics(trained)
    one, other = (load_crystals(folder / "generator.safetensors").digest for folder in (out, trained))
    assert one == other


def test_verbs_for_other_generators_say_that_this_one_draws_crystals(trained):
    with pytest.raises(InputError, match="cbedgan sample"):
        load_generator(trained / "generator.safetensors")


def test_a_set_that_does_not_say_how_it_was_made_is_refused(tiny_stack_file, small_training):
    with StackFile(tiny_stack_file()) as file, pytest.raises(InputError, match="as the set states"):
        Instrument.of(file, small_training().view, small_training().render)


def test_a_tilted_view_is_refused_a_larger_one_is_not(small_set, small_training, small_simulation, tmp_path):
    views = [{"name": "tilted", "specimen": {"tilt_mrad": 1.0}}, {"name": "large", "size_pixels": 32}]
    config = parse_config(small_simulation | {"views": views}, SimulateConfig, source="test")
    told = {"stage": "simulate", "config": config.model_dump(mode="json")}
    with StackFile(small_set.stacks) as file:
        for view in ("tilted", "large"):
            write_stack_file(tmp_path / f"{view}.h5", file.read([0]), file.table.take([0]), **tiny.frame_of(file),
                             provenance=told | {"condition": view})
    training = small_training()
    with StackFile(tmp_path / "tilted.h5") as file, pytest.raises(InputError, match='its view "tilted"'):
        Instrument.of(file, training.view, training.render)
    with StackFile(tmp_path / "large.h5") as file:
        instrument = Instrument.of(file, training.view, training.render)
        assert instrument.config.detector.size_pixels == 16
        assert instrument.config.views == () and [view.name for view in instrument.views] == ["tilted", "large"]


def test_drawn_crystals_are_shown_as_the_set_shows_its_own(small_set, small_training):
    with StackFile(small_set.stacks) as file:
        instrument = Instrument.of(file, small_training().view, small_training().render)
        crystals = [json.loads(row)["crystal"] for row in file.table.provenance]
        real, told = file.read(range(len(file.table))), told_of(file.table)
    one = movable(Crystal.from_record(crystals[-1]))
    still = Moves(torch.zeros(len(one.first), 3), torch.zeros(3, 3), torch.zeros(len(one.elements)))
    (shown,) = instrument.expose([moved(one, still, np.zeros(len(one.elements)))],
                                 [one.crystal.material])
    assert torch.allclose(shown.stack, torch.from_numpy(real[-1]), rtol=1e-3, atol=1e-7)
    assert shown.told.detach().numpy() == pytest.approx(told[-1], rel=1e-5)


def test_the_lengths_that_canonical_pose_hides_teach_the_volume(small_set, small_training, trained):
    with StackFile(small_set.stacks) as file:
        instrument = Instrument.of(file, small_training().view, small_training().render)
    one = Prior(trained / "prior").draw(62, np.random.default_rng(0))
    strain = torch.zeros(3, 3, requires_grad=True)
    moves = Moves(torch.zeros(len(one.first), 3), strain, torch.zeros(len(one.elements)))
    (shown,) = instrument.expose([moved(one, moves, np.zeros(len(one.elements)))], ["a"])
    gradient, = torch.autograd.grad(shown.told[:3].sum(), strain)
    assert gradient.trace() < -1  # a larger cell has shorter reciprocal vectors


def test_what_no_row_tells_is_not_told():
    told = torch.tensor([[0.0, 1.0, float("nan"), 5.0, 4.6], [2.0, 1.0, 3.0, 6.0, 4.6]])
    seen = Seen.fit(None, told.double().numpy())
    assert seen.told(told).tolist() == [[-1, 0, 0, -1, 0], [1, 0, 0, 1, 0]]


def test_the_verb_knows_the_kind_and_refuses_options_of_others(trained, small_set, small_training, tmp_path, capsys):
    config = tmp_path / "train_gan.toml"
    config.write_text(tiny.toml(small_training().model_dump(mode="json", exclude_none=True)))
    arguments = ["train-gan", "--config", config, "--stacks", small_set.stacks, "--split", small_set.split]
    assert verb(*arguments, "--out", trained) == 0 and "generator.safetensors" in capsys.readouterr().out
    assert verb(*arguments, "--out", trained, "--cache", tmp_path) == 2 and "Leave it out" in capsys.readouterr().err


def test_real_stacks_can_be_rendered_as_the_generated_ones_are(trained, small_set, small_training, tmp_path):
    out = tmp_path / "gan"
    train_crystals(small_training(images=8, burn_in_share=3.0, real="rendered"), **small_set._asdict(), out=out)
    # The renderer has made this set, too: the training is the same to the bit.
    assert metrics(out) == metrics(trained)[:1]
    with StackFile(out / "rendered.h5") as file:
        assert "test" not in set(file.table.partition) and len(file.table) == 15


def test_a_pool_is_drawn_once_and_anew_for_another_seed(trained, small_training, tmp_path):
    config, groups = small_training().prior, (225,)
    instrument = load_crystals(trained / "generator.safetensors").instrument.config
    def drawn(folder, seed):
        draw_prior(config, instrument, tmp_path / folder, space_groups=groups, seed=seed, workers=1)
        return (tmp_path / folder / "225.json").read_text()
    first = drawn("a", 3)
    assert first == (trained / "prior" / "225.json").read_text()
    assert first == drawn("a", 3) != drawn("a", 4)
