import subprocess
import sys

import pytest

from classifier.foundation import memory

FAULTS = """
import resource, torch
from classifier.foundation.memory import keep_freed_memory
torch.set_num_threads(1)
kept = {keep}
if kept and not keep_freed_memory():
    raise SystemExit(3)
for turn in range(24):
    if turn == 14:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 << 20)  # 64 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> int:
    found = subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True)
    if found.returncode == 3:
        pytest.skip("the allocator is not glibc's")
    return int(found.stdout)


@pytest.mark.slow
def test_memory_that_was_freed_is_not_cleared_again() -> None:
    assert faults(keep=True) < faults(keep=False) / 10


def test_elsewhere_than_on_linux_nothing_changes(monkeypatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False
