"""Locks of the system on files: one process alone, or several beside each other; a lock ends with its process."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from classifier.foundation.errors import InputError, reported


@contextmanager
def locked(path: Path, *, rule: str, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a file, which is made where there is none; InputError of its folder while another holds it.

    Yields whether it is held: some file systems have no locks.

    Parameters
    ----------
    path, rule : of the lock, and said where it is held
    shared : beside other processes that share it
    wait : for another that holds it, instead of the error
    """
    with reported(path.parent, rule="there must be permission to write here", remedy="Choose another place."):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    held = True
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace")
            raise InputError(source=path.parent, rule=rule, value=f"another command at work{holder and f' ({holder})'}",
                             remedy="Run this again when that one has ended.") from None
        except OSError:
            held = False
        with suppress(OSError):  # who holds it is a courtesy, which a full disk may refuse
            os.truncate(descriptor, 0)
            if not shared:
                os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)
        yield held
    finally:
        os.close(descriptor)
