"""A place for what a benchmark makes up: a folder inside the one that was named, gone when the benchmark ends."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classifier.foundation.errors import InputError


@contextmanager
def scratch(folder: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `folder`, which is made if need be; only the new one is removed again."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(dir=folder, prefix=prefix)
    except OSError as error:
        raise InputError(source=folder, rule="must be a folder to write to", value=error,
                         remedy="Name another one.") from error
    with place as name:
        yield Path(name)
