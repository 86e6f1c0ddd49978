"""A stream socket on an event loop: the hot path of every request.

Nothing but add_reader/add_writer and the socket's own calls: no transport, no
task, no polling, so it is the same on asyncio and uvloop. Three rules hold:

- A callback may do anything to the stream, closing included: after one, the
  code here looks at the stream's state again or does nothing more.
- `write` never calls back. A failure to write is told from the loop, after the
  bytes that had arrived before it (an early answer outlives a reset).
- After `close`, `abort` and `detach` the receiver hears nothing more.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from .fdpass import FDS_SPACE, MSG_CMSG_CLOEXEC, MSG_CTRUNC, close_all, received_fds
from .sender import Sender, without_frames

READ_SIZE = 64 * 1024  # bytes for one read; small ones stay off mmap
READ_MORE = 256 * 1024  # after a read that was full
NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER: drop what was not sent
READS_AFTER_BREAK = 64  # reads after a failed write: what had arrived before it


class Receiver(Protocol):
    """Whoever a stream reads for."""

    def received(self, data: bytes, fds: list[int]) -> None:
        """Bytes came, and descriptors at one of them; the receiver owns the descriptors."""

    def ended(self, error: OSError | None) -> None:
        """None: the peer sends no more, but may still read. An error: the stream broke and is closed."""


class _Nobody:
    """Receives for a stream that its owner has ended: the owner hears nothing more."""

    def received(self, data: bytes, fds: list[int]) -> None:
        close_all(fds)

    def ended(self, error: OSError | None) -> None:
        pass


NOBODY = _Nobody()


class SocketStream(Sender):
    """Owns a connected, non-blocking stream socket and reads it for a receiver.

    `takes_fds` is for unix sockets whose peers may pass descriptors; on all
    others the kernel drops them.
    """

    __slots__ = (
        "_at_eof",
        "_linger",
        "_paused",
        "_read_size",
        "_receiver",
        "_recv",
        "_recvmsg",
        "_takes_fds",
        "_timer",
        "_watched",
        "closing",
        "on_closed",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Receiver,
        *,
        takes_fds: bool = False,
    ) -> None:
        super().__init__(loop, sock)
        self._recv = sock.recv
        self._recvmsg = sock.recvmsg
        self._receiver = receiver
        self._takes_fds = takes_fds
        self._read_size = READ_SIZE
        self._watched = False  # the loop says when there is something to read
        self._paused = False
        self._at_eof = False
        self._linger = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.closing = False
        self.on_closed: Callable[[], object] | None = None  # once the descriptor is closed

    def start(self, *, read_now: bool = False) -> None:
        """Begin to read; with `read_now` once at once, since the bytes are often there already."""
        if read_now:
            self._read()
        self._watch()

    def hand_to(self, receiver: Receiver) -> None:
        """Read for `receiver` from now on; nothing once the stream is closing."""
        if not self.closing:
            self._receiver = receiver

    # --- reading ---

    def _read(self) -> None:
        if self._paused:
            self._unwatch()  # only now: most pauses end before anything arrives
            return
        fds: list[int] = []
        try:
            if self._takes_fds:
                data, beside, flags, _ = self._recvmsg(self._read_size, FDS_SPACE, MSG_CMSG_CLOEXEC)
                if beside or flags & MSG_CTRUNC:
                    fds = received_fds(beside, flags)
            else:
                data = self._recv(self._read_size)
        except BlockingIOError:
            return
        except OSError as error:
            self._broke(error)
            return
        if data:
            self._read_size = READ_MORE if len(data) >= READ_SIZE else READ_SIZE
            self._receiver.received(data, fds)
        else:
            self._at_eof = True
            self._unwatch()
            self._receiver.ended(None)

    def pause(self) -> None:
        """Read nothing until `resume`; costs nothing if nothing comes meanwhile."""
        self._paused = True

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self._watch()

    def _watch(self) -> None:
        if not (self._watched or self.closing or self._at_eof):
            self._watched = True
            self._loop.add_reader(self._fd, self._read)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._fd)

    # --- the end ---

    def close(self, linger: float = 0.0, *, flush: float = 30.0) -> None:
        """Send what waits (until the peer takes nothing for `flush` seconds), then end in order.

        With `linger` seconds, whatever the peer still sends is read and thrown
        away until it ends too: closing with unread bytes would reset the
        connection, and the peer would lose the answer that explains why.
        """
        if self.closing:
            return
        self.closing = True
        self._receiver = NOBODY
        self._unwatch()
        self._linger = linger
        if self.buffered:
            self._give_up_after(flush)
        self._finish_sending()

    def _give_up_after(self, seconds: float) -> None:
        before = self.buffered

        def look() -> None:
            if self.buffered < before:
                self._give_up_after(seconds)
            else:
                self.abort()

        self._timer = self._loop.call_later(seconds, look)

    def _all_sent(self) -> None:
        # shutdown before close: somebody else may hold a copy of the socket,
        # and then close alone would send no FIN.
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._release()
            return
        if self._linger <= 0 or self._at_eof:
            self._release()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._linger, self._release)
        self._watched = True
        self._loop.add_reader(self._fd, self._discard)

    def _discard(self) -> None:
        try:
            if self._recv(READ_SIZE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._release()

    def abort(self) -> None:
        """End the stream now; what waits to be sent is dropped."""
        if self._fd < 0:
            return
        with suppress(OSError):
            if self.buffered:
                # By a reset: else the kernel goes on offering its share to a reader who takes none.
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self._sock.shutdown(socket.SHUT_RDWR)
        self._release()

    def detach(self) -> socket.socket:
        """Give the socket away; RuntimeError if bytes still wait to be sent, or it is closed."""
        if self.buffered or self._fd < 0:
            raise RuntimeError(f"cannot detach the socket: {self.buffered} bytes wait to be sent")
        self._let_go()
        return self._sock

    def _sending_broke(self, error: OSError) -> None:
        if self.closing:
            self._release()
        else:
            self._loop.call_soon(self._after_write_broke, error)

    def _after_write_broke(self, error: OSError) -> None:
        for _ in range(READS_AFTER_BREAK):
            if self.closing or self._paused or self._at_eof:
                break
            try:
                data = self._recv(READ_MORE)
            except OSError:
                break
            if not data:
                break
            self._receiver.received(data, [])
        self._broke(error)

    def _broke(self, error: OSError) -> None:
        self._error = self._error or without_frames(error)
        receiver = self._receiver
        self._release()
        receiver.ended(error)

    def _release(self) -> None:
        """Close the socket; once."""
        if self._fd < 0:
            return
        self._let_go()
        self._sock.close()
        if self.on_closed is not None:
            on_closed, self.on_closed = self.on_closed, None
            on_closed()

    def _let_go(self) -> None:
        self.closing = True
        self._receiver = NOBODY
        self._unwatch()
        self._stop_sending(ConnectionAbortedError("the stream was closed before it was sent"))
        self._fd = -1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- who it is ---

    def fileno(self) -> int:
        """Return the descriptor, or -1 once closed."""
        return self._fd

    @property
    def hung_up(self) -> bool:
        """Whether the peer has closed the socket: a unix one tells, TCP only says that no more comes."""
        if self._fd < 0:
            return True
        poll = select.poll()
        poll.register(self._fd, 0)  # hang-ups and errors are always told
        return bool(poll.poll(0))

    @property
    def peername(self) -> Any:
        """The peer's address as the socket says it; None when it has gone."""
        try:
            return self._sock.getpeername()
        except OSError:
            return None
