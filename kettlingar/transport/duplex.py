"""What a connection needs of its stream, whichever kind it is: plain (`stream`) or TLS (`tls`)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Protocol

from .fdpass import Bytes
from .stream import Receiver


class Stream(Protocol):
    """Bytes both ways; `stream.SocketStream` says what each of these promises."""

    high_water: int

    @property
    def buffered(self) -> int:
        """How many bytes wait to be sent."""

    @property
    def closing(self) -> bool:
        """Whether it has ended, or will once all is sent."""

    @property
    def peername(self) -> Any:
        """The peer's address."""

    @property
    def hung_up(self) -> bool:
        """Whether the peer is known to have gone for good, not only to send no more."""

    def start(self, *, read_now: bool = False) -> None:
        """Begin to read."""

    def hand_to(self, receiver: Receiver) -> None:
        """Read for `receiver` from now on."""

    def write(self, data: Bytes, fds: Sequence[int] = ()) -> bool:
        """Send at once what goes, the rest when it can. False: something waits to be sent."""

    async def drained(self) -> None:
        """Wait until little waits to be sent; ConnectionError if it never will be."""

    def pause(self) -> None:
        """Read nothing until `resume`."""

    def resume(self) -> None:
        """Read again."""

    def close(self, linger: float = 0.0, *, flush: float = 30.0) -> None:
        """Send what waits, then end it in order."""

    def abort(self) -> None:
        """End it now."""

    def detach(self) -> socket.socket:
        """Give the socket away; RuntimeError if that cannot be."""

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed; OSError where nobody else may write to it."""


class Speaker(Receiver, Protocol):
    """A receiver who wants to know when the first byte goes out that it did not write itself."""

    def answering(self) -> None:
        """The first byte of an answer goes out now: nobody else can answer any more."""


class Taker(Receiver, Protocol):
    """Who speaks another protocol on a connection (RFC 9110, 7.8)."""

    def drain(self) -> None:
        """Come to an end soon."""


class StreamFactory(Protocol):
    """Makes the stream of a new connection."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Speaker,
        *,
        takes_fds: bool = False,
    ) -> Stream:
        """Own `sock` and read it for `receiver`, once started."""
