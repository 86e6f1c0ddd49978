"""Accepts connections from a listening socket, on an event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

BATCH = 64  # connections before the loop gets its turn
PAUSE = 0.1  # seconds
FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# What a connection may die of before it is accepted (accept(2)); the next one is no worse for it.
OF_ONE_CONNECTION = {
    errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.EHOSTDOWN,
    errno.ENONET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EOPNOTSUPP, errno.ENOPROTOOPT,
}  # fmt: skip


class Acceptor:
    """Owns a listening socket and calls `on_connection(sock, address)` with non-blocking sockets.

    At the limit of open files a level-triggered loop would spin: so a spare
    descriptor is given up for one connection, which is told so (`refusal`) and
    closed, and accepting pauses for a moment; the others wait in the backlog.
    `on_trouble(error)` is told each time. `after_batch()`, if given, is called
    after the connections of one wake-up.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_connection: Callable[[socket.socket, Any], object],
        on_trouble: Callable[[OSError], object],
        *,
        refusal: bytes = b"",
        after_batch: Callable[[], object] | None = None,
    ) -> None:
        self._loop = loop
        self.sock = sock
        self._on_connection = on_connection
        self._on_trouble = on_trouble
        self._refusal = refusal
        self._after_batch = after_batch
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
        self._accept_batch()
        if self._after_batch is not None and not self.closed:
            self._after_batch()

    def _accept_batch(self) -> None:
        for _ in range(BATCH):
            if self.closed or not self._wanted or self._pause is not None:
                return
            try:
                sock, address = self.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in OF_ONE_CONNECTION:
                    continue
                self._trouble(error)
                return
            sock.setblocking(False)
            self._on_connection(sock, address)

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
