"""Coroutines driven by hand: one step of a generator, and requests that may need no task."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any


class step:  # noqa: N801  used as `await step(...)`, like a coroutine function
    """Await the next item of `generator`; call `waiting` just before the first real wait.

    This is how a stream's items are joined while they come without a pause, and
    still leave at once when the next one takes time.
    """

    __slots__ = ("_generator", "_waiting")

    def __init__(self, generator: AsyncGenerator[Any, None], waiting: Callable[[], None]) -> None:
        self._generator = generator
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, Any]:
        running = self._generator.__anext__().__await__()
        try:
            future = next(running)
        except StopIteration as done:
            return done.value
        self._waiting()
        return (yield from _resume(running, future))


@types.coroutine
def in_a_task() -> Generator[None, None, None]:
    """Suspend once: whoever drives the coroutine by hand makes a task of the rest."""
    yield


async def rest_of(running: Coroutine[Any, Any, None], waits_for: Any) -> None:
    """Go on, in a task, with a coroutine that was driven by hand until it waited."""
    await _Resumed(running, waits_for)


class _Resumed:
    __slots__ = ("_running", "_waits_for")

    def __init__(self, running: Coroutine[Any, Any, None], waits_for: Any) -> None:
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
