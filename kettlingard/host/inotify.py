"""Tells when something changes in folders (inotify(7), which Python has no function for)."""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import suppress
from pathlib import Path

_MODIFY, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x2, 0x8, 0x40, 0x80
_CREATE, _DELETE, _ONLYDIR = 0x100, 0x200, 0x01000000
_ANY = _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR

_libc = ctypes.CDLL(None, use_errno=True)


class Changes:
    """That something in one of some folders was written, made, renamed or removed; not what."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *folders: Path) -> None:
        """Raises OSError."""
        self._loop = loop
        self._changed = asyncio.Event()
        self._fd = _check(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        try:
            for folder in folders:
                _check(_libc.inotify_add_watch(self._fd, os.fsencode(folder), _ANY))
        except OSError:
            os.close(self._fd)
            raise
        loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._fd, 64 * 1024)
        self._changed.set()

    async def wait(self) -> None:
        """Return once there has been a change since the last return."""
        await self._changed.wait()
        self._changed.clear()

    def close(self) -> None:
        """Watch no longer."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
