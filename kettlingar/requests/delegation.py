"""Answers that go to somebody else: to a descriptor that the caller sent along.

A request with `Kettlingar-Reply-To: answer` brings a socket or file as its first
descriptor; the whole HTTP answer is written there. With `: chunks` the caller had
begun a chunked answer on it, and this one goes on with it, to its end mark. The
caller itself gets `{"replied_to_first_fd": true}` at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress

from kettlingar.request import ANSWER, CHUNKS
from kettlingar.transport.stream import SocketStream

REPLY_TO = "kettlingar-reply-to"

__all__ = ["ANSWER", "CHUNKS", "REPLY_TO", "FileSink", "SocketSink", "abandon", "sink_for"]


class SocketSink:
    """Somebody else's connection, lent for one answer. It is closed, never shut down, by us."""

    closing = True  # its owner asked for one answer
    introduced: tuple[str, int] | None = None  # who calls is its owner's to know

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.stream = SocketStream(asyncio.get_running_loop(), sock, self)

    def received(self, data: bytes, fds: list[int]) -> None:
        """Nothing is read here: the stream is never started."""

    def ended(self, error: OSError | None) -> None:
        """A broken stream is noticed by `drained`."""

    def send(self, data: bytes | bytearray, fds: Sequence[int] = ()) -> None:
        """Write to it."""
        self.stream.write(bytes(data), fds)

    async def drained(self) -> None:
        """Wait until the reader keeps up."""
        await self.stream.drained()

    async def end(self) -> None:
        """Close our copy, when all is sent."""
        self.stream.high_water = 0
        with suppress(ConnectionError):  # whoever was to read it is gone
            await self.stream.drained()
        self.stream.close()


class FileSink:
    """An open file, written off the loop."""

    closing = True

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = bytearray()

    def send(self, data: bytes | bytearray, fds: Sequence[int] = ()) -> None:
        """Take data; `drained` writes it."""
        self._waiting += data

    async def drained(self) -> None:
        """Write what waits."""
        data, self._waiting = memoryview(bytes(self._waiting)), bytearray()
        while data:
            data = data[await asyncio.to_thread(os.write, self._fd, data) :]

    async def end(self) -> None:
        """Write the rest and close."""
        try:
            await self.drained()
        finally:
            self.close()

    def close(self) -> None:
        """Close it; what waits is not written."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def sink_for(fd: int) -> SocketSink | FileSink:
    """Return where an answer to `fd`, which is owned from now on, can be written."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        return SocketSink(socket.socket(fileno=fd))
    return FileSink(fd)


def abandon(sink: SocketSink | FileSink) -> None:
    """Leave the rest of an answer to somebody else: close our copy, and nothing more.

    A shutdown would end the connection for them too.
    """
    if isinstance(sink, SocketSink):
        with suppress(RuntimeError):  # it broke, and is closed
            sink.stream.detach().close()
    else:
        sink.close()
