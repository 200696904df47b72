"""The run folder of a stage: what was run, with what, what it measured, and how the same command goes on."""

import json
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from classifier.foundation.atomic import atomic_path, read_json, room_needed, write_json
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError
from classifier.foundation.registry import own_sources

RECORDED_PACKAGES = ("cbedgan", "torch", "numpy", "scipy", "scikit-learn", "h5py", "hdf5plugin", "gemmi", "moyopy",
                     "pymatgen")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change a result; absent ones are left out."""
    present = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        with suppress(PackageNotFoundError):
            present[package] = version(package)
    return present


def stage_record(stage: str, config: Config, inputs: dict[str, str]) -> dict[str, Any]:
    """What a stage that writes one file says of itself in it: stage, configuration, digests of its inputs, versions."""
    return {"stage": stage, "config": config.model_dump(mode="json"), "config_digest": digest(config),
            "inputs": dict(inputs), "split_digest": inputs["split"], "versions": versions()}


def require_same_run(path: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse (InputError) to go on in an output that another stage, configuration or input has begun or made.

    stored, wanted: records with the keys stage, config_digest and inputs {name: digest}.
    """
    for key in ("stage", "config_digest", "inputs"):
        if stored.get(key) != wanted[key]:
            raise InputError(source=path, rule=f"an output holds one run, and its {key} may not change",
                             value=f"{stored.get(key)!r} there, {wanted[key]!r} asked",
                             remedy="Choose another output, or remove this one to start again.")


class Run:
    """A run folder: run.json (the record), metrics.jsonl, checkpoint.safetensors, result.json once finished."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder, self.record = folder, record

    @classmethod
    def open(cls, folder: Path, *, stage: str, config: Config, inputs: dict[str, str]) -> "Run":
        """Create the folder, or go on in it; InputError when it holds another stage, configuration or input.

        Parameters
        ----------
        folder, stage, config : of the run
        inputs : {name: digest} of every file the stage reads; the files of a user's own kinds join them
        """
        folder = Path(folder)
        record = {"stage": stage, "config": config.model_dump(mode="json"), "config_digest": digest(config),
                  "inputs": {**inputs, **own_sources(config)}, "versions": versions()}
        path = folder / "run.json"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(path, {**record, "created": datetime.now(UTC).isoformat(timespec="seconds")})
            return cls(folder, record)
        require_same_run(folder, read_json(path), record)
        return cls(folder, record)

    @property
    def checkpoint_path(self) -> Path:
        """Path of the training checkpoint, which may not exist yet."""
        return self.folder / "checkpoint.safetensors"

    @property
    def result(self) -> dict[str, Any] | None:
        """Content of result.json when the stage has finished, else None."""
        path = self.folder / "result.json"
        return read_json(path) if path.exists() else None

    def log(self, *, images_seen: int, **values: Any) -> None:
        """Append one JSON line to metrics.jsonl."""
        path = self.folder / "metrics.jsonl"
        with room_needed(path), path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"images_seen": images_seen, **values}) + "\n")

    def rewind(self, images_seen: int) -> None:
        """Drop the metric lines later than `images_seen`, and a line cut short by a crash: they will be replayed."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return
        earlier = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(json.JSONDecodeError, KeyError):
                if json.loads(line)["images_seen"] <= images_seen:
                    earlier.append(line + "\n")
        with atomic_path(path) as temporary:
            temporary.write_text("".join(earlier), encoding="utf-8")

    def finish(self, result: dict[str, Any]) -> None:
        """Write result.json, which marks the run as finished; do it after every other output is in place."""
        write_json(self.folder / "result.json", result)

    def provenance(self) -> dict[str, Any]:
        """Return what every artefact of this run carries: stage, configuration, input digests, versions."""
        return dict(self.record)


class Interrupted(SystemExit):
    """Raised by a stage that has saved its state after SIGINT or SIGTERM; the same command resumes it."""

    def __init__(self, signal_number: int = signal.SIGINT) -> None:
        super().__init__(128 + signal_number)


class StopRequest:
    """Context in which the first SIGINT or SIGTERM sets `requested` so that a loop can save; a second one kills."""

    def __init__(self) -> None:
        self.requested = False
        self.signal_number: int = signal.SIGINT
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._request)
            except ValueError:  # not in the main thread: the signals belong to somebody else
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise Interrupted(number)
        self.requested, self.signal_number = True, number


class _Bar:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def advance(self, n: int = 1) -> None:
        """Count n more done."""
        self._bar.advance(self._task, n)

    def update(self, description: str) -> None:
        """Show another description."""
        self._bar.update(self._task, description=description)


@contextmanager
def progress(description: str, total: int, completed: int = 0, shown: bool = True) -> Iterator[_Bar]:
    """Show a progress bar on stderr while the context lasts; without a terminal only its last state is printed.

    Parameters
    ----------
    description, total, completed : beside the bar, and of its steps
    shown : whether to show it at all; of processes that share their work, one does
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not shown) as bar:
        yield _Bar(bar, bar.add_task(description, total=total, completed=completed))
