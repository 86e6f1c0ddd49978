"""One step of an async generator, with a word at the moment it really has to wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
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
