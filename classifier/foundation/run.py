"""The run folder of a stage: what was run, with what, what it measured, and how the same command goes on."""

import hashlib
import json
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from classifier.foundation.atomic import atomic_path, plain, read_json, room_needed, write_json
from classifier.foundation.config import Config, digest
from classifier.foundation.errors import InputError
from classifier.foundation.lock import locked
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
    """A run folder: run.json (the record), metrics.jsonl, checkpoint.safetensors, result.json once finished.

    As a context manager it belongs to this process until the context ends.
    """

    def __init__(self, folder: Path, record: dict[str, Any], held: ExitStack | None = None) -> None:
        self.folder, self.record, self._held = folder, record, held or ExitStack()

    @classmethod
    def open(cls, folder: Path, *, stage: str, config: Config, inputs: dict[str, str], owner: bool = True) -> "Run":
        """Create the folder, or go on in it; InputError when it holds another stage, configuration or input.

        So is a folder in which another command is at work, and one whose finished files are gone or others.

        Parameters
        ----------
        folder, stage, config : of the run
        inputs : {name: digest} of every file the stage reads; the files of a user's own kinds join them
        owner : whether this process is the one that writes there
        """
        folder = Path(folder)
        record = {"stage": stage, "config": config.model_dump(mode="json"), "config_digest": digest(config),
                  "inputs": {**inputs, **own_sources(config)}, "versions": versions()}
        path, finished = folder / "run.json", (folder / "result.json").exists()
        with ExitStack() as exits:
            if owner and not (finished and not os.access(folder, os.W_OK)):
                if exits.enter_context(locked(folder / ".lock", rule="a run folder belongs to one command at a time")):
                    for stale in folder.glob(".*.partial"):  # of a command that was killed
                        stale.unlink(missing_ok=True)
            if not path.exists():
                if finished or (folder / "checkpoint.safetensors").exists():
                    raise InputError(source=folder, rule="a run folder must say in run.json which run it holds",
                                     value="results without it", remedy="Choose another output, or remove this one.")
                write_json(path, {**record, "created": datetime.now(UTC).isoformat(timespec="seconds")})
            require_same_run(folder, read_json(path), record)
            run = cls(folder, record, exits.pop_all())
        return run

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: Any) -> None:
        self._held.close()

    @property
    def checkpoint_path(self) -> Path:
        """Path of the training checkpoint, which may not exist yet."""
        return self.folder / "checkpoint.safetensors"

    @property
    def result(self) -> dict[str, Any] | None:
        """Content of result.json when the stage has finished, else None; InputError when its files are not as it says.
        """
        path = self.folder / "result.json"
        if not path.exists():
            return None
        result = read_json(path)
        for name, stored in result.get("files", {}).items():
            file = self.folder / name
            found = _sha256(file) if file.is_file() else "missing"
            if found != stored:
                raise InputError(source=self.folder, rule="a finished run must hold what it wrote",
                                 value=f"{name}: {found if found == 'missing' else 'another content'}",
                                 remedy="Restore the file from a copy, or remove result.json to run again.")
        return result

    def log(self, *, images_seen: int, **values: Any) -> None:
        """Append one JSON line to metrics.jsonl."""
        path = self.folder / "metrics.jsonl"
        with room_needed(path), path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(plain({"images_seen": images_seen, **values}), allow_nan=False) + "\n")

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

    def finish(self, result: dict[str, Any], files: Sequence[str] = ()) -> None:
        """Write result.json, which marks the run as finished; do it after every other output is in place.

        files: names of what was written for others to read; they are known again by their sha256.
        """
        known = {name: _sha256(self.folder / name) for name in files}
        write_json(self.folder / "result.json", {**result, **({"files": known} if known else {})})

    def provenance(self) -> dict[str, Any]:
        """Return what every artefact of this run carries: stage, configuration, input digests, versions."""
        return dict(self.record)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
