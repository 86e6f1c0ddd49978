"""Where the blocking client's connections come from, and what must be said on them."""

from __future__ import annotations

import os
import socket
from errno import ECONNREFUSED, ENOENT
from typing import NamedTuple

from kettlingar.errors import NotRunning
from kettlingar.transport.unixpath import StrPath, connect_unix


class Line(NamedTuple):
    """A connected stream socket to a service; its timeout holds for calls that have none."""

    sock: socket.socket
    token: str = ""  # empty: the socket itself is authorised
    host: str = "localhost"
    prefix: str = ""


def by_files(folder: StrPath, name: str, timeout: float | None, *, allow_unix: bool = True) -> Line:
    """Connect to the service `name` by the files it left in `folder`: its socket, else its URL.

    They are read each time: a service that was restarted has others. NotRunning
    if there are none, or nobody answers.
    """
    from urllib.parse import urlsplit

    from kettlingar.transport import rendezvous

    url = rendezvous.read(folder, name)
    if url is None:
        raise NotRunning(f"cannot reach {name}: it is not running ({os.fspath(folder)})")
    parts = urlsplit(url)
    prefix, _, token = parts.path.rpartition("/")
    if not allow_unix and not parts.port:
        raise NotRunning(f"cannot reach {name} over TCP: it has no TCP port")
    try:
        path = os.path.join(folder, f"{name}.sock") if allow_unix else None
        sock = _connect(path, parts.hostname or "", parts.port, timeout)
    except OSError as error:
        raise NotRunning(f"cannot reach {name}: {_why(error)}") from error
    return Line(sock, token, parts.netloc, prefix)


def _connect(path: str | None, host: str, port: int | None, timeout: float | None) -> socket.socket:
    try:
        if path is not None:
            return connect_unix(path, timeout=timeout)
    except OSError as error:
        if not port or error.errno not in {ECONNREFUSED, ENOENT}:
            raise
    if not port:
        raise ConnectionRefusedError(ECONNREFUSED, "neither socket nor TCP port")
    sock = socket.create_connection((host, port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def by_control_path(path: StrPath, timeout: float | None) -> Line:
    """Connect to kettlingard's control socket. NotRunning if it does not answer."""
    try:
        return Line(connect_unix(path, timeout=timeout))
    except OSError as error:
        raise NotRunning(
            f"cannot reach kettlingard at {os.fspath(path)}: {_why(error)}; is it running?"
        ) from error


def _why(error: OSError) -> str:
    if error.errno in {ECONNREFUSED, ENOENT}:
        return "nobody answers"
    return (error.strerror or str(error)).lower()
