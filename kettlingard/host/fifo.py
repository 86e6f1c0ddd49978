"""The output of a program through a FIFO to its log.

Both ends have it open for reading and writing, so neither sees the other one
end: a program goes on without us, and what it wrote meanwhile is there when the
next supervisor opens the FIFO by its path.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

SIZE = 1 << 20  # bytes that a FIFO holds; the most that users may have by default
BLOCK = 64 * 1024
MAX_LINE = 64 * 1024  # bytes; a longer line is written in parts


def make_fifo(path: Path) -> None:
    """Make it, or see that it is one that we made. Raises OSError."""
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)


def open_fifo(path: Path, *, blocking: bool) -> int:
    """Open it for both directions, and enlarge it as far as we may. Raises OSError."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if blocking else os.O_NONBLOCK)
    fd = os.open(path, flags)
    with suppress(OSError):  # all pipes of a user together have a limit
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, SIZE)
    return fd


class Lines:
    """Bytes as they come -> whole lines that may be written: limited in rate, text or JSON."""

    def __init__(self, lines: int, seconds: float, record: dict[str, object] | None) -> None:
        self._limit, self._seconds = lines, seconds
        self._record = record  # None: as it is; else a JSON object a line
        self._part = b""
        self._since, self._passed, self._dropped = 0.0, 0, 0

    def limit(self, lines: int, seconds: float) -> None:
        """From now on so many lines in so much time; 0 = as many as come."""
        self._limit, self._seconds = lines, seconds

    def take(self, data: bytes, now: float) -> bytes:
        """What can be written of all that has come."""
        *whole, self._part = (self._part + data).split(b"\n")
        if len(self._part) > MAX_LINE:
            whole.append(self._part)
            self._part = b""
        return b"".join(self._shown(line) for line in whole if self._may(now))

    def rest(self) -> bytes:
        """A last line that has no end."""
        part, self._part = self._part, b""
        return self._shown(part) if part else b""

    def _may(self, now: float) -> bool:
        if not self._limit:
            return True
        if now - self._since >= self._seconds:
            if self._dropped:
                log.warning("log lines dropped count=%d (log.rate_limit)", self._dropped)
            self._since, self._passed, self._dropped = now, 0, 0
        self._passed += 1
        self._dropped += self._passed > self._limit
        return self._passed <= self._limit

    def _shown(self, line: bytes) -> bytes:
        if self._record is None:
            return line + b"\n"
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        message = line.decode(errors="backslashreplace")
        return json.dumps({"time": at, **self._record, "message": message}).encode() + b"\n"


class Pump:
    """From a FIFO to a log. `open_log` gives the descriptor that is written to; it may raise."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: Path,
        lines: Lines,
        open_log: Callable[[], int],
    ) -> None:
        """Raises OSError."""
        self._loop = loop
        self._path = path
        self.lines = lines
        self._open_log = open_log
        self._trouble = ""
        self._log = open_log()
        try:
            self._fifo = open_fifo(path, blocking=False)
        except OSError:
            os.close(self._log)
            raise
        loop.add_reader(self._fifo, self._read)

    def _read(self) -> int:
        try:
            data = os.read(self._fifo, BLOCK)
        except BlockingIOError:
            return 0
        self._write(self.lines.take(data, self._loop.time()))
        return len(data)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._log, data) :]
        except OSError as why:
            if str(why) != self._trouble:
                log.error("log not written fifo=%s reason=%s", self._path.name, why.strerror)  # noqa: TRY400  no defect
            self._trouble = str(why)

    def renew_log(self) -> None:
        """The log has another name now: open the one that has its name."""
        fd = self._open_log()
        os.close(self._log)
        self._log, self._trouble = fd, ""

    def close(self, *, ended: bool = True) -> None:
        """Write what is left; the FIFO stays if the program has not `ended`."""
        while self._read():
            pass
        self._write(self.lines.rest())
        self._loop.remove_reader(self._fifo)
        os.close(self._fifo)
        os.close(self._log)
        if ended:
            self._path.unlink(missing_ok=True)
