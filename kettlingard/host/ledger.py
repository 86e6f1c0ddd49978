"""A file of lines that grows: each says what has changed since the ones before it.

Adding to it costs what is added, not what is there. When it has grown to twice its
first line, it is written anew, whole or not at all. Its last line may be torn: whoever
wrote it was killed, and had not begun yet to rely on it.
"""

from __future__ import annotations

import os
from pathlib import Path

from .files import write_atomic

SMALL = 1 << 18  # bytes that may be added to a file of any size


class Ledger:
    """Owns the descriptor by which lines are added. What is written here survives a crash of
    ours; that of the machine it need not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._room = 0  # bytes that may still be added

    @property
    def is_full(self) -> bool:
        """It is to be written anew: it has grown, is not there yet, or not any more."""
        return self._fd < 0 or self._room <= 0 or os.fstat(self._fd).st_nlink == 0

    def renew(self, line: bytes) -> None:
        """Write it anew, of this line. Raise OSError; the old file then is as it was."""
        self.close()
        write_atomic(self._path, line + b"\n", durable=False)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._room = max(SMALL, len(line))

    def add(self, line: bytes) -> None:
        """One more. Raise OSError; it then is to be written anew, for the line may be torn."""
        data = line + b"\n"
        try:
            if os.write(self._fd, data) != len(data):
                raise BlockingIOError("not all of it could be written")
        except OSError:
            self.close()
            raise
        self._room -= len(data)

    def close(self) -> None:
        """Add no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
