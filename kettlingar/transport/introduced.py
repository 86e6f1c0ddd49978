"""A connection that a proxy introduces: its header is read off, byte-exact, before anything else.

Nothing behind the header is consumed, so that whoever serves the connection,
TLS included, finds it as if the client had connected by itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

from kettlingar.wire.proxy import Address, ProxyError, caller, header_length

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PATIENCE = 3.0  # seconds for the whole header, which a proxy sends at once
_PEEK = 4096 + 16


def networks(texts: Iterable[str]) -> list[Network]:
    """Addresses and networks, as a definition writes them. Raise ValueError."""
    return [ipaddress.ip_network(text) for text in texts]


def is_from(sock: socket.socket, allowed: Iterable[Network]) -> bool:
    """May its other end introduce others? A unix socket's own mode has said so."""
    if sock.family == socket.AF_UNIX:
        return True
    try:
        address = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
    except (OSError, ValueError):
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in allowed)


class Introduction:
    """Owns the socket until `on_known(sock, address)`, or `on_refused(why)` when it is closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_known: Callable[[socket.socket, Address | None], None],
        on_refused: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._on_known = on_known
        self._on_refused = on_refused
        self.done = False
        self._read = b""
        self._watched = False
        self._timer = loop.call_later(PATIENCE, self.refuse, "its header did not come in time")
        self._look()

    def _look(self) -> None:
        try:
            seen = self._sock.recv(_PEEK, socket.MSG_PEEK)
            if not seen:
                self.refuse("it ended before its header did")
                return
            self._take(seen)
        except BlockingIOError:
            self._watch()
        except ProxyError as why:
            self.refuse(str(why))
        except OSError as why:
            self.refuse(why.strerror or str(why))

    def _take(self, seen: bytes) -> None:
        length = header_length(self._read + seen)
        # What is not the whole header is all header: taken off, so that nobody wakes for it again.
        count = len(seen) if length is None else min(len(seen), length - len(self._read))
        self._read += self._sock.recv(count)
        if length is None or len(self._read) < length:
            self._watch()
            return
        address = caller(self._read)
        self._let_go()
        self._on_known(self._sock, address)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._loop.add_reader(self._sock.fileno(), self._look)

    def _let_go(self) -> None:
        self.done = True
        self._timer.cancel()
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._sock.fileno())

    def refuse(self, why: str) -> None:
        """Close it without a word: it is no HTTP yet."""
        self._let_go()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._on_refused(why)
