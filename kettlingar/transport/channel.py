"""The channel between a supervisor and a worker: messages both ways, descriptors beside them.

SOCK_SEQPACKET keeps messages apart, so one packet is one message. A message
above 64 KiB goes as a sealed memfd: the packet then says only its size. The
other side is not trusted: what cannot be decoded ends the channel, and nothing
it sends can make this side wait.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import termios
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import ENOBUFS, ENOMEM, ETOOMANYREFS
from functools import cache
from typing import Any

import msgspec

from .fdpass import FDS_SPACE, MAX_FDS, close_all, copies, fds_in, rights

MAX_PACKET = 64 * 1024  # bytes; a packet of more than about 200 KB is refused by the kernel
MAX_MESSAGE = 64 * 1024 * 1024  # bytes, in a memfd
BATCH = 64  # messages handled before the loop gets its turn
NOTHING = bytes(4)  # an int of the kernel's
RETRY = 0.05  # seconds, when the kernel wants no more descriptors in flight
# As plain numbers: an `&` with an enum's member costs as much as decoding a message.
MSG_TRUNC, MSG_CTRUNC = int(socket.MSG_TRUNC), int(socket.MSG_CTRUNC)
MSG_CMSG_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)

# Never the first byte of a msgpack message: the rest of the packet is a size,
# and the first descriptor a memfd with that many bytes.
IN_MEMFD = b"\xc1"
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

encoded = msgspec.msgpack.Encoder().encode  # as it travels


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected, non-blocking, close-on-exec ends of a channel."""
    kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    return socket.socketpair(socket.AF_UNIX, kind)


@cache  # to read the classes takes longer than to start the rest of a worker's channel
def decoder_of(incoming: Any) -> Callable[[bytes], Any]:
    """What reads the messages of a union."""
    return msgspec.msgpack.Decoder(incoming).decode


