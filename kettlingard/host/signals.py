"""Signals to the supervisor become calls on its loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from types import FrameType


class Wish(Enum):
    """What a signal to the supervisor asks for."""

    DRAIN = "drain"  # stop all services, and end
    RELOAD = "reload"  # read kettlingard.toml again
    REOPEN = "reopen"  # open the log files anew
    UPGRADE = "upgrade"  # become the program that is on disk now


WISHES = {
    signal.SIGTERM: Wish.DRAIN,
    signal.SIGINT: Wish.DRAIN,
    signal.SIGHUP: Wish.RELOAD,
    signal.SIGUSR1: Wish.REOPEN,
    signal.SIGUSR2: Wish.UPGRADE,
}


class Signals:
    """Owns the handlers of this process's signals until `close`. Main thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._looped: list[signal.Signals] = []
        self._child_before: object = None

    def on_wish(self, tell: Callable[[Wish], object]) -> None:
        """Call `tell` for each signal of WISHES."""
        for number, wish in WISHES.items():
            self._loop.add_signal_handler(number, tell, wish)
            self._looped.append(number)

    def on_child(self, tell: Callable[[], object]) -> None:
        """Call `tell` at SIGCHLD; once may stand for many children.

        Not by the loop's own handlers: uvloop refuses that signal.
        """

        def soon(_number: int, _frame: FrameType | None) -> None:
            with suppress(RuntimeError):  # the loop is closed, we are ending
                self._loop.call_soon_threadsafe(tell)

        self._child_before = signal.signal(signal.SIGCHLD, soon)

    def close(self) -> None:
        """Put back what was there before."""
        for number in self._looped:
            self._loop.remove_signal_handler(number)
        self._looped.clear()
        if self._child_before is not None:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._child_before = None
