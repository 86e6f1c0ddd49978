"""What a worker keeps for the time without a supervisor.

Copies of its service's listeners, from which it then accepts by itself, and a
socket on which it waits for the next supervisor. Whoever comes there must have
the right uid (the kernel says which one) and know the run's mark; only then is
its channel the worker's channel.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from kettlingar.api.access import same_secret
from kettlingar.transport import messages
from kettlingar.transport.acceptor import Acceptor, stream_of
from kettlingar.transport.channel import Channel
from kettlingar.transport.fdpass import close_all
from kettlingar.transport.peercred import peer

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds in which a visitor must say who it is
ROOT = 0


class _Copy(Struct, frozen=True):
    """One guarded listener."""

    stream: str
    sock: socket.socket
    way: messages.Way


class Listeners:
    """The guarded copies. They are accepted from between `accept` and `rest`, some always.

    `serve(sock, way)` gets what connects.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, serve: Callable[[socket.socket, messages.Way], None]
    ) -> None:
        self._loop = loop
        self._serve = serve
        self._copies: list[_Copy] = []
        self._acceptors: list[Acceptor] = []
        self._always: list[Acceptor] = []
        self._ways: dict[str, messages.Way] = {}

    def keep(self, guard: messages.Guard, fds: list[int]) -> None:
        """Guard these instead of those of before."""
        self.close()
        ways = guard.ways or [messages.Way(name) for name in guard.listeners]
        self._ways = {way.name: way for way in ways}
        self._copies = [
            _Copy(stream, socket.socket(fileno=fd), way)
            for stream, fd, way in zip(guard.listeners, fds, ways, strict=True)
        ]
        self._always = [self._acceptor(one) for one in self._copies if one.way.accepts]

    def way(self, name: str) -> messages.Way:
        """How connections of this listener are treated."""
        return self._ways.get(name) or messages.Way(name)

    def accept(self) -> None:
        """There is no supervisor: serve whatever connects."""
        self.rest()
        self._acceptors = [self._acceptor(one) for one in self._copies if not one.way.accepts]

    def _acceptor(self, one: _Copy) -> Acceptor:
        def accepted(fds: list[int]) -> None:
            for fd in fds:
                self._serve(stream_of(fd, one.sock.family), one.way)

        return Acceptor(self._loop, _copy(one.sock), accepted, _trouble)

    def rest(self) -> None:
        """Accept no more; what connects waits in the kernel."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []

    def copies(self) -> tuple[list[str], list[int]]:
        """Their addresses, and a descriptor of each, which are the caller's."""
        return [o.stream for o in self._copies], [os.dup(o.sock.fileno()) for o in self._copies]

    def close(self) -> None:
        """Guard none, accept from none."""
        self.rest()
        for acceptor in self._always:
            acceptor.close()
        self._always = []
        for one in self._copies:
            one.sock.close()
        self._copies = []


def _copy(sock: socket.socket) -> socket.socket:
    """Not by `sock.dup`: for a moment that makes it blocking, for all that share the listener.

    Another worker that is just about to accept would then wait there for ever.
    """
    return socket.socket(fileno=os.dup(sock.fileno()))


def _trouble(error: OSError) -> None:
    log.warning("cannot accept connections for a moment: %s", error)


class Meeting:
    """Where the next supervisor finds this run. `on_found(channel)` when one has proven itself."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        setup: messages.Setup,
        *,
        on_found: Callable[[Channel], None],
        on_message: Callable[[Any, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._mark = setup.mark
        self._uids = {ROOT, setup.owner}
        self._on_found, self._on_message, self._on_end = on_found, on_message, on_end
        # Whoever calls listen is who the kernel names to those that connect.
        sock.listen()
        self._acceptor = Acceptor(loop, sock, self._visited, _trouble)
        self._acceptor.pause()

    def open(self) -> None:
        """Let visitors in."""
        self._acceptor.resume()

    def shut(self) -> None:
        """There is a supervisor."""
        self._acceptor.pause()

    def close(self) -> None:
        """Nobody needs to find this run any more."""
        self._acceptor.close()

    def _visited(self, fds: list[int]) -> None:
        for fd in fds:
            self._meet(socket.socket(fileno=fd))

    def _meet(self, sock: socket.socket) -> None:
        who = peer(sock)
        if who.uid not in self._uids:
            log.warning("adoption refused pid=%d uid=%d", who.pid, who.uid)
            sock.close()
            return
        _Visitor(self._loop, sock, self._is_supervisor, self._on_message, self._on_end)

    def _is_supervisor(self, visitor: _Visitor, message: Any) -> bool:
        """The first one that knows the mark; others come too late."""
        knows = isinstance(message, messages.Adopt) and same_secret(message.mark, self._mark)
        if not knows or self._acceptor.closed or not self._acceptor.accepting:
            log.warning("adoption refused reason=%r", "too late" if knows else "wrong mark")
            return False
        self.shut()
        self._on_found(visitor.channel)
        return True


class _Visitor:
    """A channel that nothing but the right first word makes one of ours."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        prove: Callable[[_Visitor, Any], bool],
        on_message: Callable[[Any, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._prove, self._on_message, self._on_end = prove, on_message, on_end
        self._proven = False
        self.channel = Channel(loop, sock, messages.ToWorker, self._said, self._ended)
        self._timer = loop.call_later(PATIENCE, self.channel.close)

    def _said(self, message: Any, fds: list[int]) -> None:
        if self._proven:
            self._on_message(message, fds)
            return
        close_all(fds)
        self._timer.cancel()
        self._proven = self._prove(self, message)
        if not self._proven:
            self.channel.close()

    def _ended(self) -> None:
        self._timer.cancel()
        if self._proven:
            self._on_end()
