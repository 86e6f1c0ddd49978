"""What another process writes to one end of a socket pair, written to a connection of ours.

For connections that only this process can write to: TLS keeps its keys here.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

PIECE = 64 * 1024  # bytes that are read at once


class Sink(Protocol):
    """Where the bytes go."""

    def send(self, data: bytes) -> None:
        """Write them."""

    async def drained(self) -> None:
        """Wait until the reader keeps up; ConnectionError if it is gone."""


class Relay:
    """Passes on to `sink` what is written to `theirs`, until all copies of that are closed."""

    def __init__(self, sink: Sink) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs = theirs.detach()  # a descriptor, its taker's to close
        self._task = asyncio.get_running_loop().create_task(_pass_on(ours, sink))

    async def ended(self) -> None:
        """Wait until nobody can write any more, or nobody reads; to cancel this ends it."""
        await self._task


async def _pass_on(ours: socket.socket, sink: Sink) -> None:
    loop = asyncio.get_running_loop()
    with ours:
        try:
            while data := await loop.sock_recv(ours, PIECE):
                sink.send(data)
                await sink.drained()
        except ConnectionError:
            return  # whoever writes hears of it by its next write
