"""What an async call gives back when it is no plain value, and where else an answer may go."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from msgspec import Struct

from kettlingar.request import ANSWER, RequestInfo
from kettlingar.wire.content import Kind
from kettlingar.wire.rpc import reply_elsewhere

from .calling import CallConnection


class ReplyTo(Struct, frozen=True):
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
            fd, what, accept = os.dup(thing.fileno()), ANSWER, Kind.JSON.mimetype
        return cls(fd, reply_elsewhere(what, accept))


class ReplyStream:
    """The items of a streaming method, as they come; iterate it, once."""

    def __init__(self, connection: CallConnection | None, first: list[Any]) -> None:
        self._connection = connection  # None once all was read, and where nothing is to come
        self._first = first

    def __call__(self) -> ReplyStream:
        """Return self: the seed's clients call what `call` gave them."""
        return self

    def __aiter__(self) -> AsyncIterator[Any]:
        return _items(self)

    async def some(self) -> list[Any]:
        """Return the next items, of all that have come; none: it has ended."""
        if self._first:
            first, self._first = self._first, []
            return first
        found = await self._connection.values() if self._connection is not None else []
        if not found:
            self._connection = None
        return found

    def leave(self) -> None:
        """Want no more of it: the rest, if there is one, must not meet the next call."""
        if self._connection is not None:
            self._connection.close()


async def _items(reply: ReplyStream) -> AsyncIterator[Any]:
    try:
        while found := await reply.some():
            for item in found:
                yield item
    finally:
        reply.leave()


async def as_stream(call: Callable[[], Awaitable[Any]]) -> AsyncIterator[Any]:
    """Iterate what a call replies; what is no stream (it went elsewhere) is its own only item."""
    reply = await call()
    if not isinstance(reply, ReplyStream):
        if not hasattr(reply, "__aiter__"):
            yield reply
            return
        async for item in reply:  # of a method in this process
            yield item
        return
    try:  # as `_items` does: one generator more would be paid for by each item
        while found := await reply.some():
            for item in found:
                yield item
    finally:
        reply.leave()
