"""Everybody looks again: in short turns of the loop, since hundreds of starts take their time.

What comes meanwhile (a question of ctl, a worker's word) is heard between two turns; a
change meanwhile is followed by another round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

TURN = 0.005  # seconds after which others have the loop


class Rounds:
    """`look(name)` for each of `names()`, then `done()`; again as long as something changes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        names: Callable[[], Iterable[str]],
        look: Callable[[str], None],
        done: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._names, self._look, self._done = names, look, done
        self._left: list[str] | None = None  # None: nobody looks now
        self._again = False
        self._next: asyncio.Handle | None = None

    def begin(self) -> None:
        """Something has changed: a round follows, if none is to come anyway."""
        self._again = True
        if self._left is None and self._next is None:
            self._next = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._next = self._loop.call_soon(self._turn)  # even if somebody's look raises
        if self._left is None:
            self._left, self._again = list(self._names())[::-1], False
        until = self._loop.time() + TURN
        while self._left:
            self._look(self._left.pop())
            if self._loop.time() >= until:
                return
        self._left = None
        self._done()
        if not self._again:
            self._next.cancel()
            self._next = None

    def close(self) -> None:
        """No more of it."""
        if self._next is not None:
            self._next.cancel()
