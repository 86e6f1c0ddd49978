"""TLS and plain bytes on one port: a stream that looks at a connection's first byte.

    WAITING --0x16 (RFC 8446, 5.1)--> SHAKING --finished--> OPEN
        `----anything else----------> PLAIN

The first byte is read like any other, so half a hello costs nothing but its
deadline. TLS itself is `tlsbytes.TlsBytes`'; the socket, its queue and its end
are `stream.SocketStream`'s, beneath.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from enum import Enum
from typing import Any

from .duplex import Speaker
from .fdpass import Bytes, close_all
from .stream import Receiver, SocketStream
from .tlsbytes import TlsBytes

HANDSHAKE = 0x16  # the first byte of a TLS record that begins a connection
LINGER = 1.0  # seconds in which a client may read why its handshake was refused
SECONDS = 10.0  # for a whole handshake


class Stage(Enum):
    """How far a connection has come."""

    WAITING = "waiting"
    PLAIN = "plain"
    SHAKING = "shaking"
    OPEN = "open"


class TlsStream:
    """A SocketStream's interface over a connection that may speak TLS."""

    __slots__ = (
        "_below",
        "_context",
        "_ended",
        "_loop",
        "_receiver",
        "_refused",
        "_seconds",
        "_sock",
        "_speaker",
        "_stage",
        "_timer",
        "_tls",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Speaker,
        *,
        takes_fds: bool = False,
        context: ssl.SSLContext,
        seconds: float = SECONDS,
    ) -> None:
        """Own `sock`; a handshake has `seconds` from its first byte."""
        self._below = SocketStream(loop, sock, self, takes_fds=takes_fds)
        self._sock = sock
        self._loop = loop
        self._speaker: Speaker | None = receiver
        self._receiver: Receiver = receiver
        self._context = context
        self._seconds = seconds
        self._stage = Stage.WAITING
        self._tls: TlsBytes | None = None  # from the handshake on
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False  # the receiver has been told that the peer sends no more
        self._refused = False  # why is on its way to the peer: an abort would lose it

    def start(self, *, read_now: bool = False) -> None:
        """Begin to read."""
        self._below.start(read_now=read_now)

    def hand_to(self, receiver: Receiver) -> None:
        """Read for `receiver` from now on."""
        self._receiver = receiver
        if self._stage is Stage.PLAIN:
            self._below.hand_to(receiver)

    # --- bytes in -------------------------------------------------------------

    def received(self, data: bytes, fds: list[int]) -> None:
        """Take bytes from the socket."""
        if self._stage is Stage.WAITING:
            if data[0] != HANDSHAKE:
                self._stage = Stage.PLAIN
                self._below.hand_to(self._receiver)
                self._receiver.received(data, fds)
                return
            self._stage = Stage.SHAKING
            self._tls = TlsBytes(self._context)
            self._timer = self._loop.call_later(self._seconds, self._too_slow)
        close_all(fds)
        assert self._tls is not None
        self._tls.feed(data)
        if self._stage is Stage.SHAKING:
            self._shake()
        if self._stage is Stage.OPEN and not self._ended:
            self._read()

    def _shake(self) -> None:
        assert self._tls is not None
        try:
            finished = self._tls.shake()
        except ssl.SSLError as error:
            self._refuse(error)
            return
        if finished:
            self._stop_timer()
            self._stage = Stage.OPEN
        self._flush()

    def _read(self) -> None:
        assert self._tls is not None
        pieces, more, error = self._tls.read()
        self._flush()  # an answer to a key update, an alert
        if pieces:
            self._receiver.received(b"".join(pieces), [])
        if self._below.closing:
            return  # the receiver has ended it
        if error is not None:
            self._refuse(error)
        elif not more:
            self._tell_end()

    def _tell_end(self) -> None:
        if not self._ended:
            self._ended = True
            self._receiver.ended(None)

    def ended(self, error: OSError | None) -> None:
        """Take the socket's end."""
        self._stop_timer()
        if error is None:
            self._tell_end()
        else:
            self._receiver.ended(error)

    def _too_slow(self) -> None:
        self._below.abort()
        self._receiver.ended(TimeoutError(f"no TLS handshake within {self._seconds:g} s"))

    def _refuse(self, error: ssl.SSLError) -> None:
        """End it; the alert that says why has been written by OpenSSL (RFC 8446, 6.2)."""
        self._stop_timer()
        self._flush()
        self._refused = True
        self._below.close(LINGER)
        self._receiver.ended(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- bytes out ------------------------------------------------------------

    def write(self, data: Bytes, fds: Sequence[int] = ()) -> bool:
        """Send, encrypted if the peer speaks TLS; descriptors only travel on plain streams."""
        if self._stage is Stage.OPEN:
            self._write_encrypted(data, fds)
        elif self._stage is Stage.PLAIN or not self._begins_with_tls():
            self._below.write(data, fds)
        else:
            close_all(fds)  # a refusal before the handshake: there is no way to say it
        return not self._below.buffered

    def _begins_with_tls(self) -> bool:
        """Look, without taking it, at what an early refusal is the answer to."""
        if self._stage is Stage.SHAKING:
            return True
        try:
            return self._sock.recv(1, socket.MSG_PEEK)[:1] == bytes([HANDSHAKE])
        except OSError:
            return False

    def _write_encrypted(self, data: Bytes, fds: Sequence[int]) -> None:
        if fds:
            close_all(fds)
            raise ValueError("cannot send descriptors over TLS; use the unix socket")
        assert self._tls is not None
        try:
            self._tls.write(data)
        except ssl.SSLError as error:  # we have said goodbye already
            if not self._below.closing:
                self._loop.call_soon(self._refuse, error)
        self._flush()

    def _flush(self) -> None:
        data = self._tls.unsent() if self._tls is not None else b""
        if not data:
            return
        if self._speaker is not None:
            self._speaker.answering()  # no other process can go on from here
            self._speaker = None
        self._below.write(data)

    async def drained(self) -> None:
        """Wait until the reader has taken enough; ConnectionError if it is gone."""
        await self._below.drained()

    @property
    def buffered(self) -> int:
        """How many bytes wait to be sent, encrypted ones."""
        return self._below.buffered

    @property
    def high_water(self) -> int:
        """As SocketStream has it."""
        return self._below.high_water

    @high_water.setter
    def high_water(self, size: int) -> None:
        self._below.high_water = size

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self._below.pause()

    def resume(self) -> None:
        """Read again."""
        self._below.resume()

    # --- the end --------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether it has ended, or will once all is sent."""
        return self._below.closing

    def close(self, linger: float = 0.0, *, flush: float = 30.0) -> None:
        """Send what waits and a close_notify, then end it in order."""
        self._stop_timer()
        if self._tls is not None and self._stage is Stage.OPEN and not self._below.closing:
            self._tls.say_goodbye()
            self._flush()
        self._below.close(linger, flush=flush)

    def abort(self) -> None:
        """End it now; what waits to be sent is dropped."""
        self._stop_timer()
        if not self._refused:
            self._below.abort()

    def detach(self) -> socket.socket:
        """Give the socket away; RuntimeError if it speaks TLS, which stays with its keys."""
        if self._stage in {Stage.SHAKING, Stage.OPEN}:
            raise RuntimeError("cannot detach the socket: it is encrypted")
        return self._below.detach()

    def fileno(self) -> int:
        """Return the descriptor; OSError if it is encrypted: nobody else can write to it."""
        if self._stage in {Stage.SHAKING, Stage.OPEN}:
            raise OSError("cannot give a descriptor: this connection is encrypted (TLS)")
        return self._below.fileno()

    @property
    def hung_up(self) -> bool:
        """Whether the peer is known to have gone."""
        return self._below.hung_up

    @property
    def peername(self) -> Any:
        """The peer's address."""
        return self._below.peername
