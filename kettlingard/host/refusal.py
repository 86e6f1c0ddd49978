"""Honest refusals: an answer that arrives, from somebody who has read no byte of the question.

A socket that is closed with bytes unread sends a reset, and a reset makes the
client's kernel throw the answer away. So: send, shut down the sending side,
discard what comes until the client has closed too or patience ends.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from kettlingar.transport.timeouts import Deadlines
from kettlingar.wire.http11 import response_head

LINGER = 2.0  # seconds
MOST = 1024  # at the same time; beyond it the oldest is closed at once
_READS = 16  # for one client before others get their turn
_TLS_HANDSHAKE = b"\x16"  # a client that begins so would take our text for garbage


def unavailable(why: str, retry_after: int = 1) -> bytes:
    """A complete 503 (RFC 9110, 15.6.4) after which the connection closes."""
    return answer(503, why, ("Retry-After", str(retry_after)))


def answer(status: int, why: str, *more: tuple[str, str]) -> bytes:
    """A complete answer in one sentence, after which the connection closes."""
    body = f"{why}\n".encode()
    head = response_head(
        status,
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *more,
            ("Connection", "close"),
        ],
    )
    return head + body


class Refusals:
    """Owns the connections that are refused, until each is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, linger: float = LINGER) -> None:
        self._loop = loop
        self._lingering: dict[socket.socket, None] = {}  # the oldest first
        self._deadlines: Deadlines[socket.socket] = Deadlines(loop, linger, self._end)
        self._bin = bytearray(64 * 1024)

    def __len__(self) -> int:
        return len(self._lingering)

    def refuse(self, sock: socket.socket, answer: bytes) -> None:
        """Answer and close a connection, which is ours from here on."""
        sock.setblocking(False)
        try:
            if sock.family != socket.AF_UNIX and _is_tls(sock):
                sock.close()
                return
            sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has gone
            sock.close()
            return
        if len(self._lingering) >= MOST:
            self._end(next(iter(self._lingering)))
        self._lingering[sock] = None
        self._deadlines.add(sock)
        self._loop.add_reader(sock, self._discard, sock)

    def _discard(self, sock: socket.socket) -> None:
        with suppress(BlockingIOError):
            try:
                for _ in range(_READS):
                    # MSG_TRUNC: the kernel drops the bytes instead of copying them (tcp(7)).
                    if not sock.recv_into(self._bin, 0, socket.MSG_TRUNC):
                        break
                else:
                    return
            except ConnectionError:
                pass
            self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        if sock in self._lingering:
            del self._lingering[sock]
            self._deadlines.discard(sock)
            self._loop.remove_reader(sock)
            sock.close()

    def close(self) -> None:
        """Close all of them now."""
        for sock in list(self._lingering):
            self._end(sock)
        self._deadlines.close()


def _is_tls(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE
    except BlockingIOError:
        return False
