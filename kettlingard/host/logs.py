"""Log files of services: opened for workers, read for people.

Workers write to them themselves (O_APPEND), so nothing here can lose a line.
A file may be renamed away, truncated or missing at any moment.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from kettlingard.core.retention import COMPRESSED

from .inotify import Changes

MODE = 0o640
BLOCK = 64 * 1024  # bytes read at once
BLOCKS = 16  # read before others get their turn
MAX_LINE = 64 * 1024  # bytes of a line that are shown
MAX_TAIL = 8 * 1024 * 1024  # bytes that are looked through for the last lines
CUT = " …(cut)"


Mark = tuple[int, int]  # a place in a log: the file's inode, and so many bytes of it
BEGINNING: Mark = (0, 0)  # of whatever file is there


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


def tail(path: Path, lines: int, end: int | None = None) -> list[str]:
    """The last lines of a log, the oldest first, with bounded memory. Empty if there is none.

    `end`: as if it were so many bytes long.
    """
    if lines <= 0:
        return []
    try:
        with path.open("rb", buffering=0) as file:
            return [_text(line) for line in _last(file.fileno(), lines, end)]
    except OSError:
        return []


def lines_of(path: Path, end: int | None = None) -> Iterator[str]:
    """All lines of a log, the oldest first, with bounded memory; of a compressed one too.

    `end`: as if it were so many bytes long.
    """
    left = end if end is not None else sys.maxsize
    with suppress(OSError, EOFError), _opened(path) as file:
        while line := file.readline(min(left, MAX_LINE + 1)):
            left -= len(line)
            yield _text(line.removesuffix(b"\n"))
            while not line.endswith(b"\n") and (line := file.readline(min(left, MAX_LINE))):
                left -= len(line)  # the rest of one that is too long


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix == COMPRESSED else path.open("rb")


def _last(fd: int, lines: int, end: int | None = None) -> list[bytes]:
    end = os.fstat(fd).st_size if end is None else end
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

    def __init__(self, path: Path, mark: Mark | None = None) -> None:
        """From its end on; or from a `mark` on, if the file is there that has it."""
        self._path = path
        self._file = -1
        self._part = b""
        self._skipping = False  # inside a line that was too long, and was cut
        self._at = 0  # bytes read, but for `_part`
        self.began: Mark = (0, 0)  # where the lines began that `read` returned last
        if mark is None or not self._return_to(mark):
            self._open(at_end=mark is None)

    @property
    def mark(self) -> Mark:
        """Behind the last whole line that was read: which file, and so many bytes of it."""
        return (os.fstat(self._file).st_ino if self._file >= 0 else 0, self._at)

    def _return_to(self, mark: Mark) -> bool:
        number, at = mark
        with suppress(OSError):
            for entry in os.scandir(self._path.parent):
                if entry.name.startswith(self._path.name) and entry.inode() == number:
                    self._file = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                    self._at = os.lseek(self._file, at, os.SEEK_SET)
                    return True
        return False

    def read(self) -> list[str]:
        """Complete lines that have come since the last call, or a part of them; never waits.

        Empty when there are no more.
        """
        lines = self._read_on()
        if not lines and self._is_another():
            # What was written to the old file between our read and its renaming.
            lines = self._read_on()
            if not lines:
                self._open(at_end=False)
                lines = self._read_on()
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
            self._at = os.lseek(self._file, 0, os.SEEK_END) if at_end else 0

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
            self._at = os.lseek(self._file, 0, os.SEEK_SET)  # it was truncated
            self._part = b""
        self.began = self.mark
        lines: list[str] = []
        for _ in range(BLOCKS):
            data = os.read(self._file, BLOCK)
            if not data:
                break
            lines += self._split(data)
        return lines

    def _split(self, data: bytes) -> list[str]:
        *whole, part = (self._part + data).split(b"\n")
        self._at += len(self._part) + len(data)
        lines = [_text(line) for line in whole]
        if whole and self._skipping:
            lines, self._skipping = lines[1:], False
        if len(part) > MAX_LINE:
            if not self._skipping:
                lines.append(_text(part))
            part, self._skipping = b"", True
        self._part = part
        self._at -= len(part)
        return lines


async def follow(
    folder: Path, followers: Mapping[Path, Follower], look: Callable[[], object] = bool
) -> AsyncIterator[tuple[Path, int, str]]:
    """Yield (path, number, line) for each line that is appended to one of the files of one folder.

    The line is the one of this number behind where its follower `began`. At each change in the
    folder `look` may add followers. They are closed at the end.
    """
    changes = Changes(asyncio.get_running_loop(), folder)
    try:
        while True:
            for path, follower in list(followers.items()):
                while lines := follower.read():
                    for number, line in enumerate(lines):
                        yield path, number, line
            await changes.wait()
            look()
    finally:
        changes.close()
        for follower in followers.values():
            follower.close()
