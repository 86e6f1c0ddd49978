"""An accepted connection comes to the server: as the way of its listener says.

Some are introduced by a proxy first, some come by a socket whose other end the
kernel knows, some bring one request only, since the next may be another service's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from kettlingar.api.access import Caller
from kettlingar.requests.server import Server
from kettlingar.requests.serving import Origin
from kettlingar.transport.messages import Way
from kettlingar.transport.peercred import peer

if TYPE_CHECKING:
    from kettlingar.transport.introduced import Introduction
    from kettlingar.wire.proxy import Address

log = logging.getLogger(__name__)

SAY_AGAIN = 60.0  # seconds between two lines about strangers


class Intake:
    """Owns the connections that have not been introduced yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server) -> None:
        self._loop = loop
        self._server = server
        self._introductions: dict[int, Introduction] = {}
        self._serial = 0
        self._silent_until = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more is served."""
        return self._server.draining

    def take(self, sock: socket.socket, number: int, way: Way, *, routed: bool = False) -> None:
        """Serve it. `number` is the supervisor's; 0: it knows nothing of it.

        `routed`: the next request may be another service's.
        """
        if way.proxies is not None:
            self._be_introduced(sock, number, way)
        elif way.local:
            sock = socket.socket(fileno=sock.detach())  # one that knows what it is
            pid, uid, _ = peer(sock)
            origin = Origin(tcp=False, caller=Caller(uid=uid, pid=pid), number=number)
            self._server.accept(sock, origin, read_now=True)
        else:
            origin = Origin(number=number, routed=way.name if routed else "")
            self._server.accept(sock, origin, read_now=True)

    def _be_introduced(self, sock: socket.socket, number: int, way: Way) -> None:
        from kettlingar.transport.introduced import Introduction, is_from, networks

        sock = socket.socket(fileno=sock.detach())  # whose family may be any
        self._serial += 1
        serial, origin = self._serial, Origin(number=number)
        if not is_from(sock, networks(way.proxies or ())):
            self._say("its address is not in proxy_from", sock)
            sock.close()
            self._server.gone(origin)
            return

        def known(sock: socket.socket, address: Address | None) -> None:
            self._introductions.pop(serial, None)
            introduced = Origin(number=number, introduced=True, peer=address)
            self._server.accept(sock, introduced, read_now=True)

        def refused(why: str) -> None:
            self._introductions.pop(serial, None)
            self._say(why)
            self._server.gone(origin)

        one = Introduction(self._loop, sock, known, refused)
        if not one.done:
            self._introductions[serial] = one

    def _say(self, why: str, sock: socket.socket | None = None) -> None:
        if self._loop.time() >= self._silent_until:
            self._silent_until = self._loop.time() + SAY_AGAIN
            who = f" from={sock.getpeername()[0]}" if sock is not None else ""
            log.warning("connection refused: no PROXY header that counts: %s%s", why, who)

    def end(self) -> None:
        """Nobody is introduced any more."""
        for one in list(self._introductions.values()):
            one.refuse("this worker ends")
