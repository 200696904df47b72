"""The families of configurations are what their script writes, and each file of theirs stands by itself."""

import runpy
import tomllib
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "configs" / "families.py"
families = runpy.run_path(str(SCRIPT))


def test_every_file_of_a_family_is_what_the_script_writes():
    files = families["families"]()
    assert len(files) > 40
    assert [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text] == []


BASE = """# a base
label = "base"

[train]                      # of all
rate = 2e-3                  # a rate

[train.loss]
kind = "focal"
gamma = 2.0

[train.tasks]
weight = 1.0
"""


@pytest.mark.parametrize("difference, expected", [
    ('[train]\nrate = 1e-3', {"label": "base", "train": {"rate": 1e-3, "loss": {"kind": "focal", "gamma": 2.0},
                                                         "tasks": {"weight": 1.0}}}),
    ('[train.loss]\nkind = "plain"\n[train.tasks]\nabsent = true',
     {"label": "base", "train": {"rate": 2e-3, "loss": {"kind": "plain"}}}),
    ('label = "other"\n[train]\nrate = "absent"\n[train.tasks]\nmore = [1, 2]',
     {"label": "other", "train": {"loss": {"kind": "focal", "gamma": 2.0}, "tasks": {"weight": 1.0, "more": [1, 2]}}})])
def test_a_difference_replaces_adds_and_leaves_out(difference, expected):
    text = families["written"]("About.", families["changed"](*map(families["read"], (BASE, difference))))
    assert tomllib.loads(text) == expected
    assert text.startswith("# About.\nlabel = ") and "# of all" in text


def test_what_is_not_one_entry_a_line_is_refused():
    with pytest.raises(ValueError, match="1]"):
        families["read"]("[a]\nweights = [\n1]")
