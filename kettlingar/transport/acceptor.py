"""Accepts connections from a listening socket, on an event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress

BATCH = 64  # connections before the loop gets its turn, where they are only passed on
SERVED = 8  # the same where they are served, which takes longer
PAUSE = 0.1  # seconds
FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# What a connection may die of before it is accepted (accept(2)); the next one is no worse for it.
OF_ONE_CONNECTION = {
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.EHOSTDOWN,
    errno.ENONET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EOPNOTSUPP, errno.ENOPROTOOPT,
}  # fmt: skip


def stream_of(fd: int, family: int = socket.AF_INET) -> socket.socket:
    """A non-blocking socket of an accepted connection's descriptor, which it owns."""
    # Family, type and protocol given: no getsockopt calls. Of TCP one family stands for both.
    proto = 0 if family == socket.AF_UNIX else socket.IPPROTO_TCP
    sock = socket.socket(family, socket.SOCK_STREAM, proto, fileno=fd)
    sock.setblocking(False)
    return sock


class Acceptor:
    """Owns a listening socket and calls `on_connections(fds)` with those that have come.

    They are numbers, close-on-exec: whoever only passes them on needs no socket object
    (see `stream_of`), which costs as much as accepting does.

    At the limit of open files a level-triggered loop would spin: so a spare
    descriptor is given up for one connection, which is told so (`refusal`) and
    closed, and accepting pauses for a moment; the others wait in the backlog.
    `on_trouble(error)` is told each time.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_connections: Callable[[list[int]], object],
        on_trouble: Callable[[OSError], object],
        *,
        refusal: bytes = b"",
        batch: int = SERVED,
    ) -> None:
        self._loop = loop
        self.sock = sock
        self._on_connections = on_connections
        self._on_trouble = on_trouble
        self._refusal = refusal
        self._batch = batch
        self._spare = _spare()
        self._refused: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._wanted = True
        self.closed = False
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._ready)

    @property
    def accepting(self) -> bool:
        """Neither paused nor closed."""
        return self._wanted and not self.closed

    def pause(self) -> None:
        """Leave connections in the backlog until `resume`."""
        if self._wanted and not self.closed:
            self._wanted = False
            self._loop.remove_reader(self.sock.fileno())

    def resume(self) -> None:
        """Accept again."""
        if not self._wanted and not self.closed:
            self._wanted = True
            if self._pause is None:
                self._loop.add_reader(self.sock.fileno(), self._ready)

    def _ready(self) -> None:
        fds: list[int] = []
        trouble = self._accept_batch(fds)
        if fds:
            self._on_connections(fds)
        if trouble is not None and not self.closed:
            self._trouble(trouble)

    def _accept_batch(self, fds: list[int]) -> OSError | None:
        # What accept() makes a socket object around.
        accept = self.sock._accept  # type: ignore[attr-defined]  # noqa: SLF001
        for _ in range(self._batch):
            try:
                fds.append(accept()[0])
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in OF_ONE_CONNECTION:
                    return error
        return None

    def _trouble(self, error: OSError) -> None:
        self._loop.remove_reader(self.sock.fileno())
        self._pause = self._loop.call_later(PAUSE, self._again)
        if error.errno in FULL and self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
            self._refuse_one()
        self._on_trouble(error)

    def _refuse_one(self) -> None:
        with suppress(OSError):
            sock, _ = self.sock.accept()
            # Closed after the pause: with bytes unread that would be a reset, and the refusal lost.
            self._refused = sock
            sock.setblocking(False)
            if self._refusal:
                sock.send(self._refusal)
            sock.shutdown(socket.SHUT_WR)

    def _again(self) -> None:
        self._pause = None
        self._dismiss()
        if self._spare < 0:
            self._spare = _spare()
        if self._wanted:
            self._loop.add_reader(self.sock.fileno(), self._ready)

    def _dismiss(self) -> None:
        sock, self._refused = self._refused, None
        if sock is None:
            return
        with suppress(OSError):
            sock.recv(64 * 1024)
        sock.close()

    def close(self) -> None:
        """Stop accepting, and close the listening socket."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self.sock.fileno())
        if self._pause is not None:
            self._pause.cancel()
        self._dismiss()
        if self._spare >= 0:
            os.close(self._spare)
        self.sock.close()


def _spare() -> int:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
