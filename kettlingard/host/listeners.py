"""Opens listening sockets, and says who has an address that is taken."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from kettlingar.transport.listeners import BACKLOG, bind_tcp, bind_unix
from kettlingard.errors import ListenError

_LISTENING = "0A"  # state in /proc/net/tcp


def is_path(stream: str) -> bool:
    """Is this the path of a unix socket, and no host:port?"""
    return stream.startswith("/")


def split_address(stream: str) -> tuple[str, int]:
    """`127.0.0.1:80`, `[::1]:80`, `:80`, `*:80` -> (host, port). Raises ValueError."""
    host, colon, port = stream.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f'"{stream}" is not host:port with a port from 0 to 65535')
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f'"{stream}": an IPv6 address stands in brackets, as in "[::1]:80"')
    return host.strip("[]") if host != "[::]" else "::", int(port)


class Manner(Struct, frozen=True):
    """How an address is opened."""

    backlog: int = BACKLOG
    mode: int = 0o660  # of a path
    owner: tuple[int, int] = (-1, -1)  # uid and gid of a path; -1: ours
    freebind: bool = False
    ipv6_only: bool = False


PLAIN = Manner()


def listen(stream: str, manner: Manner = PLAIN) -> socket.socket:
    """Open `host:port` or `/path.sock`: non-blocking, close-on-exec, the caller's to close.

    Raises ListenError, which says why, who has the address where that is known, and what to do.
    """
    try:
        if is_path(stream):
            sock = bind_unix(stream, manner.backlog, manner.mode)
            own(stream, manner.owner)
            return sock
        return bind_tcp(
            *split_address(stream),
            manner.backlog,
            freebind=manner.freebind,
            ipv6_only=manner.ipv6_only,
        )
    except ValueError as why:
        raise ListenError(f"cannot listen on {stream}: {why}", stream, errno.EINVAL) from why
    except OSError as why:
        number = why.errno or errno.EINVAL
        text = str(why.strerror or why)
        if number == errno.EADDRINUSE:
            text = _taken(stream)
        raise ListenError(text, stream, number) from why


def own(path: str, owner: tuple[int, int]) -> None:
    """Give the socket at this path to a user and a group. Raises OSError."""
    if owner != (-1, -1):
        os.chown(path, *owner, follow_symlinks=False)


def local_address(sock: socket.socket) -> str:
    """Where it listens, in the spelling of a definition: with the port that the kernel chose."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return os.fsdecode(name)
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _taken(stream: str) -> str:
    start = f"cannot listen on {stream}: address already in use"
    found = holder(stream)
    if found is None:
        return f"{start}; stop what listens there, or use another address"
    if found == os.getpid():
        return f"{start} by another service of this kettlingard; give one of them another address"
    return f"{start} by pid {found} ({_command(found)}); stop it, or use another address"


def holder(stream: str) -> int | None:
    """The pid of a process that listens there. None if it cannot be seen (another user's)."""
    inodes = set(_unix_inodes(stream) if is_path(stream) else _tcp_inodes(split_address(stream)[1]))
    links = {f"socket:[{inode}]" for inode in inodes}
    if not links:
        return None
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid in pids if _has_one(pid, links)), None)


def _tcp_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _unix_inodes(path: str) -> Iterator[str]:
    with suppress(OSError):
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            fields = line.split(maxsplit=7)
            if len(fields) == 8 and fields[7] == path:
                yield fields[6]


def _has_one(pid: int, links: set[str]) -> bool:
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for fd in fds:
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{fd}") in links:
                return True
    return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended meanwhile"
