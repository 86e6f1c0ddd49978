"""Coroutines driven by hand: one step of a generator, and requests that may need no task."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any


@types.coroutine
def in_a_task() -> Generator[None, None, None]:
    """Suspend once: whoever drives the coroutine by hand makes a task of the rest."""
    yield


async def rest_of(running: Coroutine[Any, Any, None], waits_for: Any) -> None:
    """Go on, in a task, with a coroutine that was driven by hand until it waited."""
    await Resumed(running, waits_for)


class Resumed:
    """Await the rest of a coroutine that was driven by hand until it gave `waits_for`."""

    __slots__ = ("_running", "_waits_for")

    def __init__(self, running: Any, waits_for: Any) -> None:
        self._running = running
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from _resume(self._running, self._waits_for))


def _resume(running: Any, future: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has already yielded `future`."""
    while True:
        try:
            sent = yield future
        except BaseException as error:  # noqa: BLE001  it is handed on, as await does
            try:
                future = running.throw(error)
            except StopIteration as done:
                return done.value
        else:
            try:
                future = running.send(sent)
            except StopIteration as done:
                return done.value
