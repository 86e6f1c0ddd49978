"""What logs had to say, over their rotations: the last lines, or all since a time, several merged.

Reads much: to be run in a thread, a batch at a time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from heapq import merge
from pathlib import Path

from msgspec import Struct

from kettlingard.core.loglines import Filter, stamp_of
from kettlingard.core.retention import COMPRESSED, old_logs, rotated_at

from .logs import lines_of, tail

Stamped = tuple[float, str]  # when it was written (seconds since 1970), the line


class Past(Struct, frozen=True):
    """What somebody wants to see of one log."""

    path: Path
    wanted: Callable[[], Filter]
    since: float | None = None
    lines: int | None = None  # the last ones; None: all
    end: int | None = None  # of the file that is written to now, in bytes

    def __iter__(self) -> Iterator[Stamped]:
        """The oldest first."""
        found = self._all() if self.lines is None else self._last(self.lines)
        return stamped(found, _written(self.path))

    def files(self) -> list[Path]:
        """The newest first."""
        folder = self.path.parent
        with suppress(OSError):
            old = old_logs(os.listdir(folder), self.path.name)
            late = [name for name in old if self._is_late(name)]
            return [self.path, *(folder / name for name in late)]
        return [self.path]

    def _is_late(self, name: str) -> bool:
        return self.since is None or (rotated_at(name, self.path.name) or 0.0) >= self.since

    def _all(self) -> Iterator[str]:
        wanted = self.wanted()
        for file in reversed(self.files()):
            yield from wanted.of(lines_of(file, self._end(file)))

    def _last(self, lines: int) -> list[str]:
        found: list[str] = []
        for file in self.files():
            if (left := lines - len(found)) <= 0:
                break
            found = [*self._last_of(file, left), *found]
        return found

    def _last_of(self, file: Path, lines: int) -> Iterable[str]:
        wanted = self.wanted()
        if wanted.all and file.suffix != COMPRESSED:
            return tail(file, lines, self._end(file))
        return deque(wanted.of(lines_of(file, self._end(file))), lines)

    def _end(self, file: Path) -> int | None:
        return self.end if file == self.path else None


def recent(path: Path, lines: int) -> list[str]:
    """The last lines, those of just before a rotation included; nothing is decompressed for it."""
    found = tail(path, lines)
    newest = Past(path, Filter).files()[1:2] if len(found) < lines else []
    if newest and newest[0].suffix != COMPRESSED:
        found = [*tail(newest[0], lines - len(found)), *found]
    return found


def _written(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def stamped(lines: Iterable[str], at: float) -> Iterator[Stamped]:
    """Each with the time of the last stamp before it.

    `at`: what is known of lines where none has a stamp, as those of most programs.
    """
    if isinstance(lines, list) and not any(map(stamp_of, lines)):
        yield from ((at, line) for line in lines)
        return
    last = 0.0
    for line in lines:
        stamp = stamp_of(line)
        last = stamp.at if stamp is not None else last
        yield last, line


def merged(pasts: Iterable[Past]) -> Iterator[tuple[Path, str]]:
    """(path, line) of all of them, in the order of time."""
    for _, path, line in merge(*map(_with_path, pasts), key=lambda one: one[0]):
        yield path, line


def _with_path(past: Past) -> Iterator[tuple[float, Path, str]]:
    for at, line in past:
        yield at, past.path, line
