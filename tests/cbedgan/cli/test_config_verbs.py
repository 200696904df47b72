import pytest
import typer

from cbedgan.cli import app
from cbedgan.cli.configurations import CONFIGURATIONS
from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config
from classifier.foundation.config_keys import keys_of
from project import CONFIGS
from running import verb

TAKING = {name for name, command in typer.main.get_command(app).commands.items()
          if any(parameter.name == "config" for parameter in getattr(command, "params", []))}


def test_every_verb_that_takes_a_configuration_is_known_and_takes_set():
    assert {name.split(",")[0] for name in CONFIGURATIONS} == TAKING
    for name in TAKING:
        options = {option for each in typer.main.get_command(app).commands[name].params for option in each.opts}
        assert "--set" in options


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_shipped_file_of_a_verb_is_one_of_its_own_and_every_key_is_told(name):
    model = CONFIGURATIONS[name].load()
    load_config(CONFIGS / CONFIGURATIONS[name].file, model)
    assert {key.name.partition("[")[0].partition(".")[0].partition(" ")[0] for key in keys_of(model)} == set(
        model.model_fields)


def test_a_configuration_is_shown_and_copied(capsys, tmp_path):
    assert verb("config", "show", "split") == 0
    shown = capsys.readouterr().out
    assert "near_duplicates" in shown and '"refuse", "drop"' in shown and "(required)" in shown
    assert verb("config", "show") == 0 and "demo/split.toml" in capsys.readouterr().out
    path = tmp_path / "split.toml"
    assert verb("config", "copy", "split", path) == 0
    assert path.read_bytes() == (CONFIGS / "demo/split.toml").read_bytes()
    assert verb("config", "copy", "split", path) == 2 and "must not be there yet" in capsys.readouterr().err
    assert verb("config", "show", "splt") == 2 and "split, folds" in capsys.readouterr().err


@pytest.mark.slow
def test_set_changes_a_key_and_the_file_of_another_verb_is_named(capsys, tiny_stack_file, tmp_path):
    stacks, out = tiny_stack_file(), tmp_path / "split.json"
    given = ["split", "--config", CONFIGS / "demo/split.toml", "--samples", stacks]
    assert verb(*given, "--out", out, "--set", "seed=7", "--set", "test_fraction=0.25") == 0
    assert (read_json(out)["config"]["seed"], read_json(out)["config"]["test_fraction"]) == (7, 0.25)
    assert verb(*given, "--out", tmp_path / "b.json", "--set", "sede=7") == 2
    assert "`sede` is no key here, did you mean `seed`?" in capsys.readouterr().err
    given[2] = CONFIGS / "demo/train_clf.toml"
    assert verb(*given, "--out", tmp_path / "b.json") == 2
    told = capsys.readouterr().err
    assert "must be a configuration of split; found one of train-clf" in told and "config copy split" in told
