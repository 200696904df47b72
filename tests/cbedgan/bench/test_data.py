"""The benchmark of training reads runs, tells what it measured, and leaves nothing behind."""

import json

import pytest

from running import verb

pytestmark = pytest.mark.slow


def test_it_reports_every_size_and_number_of_workers_and_cleans_up(tmp_path, capsys):
    code = verb("bench", "data", "--folder", tmp_path / "sets", "--size", "32", "--size", "16", "--workers", "1",
                "--workers", "2", "--batch", "4", "--megabytes", "1", "--repeats", "1", "--json",
                tmp_path / "found.json")
    assert code == 0 and "training cache" in capsys.readouterr().out
    readings = json.loads((tmp_path / "found.json").read_text())["readings"]
    assert [(one["size"], one["workers"]) for one in readings] == [(32, 1), (32, 2), (16, 1), (16, 2)]
    for one in readings:
        assert min(one["plain"], one["cache"], one["stack_file"]) > 0
        assert one["ratio"] == pytest.approx(one["cache"] / one["plain"])  # a single repeat
    assert list((tmp_path / "sets").iterdir()) == []


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    code = verb("bench", "data", "--folder", tmp_path / "file", "--size", "8")
    assert code == 2 and "must be a folder" in capsys.readouterr().err
