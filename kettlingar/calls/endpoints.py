"""Where a client's connections come from."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from kettlingar.errors import NotRunning
from kettlingar.transport import rendezvous
from kettlingar.transport.unixpath import connect_unix


class Link(Struct, frozen=True):
    """A new connection: the socket, and what must be said on it."""

    sock: socket.socket
    token: str = ""  # empty: the socket itself is authorised
    host: str = "localhost"
    prefix: str = ""


class Endpoint(Protocol):
    """Opens connections to one service."""

    url: str | None
    address: Any
    secret: str | None

    async def open(self, *, allow_unix: bool = True) -> Link:
        """Return a new connection. NotRunning if nobody answers."""


class FileEndpoint:
    """The seed's way: `STATE_DIR/NAME.url` and `NAME.sock`, readable by their owner only."""

    def __init__(self, state_dir: str | Path, name: str) -> None:
        self._dir = Path(state_dir)
        self._name = name
        self.url: str | None = None
        self.address: Any = None
        self.secret: str | None = None

    async def open(self, *, allow_unix: bool = True) -> Link:
        """Read the files anew each time: a restarted service has others."""
        url = rendezvous.read(self._dir, self._name)
        if url is None:
            raise NotRunning(f"cannot reach {self._name}: it is not running ({self._dir})")
        parts = urlsplit(url)
        prefix, _, token = parts.path.rpartition("/")
        self.secret = token
        self.url = f"{parts.scheme}://{parts.netloc}{prefix}"
        if not allow_unix and not parts.port:
            raise NotRunning(f"cannot reach {self._name} over TCP: it has no TCP port")
        path = self._dir / f"{self._name}.sock"
        try:
            if allow_unix and path.exists():
                sock = connect_unix(path)
                self.address = str(path)
            else:
                sock = await _connect_tcp(parts.hostname or "", parts.port or 0)
                self.address = (parts.hostname, parts.port)
        except OSError as error:
            raise NotRunning(f"cannot reach {self._name}: nobody answers ({error})") from error
        return Link(sock, token, parts.netloc, prefix)


async def _connect_tcp(host: str, port: int) -> socket.socket:
    if not port:
        raise ConnectionRefusedError("the service has no TCP port")
    loop = asyncio.get_running_loop()
    family, kind, proto, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[
        0
    ]
    sock = socket.socket(family, kind, proto)
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


class SocketEndpoint:
    """One connected, authorised socket, and no other."""

    def __init__(self, sock: socket.socket, name: str = "service") -> None:
        self._sock: socket.socket | None = sock
        self.url: str | None = None
        self.address: Any = name
        self.secret: str | None = None

    async def open(self, *, allow_unix: bool = True) -> Link:
        """Return the socket, once."""
        sock, self._sock = self._sock, None
        if sock is None:
            raise NotRunning("this connection has ended, and there is no other")
        sock.setblocking(False)
        return Link(sock)


class PathEndpoint:
    """A unix socket at which the kernel's word for who calls is enough (a control socket)."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.url: str | None = None
        self.address: Any = str(path)
        self.secret: str | None = None

    async def open(self, *, allow_unix: bool = True) -> Link:
        """Connect to it."""
        try:
            return Link(connect_unix(self._path))
        except OSError as error:
            raise NotRunning(
                f"cannot reach {self._path}: {os.strerror(error.errno or 0)}"
            ) from error
