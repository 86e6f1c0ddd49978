"""Ends of processes become calls.

A pidfd tells when its process has ended, whether we forked it or not. While
`on_end` runs, a child of ours is still a zombie: its pid and its session's
number cannot belong to anybody else yet, so what it left behind can be found
and killed safely. Only then is it reaped.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from msgspec import Struct

_REMEMBERED = 256  # ends of strangers, in case somebody asks to watch one a moment later


class ExitStatus(Struct, frozen=True):
    """How a process ended. Both None: unknown, since it was not a child of ours."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is not None:
            return f"signal {self.signal}"
        return "unknown" if self.code is None else f"exit {self.code}"


OnEnd = Callable[[ExitStatus], None]
OnStranger = Callable[[int, ExitStatus], None]
UNKNOWN = ExitStatus()


class Reaper:
    """Watches processes. The pidfds stay their owners', and open until `on_end` was called."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[int, tuple[int, OnEnd]] = {}  # pid -> pidfd, on_end
        self._strangers: deque[tuple[int, ExitStatus]] = deque(maxlen=_REMEMBERED)
        self._holds = 0
        self._due = False  # a sweep met a stranger while held

    def watches(self, pid: int) -> bool:
        """Is somebody waiting for the end of this process?"""
        return pid in self._watched

    def hold(self) -> None:
        """Reap no stranger until `release`: one of them is about to be watched.

        So its number stays its own, and its end is kept for whoever watches it.
        """
        self._holds += 1

    def release(self) -> None:
        """One `hold` less."""
        self._holds -= 1
        if self._due and not self._holds:
            self._due = False
            self.sweep()

    def watch(self, pid: int, pidfd: int, on_end: OnEnd) -> None:
        """Call `on_end` from the loop, once, after the process has ended."""
        self._watched[pid] = (pidfd, on_end)
        self._loop.add_reader(pidfd, self._ended, pid)

    def forget(self, pid: int) -> None:
        """Watch it no longer; if it is a child, a sweep will reap it."""
        found = self._watched.pop(pid, None)
        if found:
            self._loop.remove_reader(found[0])

    def close(self) -> None:
        """Forget all."""
        for pid in list(self._watched):
            self.forget(pid)

    def sweep(self, on_stranger: OnStranger | None = None) -> None:
        """Reap whatever has ended: at SIGCHLD, for orphans that became our children.

        Only the one owner of all this process's children may call it.
        """
        while True:
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if seen is None:
                return
            if seen.si_pid in self._watched:
                self._ended(seen.si_pid)
                continue
            if self._holds:
                self._due = True
                return
            end = _status(seen)
            self._strangers.append((seen.si_pid, end))
            if on_stranger:
                on_stranger(seen.si_pid, end)
            _release(os.P_PID, seen.si_pid)

    def _ended(self, pid: int) -> None:
        found = self._watched.pop(pid, None)
        if found is None:
            return
        pidfd, on_end = found
        self._loop.remove_reader(pidfd)
        try:
            seen = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            on_end(self._swept(pid))
            return
        try:
            on_end(_status(seen) if seen else UNKNOWN)
        finally:
            # By number, for `on_end` may have closed the pidfd: a zombie of ours keeps its pid.
            if seen:
                _release(os.P_PID, pid)

    def _swept(self, pid: int) -> ExitStatus:
        """Its end, if a sweep came between its start and `watch`."""
        return next((end for other, end in self._strangers if other == pid), UNKNOWN)


def _status(seen: os.waitid_result) -> ExitStatus:
    if seen.si_code == os.CLD_EXITED:
        return ExitStatus(code=seen.si_status)
    return ExitStatus(signal=seen.si_status)


def _release(kind: int, number: int) -> None:
    try:
        os.waitid(kind, number, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return
