import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cbedgan
from cbedgan.cli import app
from classifier.samples.stackfile import StackFile
from running import verb

VERBS = {"simulate", "prepare", "inspect", "folds", "split", "train-clf", "train-baseline", "train-gan", "probe",
         "synthesize", "compare", "rank", "study", "adjust-clf", "crystals", "export-olcf", "import", "predict",
         "demo", "judge", "pretrain", "acquire", "label-next", "sample", "choose", "distort", "rounds", "gate",
         "compare-generators", "assess", "doctor", "import-curves", "models"}
SPLIT = """
group_by = "structure_type"
validation_fraction = 0.2
test_fraction = 0.2
minimum_materials = 3
adopt_partition = true
near_duplicates = "drop"
seed = 0
"""


@pytest.fixture
def split_config(tmp_path: Path) -> Path:
    path = tmp_path / "split.toml"
    path.write_text(SPLIT)
    return path


@pytest.mark.slow
def test_every_verb_is_there_and_explains_itself(capsys):
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == VERBS
    for name in VERBS:
        assert verb(name, "-h") == 0 and "Usage" in (short := capsys.readouterr().out)
        assert verb(name, "--help") == 0 and capsys.readouterr().out == short and "Example: cbedgan" in short


def test_version_is_that_of_the_package(capsys):
    assert verb("--version") == 0 and capsys.readouterr().out == f"cbedgan {cbedgan.__version__}\n"
    project = Path(cbedgan.__file__).parents[1] / "pyproject.toml"
    if project.exists():
        assert tomllib.loads(project.read_text())["project"]["version"] == cbedgan.__version__


def test_help_loads_nothing_heavy():
    heavy = {"torch", "matplotlib", "scipy", "pydantic", "gemmi", "h5py"}
    code = f"import sys, cbedgan.cli; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_verb_reads_its_configuration_and_writes(capsys, tiny_stack_file, split_config, tmp_path):
    assert verb("split", "--config", split_config, "--stacks", tiny_stack_file(), "--out", tmp_path / "split.json") == 0
    assert (tmp_path / "split.json").exists() and str(tmp_path / "split.json") in capsys.readouterr().out


def test_bad_input_is_one_line_and_code_2(capsys, tiny_stack_file, split_config, tmp_path):
    split_config.write_text(SPLIT.replace("seed = 0", 'seed = "zero"\ncolour = 1'))
    assert verb("split", "--config", split_config, "--stacks", tiny_stack_file(), "--out", tmp_path / "split.json") == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"error: {split_config}: ")
    assert printed.err.count("\n") == 1 and "`colour`" in printed.err and "`seed`" in printed.err


def test_a_missing_option_is_named(capsys):
    assert verb("split") == 2 and "--config" in capsys.readouterr().err


def test_simulate_names_its_extra(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moyopy", None)
    assert verb("simulate", "--config", tmp_path / "none.toml", "--out", tmp_path / "stacks.h5") == 2
    printed = capsys.readouterr().err
    assert "no moyopy" in printed and "in the clone: pip install '.[simulate]'" in printed


def test_inspect_prints_and_writes_counts(capsys, tiny_stack_file, tmp_path):
    stacks = tiny_stack_file()
    assert verb("inspect", stacks, "--json", tmp_path / "counts.json", "--html", tmp_path / "page.html") == 0
    with StackFile(stacks) as file:
        assert f"{len(file)} samples" in capsys.readouterr().out
    assert (tmp_path / "counts.json").exists() and (tmp_path / "page.html").exists()
    stacks.write_bytes(stacks.read_bytes()[:-100])
    assert verb("inspect", stacks) == 1 and "! " in capsys.readouterr().out
    assert verb("inspect", tmp_path / "none.h5") == 2


def test_inspect_compares_builds_and_tells_by_its_code(capsys, tiny_stack_file, tmp_path):
    one, other = tiny_stack_file(), tiny_stack_file(seed=1)
    for against, code, told in ((one, 0, "equal to the bit"), (other, 1, "24 samples differ by more than 0.0001")):
        assert verb("inspect", one, "--against", against, "--json", tmp_path / "found.json") == code
        found = json.loads((tmp_path / "found.json").read_text())
        assert found["agree"] is (code == 0) and told in found["verdict"]
        assert found["verdict"] in capsys.readouterr().out
    assert verb("inspect", one, "--against", other, "--tolerance", "10") == 0
    assert verb("inspect", one, other, "--against", other) == 2 and "--against" in capsys.readouterr().err


def test_a_sample_file_is_written_under_a_name_of_one(capsys, tmp_path):
    assert verb("sample", "--generator", "builtin:demo", "--seed", 0, "--all", 1, "--out", tmp_path / "s.png") == 2
    told = capsys.readouterr().err
    assert "must be a sample file, which ends in .h5" in told and "s.h5" in told and not list(tmp_path.iterdir())


def test_predict_says_how_patterns_of_ones_own_become_a_sample_file(capsys, tmp_path):
    (tmp_path / "scan.dm4").write_bytes(b"anything")
    assert verb("predict", tmp_path / "scan.dm4") == 2
    assert f"cbedgan import {tmp_path / 'scan.dm4'} --config" in capsys.readouterr().err
