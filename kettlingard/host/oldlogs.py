"""Logs that are full: put aside, compressed when nobody writes to them any more, and removed."""

from __future__ import annotations

import errno
import fcntl
import gzip
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kettlingard.core.retention import COMPRESSED, UNFINISHED, old_logs, old_name, outdated

from .logs import MODE

log = logging.getLogger(__name__)

BLOCK = 256 * 1024  # bytes read at once


def put_aside(path: Path) -> Path:
    """Rename a log; those that have it open go on writing to it. Raises OSError."""
    old = path.with_name(old_name(path.name, time.time()))
    path.rename(old)
    return old


def is_written(path: Path) -> bool:
    """Has some process a file of ours open for writing?

    The kernel grants a read lease (fcntl(2)) only on a file that nobody can write
    to. Where it grants none at all (some network file systems), the answer is yes.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return True
    else:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    finally:
        os.close(fd)


def compress(path: Path, stopped: Callable[[], bool]) -> bool:
    """Replace a file by its .gz, in one step; False if broken off by `stopped`. Raises OSError."""
    part = path.with_name(path.name + UNFINISHED)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        with (
            path.open("rb", buffering=0) as source,
            os.fdopen(fd, "wb") as target,
            gzip.GzipFile(path.name, "wb", 6, target) as squeezed,
        ):
            while block := source.read(BLOCK):
                if stopped():
                    return False
                squeezed.write(block)
        part.rename(path.with_name(path.name + COMPRESSED))
        path.unlink()
        return True
    finally:
        part.unlink(missing_ok=True)


def tidy(
    path: Path, *, keep: int, max_age: float, squeeze: bool, stopped: Callable[[], bool]
) -> bool:
    """Remove the old logs of `path` that have to go, compress the rest. To be run in a thread.

    Return False if one could not be compressed yet, since somebody still writes to it.
    """
    folder, complete = path.parent, True
    names = [name for name in os.listdir(folder) if name.startswith(f"{path.name}.")]
    oldest = time.time() - max_age if max_age > 0 else 0.0
    gone = outdated(names, path.name, keep=keep, oldest=oldest)
    for name in gone:
        with suppress(OSError):
            os.unlink(folder / name)
    for name in old_logs(set(names) - set(gone), path.name):
        if not squeeze or name.endswith(COMPRESSED) or stopped():
            continue
        try:
            complete &= not is_written(folder / name) and compress(folder / name, stopped)
        except FileNotFoundError:
            continue
        except OSError as why:
            full = why.errno in (errno.ENOSPC, errno.EDQUOT)
            log.warning("log not compressed file=%s reason=%s", name, why.strerror)
            complete &= not full
    return complete


def forget_unfinished(folder: Path) -> None:
    """Remove what a supervisor that was killed has left half compressed."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(UNFINISHED):
                (folder / name).unlink(missing_ok=True)
