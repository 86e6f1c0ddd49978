"""The items of a streaming method, read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kettlingar.wire.rpc import Items, StreamEnd

from .connection import Connection


class BlockingStream(Iterator[Any]):
    """Iterate it once. Closing it, or losing it, before its end ends the service's method too."""

    def __init__(
        self,
        first: Items | StreamEnd,
        connection: Connection | None = None,
        released: Callable[[Connection], None] | None = None,
    ) -> None:
        self._connection = connection  # None: `first` is all there is
        self._released = released
        self._come: Iterator[Any] = iter(())
        self._take(first)

    def __next__(self) -> Any:
        while True:
            for value in self._come:
                return value
            if self._connection is None:
                raise StopIteration
            self._take(self._read(self._connection))

    def _take(self, reply: Items | StreamEnd) -> None:
        if isinstance(reply, Items):
            self._come = iter(reply.values)
        else:
            self._release()

    def _read(self, connection: Connection) -> Items | StreamEnd:
        try:
            reply = connection.reply(renew=True)
        except BaseException:
            self._release()
            raise
        assert isinstance(reply, (Items, StreamEnd))
        return reply

    def close(self) -> None:
        """Read no more; the service's method is ended."""
        self._come = iter(())
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._released is not None:
            self._released(connection)

    def __del__(self) -> None:
        self.close()
