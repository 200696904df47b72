"""Files that are whole or absent: write to a temporary sibling, flush to disk, rename."""

import errno
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from classifier.foundation.errors import InputError, reported

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def room_needed(path: Path) -> Iterator[None]:
    """Turn the refusal of a full disk, quota or largest file size into one InputError naming what was to be written."""
    try:
        yield
    except Exception as error:
        # Libraries written in Rust hand on the number in their message alone.
        written = re.search(r"os error (\d+)", str(error))
        number = error.errno if isinstance(error, OSError) else int(written[1]) if written else None
        if number not in NO_ROOM:
            raise
        raise InputError(source=path, rule="the disk must have room for the file", value=os.strerror(number),
                         remedy="What was there is kept. Make room, and give the same command again.") from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place on a clean exit, remove it on an error.

    A full disk is an InputError.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with room_needed(path):
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all; return its path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_json(path: Path, content: dict[str, Any], *, exact: bool = False) -> None:
    """Write `content` as indented JSON with sorted keys, whole or not at all; what is undefined becomes null.

    exact: keep NaN and infinities, in parts that only this program reads before they are put together
    """
    told = content if exact else plain(content)
    write_text(path, json.dumps(told, indent=2, sort_keys=True, allow_nan=exact) + "\n")


def plain(value: Any) -> Any:
    """JSON content with None for what is undefined, instead of NaN, which is not JSON."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing file or broken text is an InputError."""
    path = Path(path)
    if not path.exists():
        raise InputError(source=path, rule="the file must exist", value="no file",
                         remedy="Run the stage that writes it, or correct the path.")
    with reported(path, rule="the file must hold JSON",
                  remedy="It was damaged or edited; write it again with its stage."):
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise InputError(source=path, rule="the file must hold a JSON object", value=type(content).__name__,
                         remedy="Write it again with its stage.")
    return content


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
