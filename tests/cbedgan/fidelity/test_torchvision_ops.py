"""Importing torch-fidelity, in a process of its own, whatever torchvision lies beside torch."""

import subprocess
import sys

import pytest

from cbedgan.fidelity import torchvision_ops


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_torch_fidelity_can_be_imported_afterwards():
    run("from cbedgan.fidelity.torchvision_ops import ensure_torchvision as ensure\n"
        "ensure(); ensure()\n"
        "import gc; gc.collect()\n"
        "import torch_fidelity, torchvision\n"
        "assert torchvision.transforms.Resize(4) is not None")


def test_another_failure_is_passed_on(monkeypatch):
    class Broken:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "torchvision":
                raise RuntimeError("something else")
    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(RuntimeError, match="something else"):
        torchvision_ops.ensure_torchvision()
