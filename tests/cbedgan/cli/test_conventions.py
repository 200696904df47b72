import shlex

import pytest
import typer

from cbedgan.cli import app, main
from cbedgan.cli.arguments import NAMES_OF_SAMPLES, named
from cbedgan.cli.conventions import say_how_to_go_on
from cbedgan.cli.examples import EXAMPLES
from classifier.foundation.errors import InputError
from project import ROOT
from running import verb

COMMANDS = typer.main.get_command(app)
WITHOUT_SAMPLES = {"simulate", "crystals", "prepare", "import", "import-curves", "judge", "demo", "pretrain", "doctor",
                   "sample", "bench", "config", "models"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_verb_is_a_command_that_it_takes(name):
    words, command = shlex.split(EXAMPLES[name]), COMMANDS
    assert words[:1 + len(name.split())] == ["cbedgan", *name.split()]
    for word in name.split():
        command = command.commands[word]
    command.make_context(name, words[1 + len(name.split()):])
    assert all((ROOT / word).exists() for word in words if word.startswith("configs/"))


def test_samples_have_one_name_in_every_verb_that_reads_them():
    for name, command in COMMANDS.commands.items():
        options = {option for parameter in getattr(command, "params", []) for option in parameter.opts}
        assert not {"--file", "--data"} & options
        if name not in WITHOUT_SAMPLES:
            assert set(NAMES_OF_SAMPLES) <= options, name


def test_sample_files_are_the_argument_or_the_option(tmp_path):
    one, other = tmp_path / "a.h5", tmp_path / "b.h5"
    assert named([one], None, verb="predict") == named(None, [one], verb="predict") == [one]
    assert named([one], [other], verb="inspect", one=False) == [one, other]
    for files in ([], [one, other]):
        with pytest.raises(InputError, match=f"cbedgan predict.*found {len(files)}"):
            named(files, [], verb="predict")


def test_an_interruption_says_how_to_go_on(capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cbedgan.demo.demo", stopped)
    assert verb("demo", "--out", "my runs") == 130
    assert capsys.readouterr().err == "\nStopped. What is finished is kept; to go on: cbedgan demo --out 'my runs'\n"
    say_how_to_go_on(["predict", "a.h5"])
    assert capsys.readouterr().err == "\nStopped. Nothing is left half-written; to begin anew: cbedgan predict a.h5\n"


def test_other_exits_say_nothing_of_going_on(capsys):
    with pytest.raises(SystemExit) as left:
        main(["inspect"])
    assert left.value.code == 2 and "Stopped" not in capsys.readouterr().err
