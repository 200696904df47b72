"""Files are whole or absent."""

import subprocess
import sys

import pytest
import torch

from classifier.foundation.atomic import atomic_path, read_json, write_json
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.errors import InputError


def test_an_error_while_writing_keeps_the_old_file_and_leaves_no_rest(tmp_path):
    path = tmp_path / "kept.json"
    write_json(path, {"version": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half a fi")
        raise RuntimeError
    assert read_json(path) == {"version": 1} and [entry.name for entry in tmp_path.iterdir()] == ["kept.json"]


def test_json_says_null_of_what_is_undefined(tmp_path):
    write_json(tmp_path / "a.json", {"loss": float("nan"), "bounds": [1.5, float("inf")]})
    assert read_json(tmp_path / "a.json") == {"loss": None, "bounds": [1.5, None]}


FILL = """
import resource, sys
from pathlib import Path
import torch
from classifier.foundation.checkpoint import save_checkpoint
from classifier.foundation.run import Run
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    if sys.argv[2] == "checkpoint":
        save_checkpoint(folder / "c.safetensors", kind="test", parts={"x": torch.zeros(5000)}, header={})
    else:
        run = Run(folder, {})
        for images_seen in range(1000):
            run.log(images_seen=images_seen)
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["checkpoint", "metrics"])
def test_a_disk_without_room_is_one_clear_message_and_keeps_the_old_file(tmp_path, what):
    path = tmp_path / "c.safetensors"
    digest = save_checkpoint(path, kind="test", parts={"x": torch.ones(2)}, header={})
    done = subprocess.run([sys.executable, "-c", FILL, str(tmp_path), what], capture_output=True, text=True)
    name = {"checkpoint": "c.safetensors", "metrics": "metrics.jsonl"}[what]
    assert done.stdout.startswith(f"{tmp_path / name}: the disk must have room for the file; found File too large.")
    assert done.stdout.count("\n") == 1 and done.stderr == "" and load_checkpoint(path, kind="test").digest == digest
    assert {entry.name for entry in tmp_path.iterdir()} <= {"c.safetensors", "c.json", "metrics.jsonl"}


@pytest.mark.parametrize("text", ["{\"a\": ", "[1, 2]", "\xff"])
def test_broken_json_is_named(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="broken.json"):
        read_json(path)
