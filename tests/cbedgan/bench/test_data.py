"""The benchmark of training reads runs, tells what it measured, and leaves nothing behind."""

import json

import pytest

from cbedgan.cli import main

pytestmark = pytest.mark.slow


def test_it_reports_every_size_and_number_of_workers_and_cleans_up(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["bench", "data", "--folder", str(tmp_path / "sets"), "--size", "16", "--size", "8", "--workers", "1",
              "--workers", "2", "--batch", "4", "--megabytes", "1", "--repeats", "1", "--json",
              str(tmp_path / "found.json")])
    assert left.value.code in (0, None) and "training cache" in capsys.readouterr().out
    readings = json.loads((tmp_path / "found.json").read_text())["readings"]
    assert [(one["size"], one["workers"]) for one in readings] == [(16, 1), (16, 2), (8, 1), (8, 2)]
    for one in readings:
        assert min(one["plain"], one["cache"], one["stack_file"]) > 0
        assert one["ratio"] == pytest.approx(one["cache"] / one["plain"])  # a single repeat
    assert list((tmp_path / "sets").iterdir()) == []


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit) as left:
        main(["bench", "data", "--folder", str(tmp_path / "file"), "--size", "8"])
    assert left.value.code == 2 and "must be a folder" in capsys.readouterr().err