class Channel:
    """One end of a channel, read by callbacks on an event loop.

    `incoming` is the union of messages that may come. `on_message(message, fds)`
    owns the descriptors it is given. `on_end()` is called once when the other
    side has gone or broke the protocol (`error` then says how), never after
    `close`. `on_lost(message)`, if set, hears of a message whose descriptors
    the kernel dropped because this process is at its limit; those that came are
    closed. Without it such a message ends the channel.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        incoming: Any,
        on_message: Callable[[Any, list[int]], object],
        on_end: Callable[[], object],
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._decode = decoder_of(incoming)
        self._on_message = on_message
        self._on_end = on_end
        self.on_lost: Callable[[Any], object] | None = None
        self._queue: deque[tuple[bytes, Sequence[int]]] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._deaf = False  # the other side reads no more, but may have spoken before
        self.closed = False
        self.error = ""  # why the channel ended
        loop.add_reader(sock.fileno(), self._readable)

    # --- out ---

    @property
    def queued(self) -> int:
        """How many messages wait to be sent."""
        return len(self._queue)

    @property
    def unread(self) -> bool:
        """Whether the other side has not read all that was sent: the kernel counts it."""
        if self.closed or self._queue:
            return True
        return fcntl.ioctl(self._sock, termios.TIOCOUTQ, NOTHING) != NOTHING

    def fileno(self) -> int:
        """The descriptor, to be kept over an exec."""
        return self._sock.fileno()

    def send(self, message: Any, fds: Sequence[int] = ()) -> None:
        """Send a message, and descriptors that belong to the channel from here on.

        At most 253 of them (252 with a message above 64 KiB), else ValueError.
        Once the other side has gone messages are dropped and descriptors closed.
        """
        if self.closed or self._deaf:
            close_all(fds)
            return
        try:
            packet, fds = _pack(message, fds)
        except ValueError:
            close_all(fds)
            raise
        self._queue.append((packet, fds))
        if len(self._queue) == 1:
            self._flush()
            if self._queue and self._retry is None:
                self._loop.add_writer(self._sock.fileno(), self._writable)

    def nudge(self, packet: bytes) -> None:
        """Send an encoded message that matters only where the other side has read all before it."""
        if not (self._queue or self.closed):
            with suppress(OSError):
                self._sock.send(packet)

    def lend(self, message: Any, fds: Sequence[int]) -> None:
        """Send a message with descriptors that stay the caller's.

        Only where they must wait copies are made: OSError if there can be none.
        """
        packet = encoded(message)
        if self._queue or self.closed or self._deaf or len(packet) > MAX_PACKET:
            self.send(message, copies(fds))
            return
        try:
            self._sock.sendmsg([packet], rights(fds))
        except OSError:  # it must wait, or nobody is there any more: `send` finds out
            self.send(message, copies(fds))

    def _writable(self) -> None:
        self._flush()
        if not (self._queue or self.closed):
            self._loop.remove_writer(self._sock.fileno())

    def _flush(self) -> None:
        while self._queue:
            packet, fds = self._queue[0]
            try:
                self._sock.sendmsg([packet], rights(fds))
            except BlockingIOError:
                return
            except OSError as error:
                self._cannot_send(error)
                return
            self._queue.popleft()
            close_all(fds)

    def _cannot_send(self, error: OSError) -> None:
        if _passes(error):
            # Writable all the same: waiting for the loop would spin.
            self._loop.remove_writer(self._sock.fileno())
            self._retry = self._loop.call_later(RETRY, self._send_again)
            return
        # What the other side said before it went is still to be read; its end follows.
        self._deaf = True
        self.error = self.error or f"cannot send: {error.strerror}"
        self._drop_queue()

    def _send_again(self) -> None:
        self._retry = None
        self._flush()
        if self._queue and self._retry is None:
            self._loop.add_writer(self._sock.fileno(), self._writable)

    # --- in ---

    def _readable(self) -> None:
        for _ in range(BATCH):
            if self.closed or not self._receive():
                return

    def drain_now(self) -> None:
        """Handle all that has arrived already, without waiting: the last words of a dead worker."""
        while not self.closed and self._receive():
            pass

    def _receive(self) -> bool:
        """Handle one message; False if there is none now, or the channel ended."""
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(MAX_PACKET, FDS_SPACE, MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            # The other side went with words of ours unread. The kernel says that
            # first, once; its own last words are still behind.
            return True
        except OSError as error:
            self._end(f"cannot read: {error.strerror}")
            return False
        fds = fds_in(ancillary) if ancillary else []
        if not data:
            close_all(fds)
            self._end("the other side has gone")
            return False
        return self._take(data, fds, flags)

    def _take(self, data: bytes, fds: list[int], flags: int) -> bool:
        if flags & MSG_TRUNC:
            close_all(fds)
            self._end(f"a packet of more than {MAX_PACKET} bytes came")
            return False
        lost = bool(flags & MSG_CTRUNC)
        try:
            if data[:1] == IN_MEMFD:
                data = _from_memfd(data, fds)
            message = self._decode(data)
        except (msgspec.MsgspecError, ValueError, OSError, RecursionError) as error:
            close_all(fds)
            self._end(f"a message came that cannot be read: {error}")
            return False
        if not lost:
            self._on_message(message, fds)
            return True
        close_all(fds)
        if self.on_lost is None:
            self._end("descriptors were lost: this process is at its limit of open files")
            return False
        self.on_lost(message)
        return True

    # --- the end ---

    def close(self) -> None:
        """Close this end; nobody is called any more."""
        if self.closed:
            return
        self.closed = True
        self._drop_queue()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _end(self, error: str) -> None:
        self.error = self.error or error
        self.close()
        self._on_end()

    def _drop_queue(self) -> None:
        if self._queue:
            self._loop.remove_writer(self._sock.fileno())
        for _, fds in self._queue:
            close_all(fds)
        self._queue.clear()


def _passes(error: OSError) -> bool:
    """Whether the kernel only wants fewer descriptors or packets in flight."""
    return error.errno in {ENOBUFS, ENOMEM, ETOOMANYREFS}


def _pack(message: Any, fds: Sequence[int]) -> tuple[bytes, Sequence[int]]:
    packet = encoded(message)
    large = len(packet) > MAX_PACKET
    if len(packet) > MAX_MESSAGE:
        raise ValueError(f"cannot send a message of {len(packet)} bytes: {MAX_MESSAGE} at most")
    if len(fds) + large > MAX_FDS:
        raise ValueError(
            f"cannot send {len(fds)} descriptors with one message: {MAX_FDS - large} at most"
        )
    if large:
        return IN_MEMFD + len(packet).to_bytes(8), (_to_memfd(packet), *fds)
    return packet, fds


def _to_memfd(data: bytes) -> int:
    fd = os.memfd_create("kettlingar-message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    return fd


def _from_memfd(packet: bytes, fds: list[int]) -> bytes:
    """Take the memfd out of `fds` and return what is in it; ValueError if it is not what it should be."""
    size = int.from_bytes(packet[1:])
    if not fds or size > MAX_MESSAGE:
        raise ValueError(f"a message of {size} bytes in {len(fds)} descriptors")
    fd = fds.pop(0)
    try:
        # Only memory can be sealed: reading anything else might block, or change under us.
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS != SEALS:
            raise ValueError("the memfd is not sealed")
        data = os.pread(fd, size, 0)
    finally:
        os.close(fd)
    if len(data) != size:
        raise ValueError(f"the memfd has {len(data)} of {size} bytes")
    return data
