"""Log files of services: opened for workers, read for people.

Workers write to them themselves (O_APPEND), so nothing here can lose a line.
A file may be renamed away, truncated or missing at any moment.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from .inotify import Changes

MODE = 0o640
BLOCK = 64 * 1024  # bytes read at once
BLOCKS = 16  # read before others get their turn
MAX_LINE = 64 * 1024  # bytes of a line that are shown
MAX_TAIL = 8 * 1024 * 1024  # bytes that are looked through for the last lines
CUT = " …(cut)"


def open_log(path: Path) -> int:
    """Open a log for appending, to be handed to a process; the caller owns the descriptor.

    Raises OSError; a symbolic link or a file that is none is refused.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags, MODE)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"cannot log to {path}: it is no regular file; move it away")
    os.set_blocking(fd, True)
    return fd


def _text(line: bytes) -> str:
    """For people: not too long, and nothing that a terminal would obey."""
    cut = line[:MAX_LINE].decode("utf-8", "backslashreplace")
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() or c == "\t" else _escaped(c) for c in cut)
    return cut + CUT if len(line) > MAX_LINE else cut


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode()


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, the oldest first, with bounded memory. Empty if there is none."""
    if lines <= 0:
        return []
    try:
        with path.open("rb", buffering=0) as file:
            return [_text(line) for line in _last(file.fileno(), lines)]
    except OSError:
        return []


def _last(fd: int, lines: int) -> list[bytes]:
    end = os.fstat(fd).st_size
    least = max(0, end - MAX_TAIL)
    blocks: list[bytes] = []
    start, newlines = end, 0
    while start > least and newlines <= lines:
        size = min(BLOCK, start - least)
        start -= size
        blocks.append(os.pread(fd, size, start))
        newlines += blocks[-1].count(b"\n")
    data = b"".join(reversed(blocks))
    found = data.split(b"\n")
    if not found[-1]:
        found.pop()  # the text ends with a newline
    if start > 0 and len(found) > 1:
        found.pop(0)  # begins in the middle
    return found[-lines:]


class Follower:
    """Reads the lines that are appended to a log from now on, over rotation and truncation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._part = b""
        self._skipping = False  # inside a line that was too long, and was cut
        self._open(at_end=True)

    def read(self) -> list[str]:
        """Complete lines that have come since the last call, or a part of them; never waits.

        Empty when there are no more.
        """
        lines = self._read_on()
        if not lines and self._is_another():
            # What was written to the old file between our read and its renaming.
            lines = self._read_on()
            self._open(at_end=False)
            lines += self._read_on()
        return lines

    def close(self) -> None:
        """Stop reading."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self, *, at_end: bool) -> None:
        self.close()
        self._part, self._skipping = b"", False
        with suppress(OSError):
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if at_end:
                os.lseek(self._file, 0, os.SEEK_END)

    def _is_another(self) -> bool:
        try:
            now = self._path.stat()
        except OSError:
            return False  # renamed away; the new one is still to come
        return self._file < 0 or not os.path.samestat(now, os.fstat(self._file))

    def _read_on(self) -> list[str]:
        if self._file < 0:
            return []
        if os.lseek(self._file, 0, os.SEEK_CUR) > os.fstat(self._file).st_size:
            os.lseek(self._file, 0, os.SEEK_SET)  # it was truncated
            self._part = b""
        lines: list[str] = []
        for _ in range(BLOCKS):
            data = os.read(self._file, BLOCK)
            if not data:
                break
            lines += self._split(data)
        return lines

    def _split(self, data: bytes) -> list[str]:
        *whole, part = (self._part + data).split(b"\n")
        lines = [_text(line) for line in whole]
        if whole and self._skipping:
            lines, self._skipping = lines[1:], False
        if len(part) > MAX_LINE:
            if not self._skipping:
                lines.append(_text(part))
            part, self._skipping = b"", True
        self._part = part
        return lines


async def follow(paths: list[Path]) -> AsyncIterator[tuple[Path, str]]:
    """Yield (path, line) for each line that is appended to one of the files of one folder."""
    if not paths:
        return
    changes = Changes(asyncio.get_running_loop(), paths[0].parent)
    followers = {path: Follower(path) for path in paths}
    try:
        while True:
            for path, follower in followers.items():
                while lines := follower.read():
                    for line in lines:
                        yield path, line
            await changes.wait()
    finally:
        changes.close()
        for follower in followers.values():
            follower.close()
