"""What an async call gives back when it is no plain value, and where else an answer may go."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from kettlingar.wire.rpc import Item

from .calling import CallConnection
from .request import ANSWER, RequestInfo


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where a service should answer instead: a descriptor of ours, and what to write there."""

    fd: int
    lines: bytes  # of the request's head

    @classmethod
    async def of(cls, thing: Any) -> ReplyTo:
        """Read `call_reply_to`: a request being served gives its answer away."""
        if isinstance(thing, RequestInfo):
            fd, what = await thing.give_away()
            accept = thing.mimetype
        else:
            fd, what, accept = os.dup(thing.fileno()), ANSWER, "application/json"
        return cls(fd, f"Kettlingar-Reply-To: {what}\r\nAccept: {accept}\r\n".encode())


class ReplyStream:
    """The items of a streaming method, as they come; iterate it, once."""

    def __init__(self, connection: CallConnection, first: Item) -> None:
        self._connection = connection
        self._next: Item | None = first
        self._ended = False

    def __call__(self) -> ReplyStream:
        """Return self: the seed's clients call what `call` gave them."""
        return self

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._items()

    async def _items(self) -> AsyncIterator[Any]:
        try:
            item: Any = self._next
            self._next = None
            while isinstance(item, Item):
                yield item.value
                item = await self._connection.event()
            self._ended = True
        finally:
            if not self._ended:
                self._connection.close()


async def as_stream(reply: Any) -> AsyncIterator[Any]:
    """Iterate a reply; one that is no stream (it went elsewhere) is its own only item."""
    if not hasattr(reply, "__aiter__"):
        yield reply
        return
    async for item in reply:
        yield item


class NoItems(ReplyStream):
    """A stream that ended before its first item."""

    def __init__(self) -> None:
        pass

    async def _items(self) -> AsyncIterator[Any]:
        return
        yield
