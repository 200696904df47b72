"""What tests run: a verb in this process, processes that are ended once they have left something, and two ranks."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cbedgan.cli import main


def verb(*arguments: object) -> int:
    """What `cbedgan` exits with."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code or 0


def metrics(run: Path) -> list[dict[str, Any]]:
    """The reports that a training has written."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def written_anew(path: Path) -> Callable[[], bool]:
    """Ask the answer whether a file has been written since now."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    return lambda: path.exists() and path.stat().st_mtime_ns != before


def wait_for(there: Callable[[], object], process: subprocess.Popen) -> None:
    """Wait until `there` says so, or the process has ended, or for two minutes."""
    until = time.monotonic() + 120
    while not there() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)


def killed(command: Sequence[Any], there: Callable[[], object], *, after: float = 0.0) -> int:
    """Run a command and end it hard, `after` seconds after `there` says so; what it exits with."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(there, process)
        time.sleep(after)
    finally:
        process.kill()
    return process.wait()


def two_ranks(command: Sequence[Any], there: Callable[[], object] | None = None, *, local: tuple[int, int] = (0, 1),
              rank: int = 0, number: signal.Signals = signal.SIGKILL) -> list[int]:
    """Run a command as both ranks of one training; signal one once `there` says so; what they exit with.

    local: ranks on their nodes, as torchrun would tell them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              env=shared | {"RANK": str(k), "LOCAL_RANK": str(local[k])}) for k in range(2)]
    try:
        if there is not None:
            wait_for(there, ranks[0])
            ranks[rank].send_signal(number)
        return [process.wait(timeout=300) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
            process.wait()
