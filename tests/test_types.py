"""Pyright, with the settings in pyproject.toml, finds no error in either package."""

import json
import subprocess
import sys

import pytest

from project import ROOT


@pytest.mark.slow
def test_types_fit():
    pytest.importorskip("pyright", reason='needs the extra "dev"')
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    _, begun, said = done.stdout.partition("{\n")  # what precedes it is how node.js was fetched
    if not begun:
        pytest.skip(f"pyright does not run here: {(done.stderr or done.stdout).strip()[-200:]}")
    said = json.loads("{" + said)
    errors = [f"{e['file']}:{e['range']['start']['line'] + 1}: {e['message']}" for e in said["generalDiagnostics"]
              if e["severity"] == "error"]
    assert said["summary"]["filesAnalyzed"] > 200 and errors == []
