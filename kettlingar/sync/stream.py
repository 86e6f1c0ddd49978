"""The items of a streaming method, read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kettlingar.wire.rpc import Item, StreamEnd

from .connection import Connection


class BlockingStream(Iterator[Any]):
    """Iterate it once. Closing it, or losing it, before its end ends the service's method too."""

    def __init__(
        self,
        first: Item | StreamEnd,
        connection: Connection | None = None,
        released: Callable[[Connection], None] | None = None,
    ) -> None:
        self._next: Item | StreamEnd | None = first
        self._connection = connection  # None: `first` is all there is
        self._released = released
        if isinstance(first, StreamEnd):
            self._release()

    def __next__(self) -> Any:
        reply, self._next = self._next, None
        if reply is None and self._connection is not None:
            reply = self._read(self._connection)
        if isinstance(reply, Item):
            return reply.value
        self._release()
        raise StopIteration

    def _read(self, connection: Connection) -> Item | StreamEnd:
        try:
            reply = connection.reply(renew=True)
        except BaseException:
            self._release()
            raise
        assert isinstance(reply, (Item, StreamEnd))
        return reply

    def close(self) -> None:
        """Read no more; the service's method is ended."""
        self._next = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._released is not None:
            self._released(connection)

    def __del__(self) -> None:
        self.close()
