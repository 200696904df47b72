"""Event files hold what metrics.jsonl holds, also after a resume, and are missed without harm."""

import subprocess
import sys

import pytest

from cbedgan.gan.reporting.event_log import EventLog


def read(folder) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                      reason="needs the package tensorboard").EventAccumulator(str(folder))
    accumulator.Reload()
    return {name: [(event.step, event.value) for event in accumulator.Scalars(name)]
            for name in accumulator.Tags()["scalars"]}


def test_a_resumed_run_leaves_no_value_twice(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the package tensorboard")
    first = EventLog(tmp_path, images_seen=0)
    for step in (16, 32, 48):
        first.write(step, {"loss_g": step / 16, "kid": 0.5})
    again = EventLog(tmp_path, images_seen=32)  # the first was killed: nobody closed it
    for step in (48, 64):
        again.write(step, {"loss_g": -1.0, "kid": 0.25})
    assert read(tmp_path) == {"loss_g": [(16, 1.0), (32, 2.0), (48, -1.0), (64, -1.0)],
                              "kid": [(16, 0.5), (32, 0.5), (48, 0.25), (64, 0.25)]}
    first.close()
    again.close()


def test_without_the_package_one_notice_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    log = EventLog(tmp_path, images_seen=0)
    log.write(16, {"loss_g": 1.0})
    log.close()
    assert capsys.readouterr().err.count("install the extra `tensorboard`") == 1 and not list(tmp_path.iterdir())


FILL = """
import resource, sys
from pathlib import Path
from cbedgan.gan.reporting.event_log import EventLog
log = EventLog(Path(sys.argv[1]), images_seen=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    for step in range(200):
        log.write(step, {"loss_g": 1.0})
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_disk_without_room_is_one_message(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the package tensorboard")
    done = subprocess.run([sys.executable, "-c", FILL, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.startswith(f"{tmp_path}: the disk must have room"), done.stderr
