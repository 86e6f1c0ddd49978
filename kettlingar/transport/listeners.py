"""Listening sockets, and the loop that accepts from one without ever spinning.

All sockets here are close-on-exec and non-blocking.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from .unixpath import StrPath, unix_address

BACKLOG = 1024
IP_FREEBIND = 15  # ip(7); Python has no name for it before 3.13
UNSENT = 128 * 1024  # bytes that the kernel takes ahead of the network: what a dead reader costs us
ANY = {"", "*"}  # every address, IPv4 and IPv6


class ListenError(OSError):
    """A place where nobody can listen now; the text says which, why, and what to do."""


def bind_tcp(
    host: str,
    port: int,
    backlog: int = BACKLOG,
    *,
    ipv6_only: bool = False,
    freebind: bool = False,
) -> socket.socket:
    """Return a socket that listens on `host` and `port` (0: the kernel chooses one).

    With `freebind` the address need not be there yet (ip(7)).

    "", "*" and "::" are every address of both families (unless `ipv6_only`),
    "0.0.0.0" only the older one's. OSError says what cannot be listened on and why.
    """
    try:
        family, address = _resolve(host, port)
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise _cannot_listen(_written(host, port), error) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: one system call saved for each of them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        if freebind:
            sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise _cannot_listen(_written(host, port), error) from error
    return sock


def _written(host: str, port: int) -> str:
    return f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host or '*'}:{port}"


def _resolve(host: str, port: int) -> tuple[int, tuple[object, ...]]:
    if host in ANY:
        if socket.has_dualstack_ipv6():
            return socket.AF_INET6, ("::", port)
        return socket.AF_INET, ("0.0.0.0", port)  # noqa: S104 - it was asked for
    found = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # A name such as localhost may have both: the older family reaches more clients.
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    return found[0][0], found[0][4]


def bind_unix(path: StrPath, backlog: int = BACKLOG, mode: int = 0o600) -> socket.socket:
    """Return a socket that listens at `path`, with `mode` from the moment it exists.

    A socket that nobody answers on is replaced if it is our own. OSError if
    somebody answers there, or something else is in the way.
    """
    has_file = os.fspath(path)[:1] not in {"@", "\0"}  # those are the abstract namespace
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if has_file:
            _clear_the_way(os.fspath(path))
        # On Linux the file gets the socket's own mode, less the umask.
        os.fchmod(sock.fileno(), mode)
        with unix_address(path) as address:
            sock.bind(address)
        if has_file:
            os.chmod(path, mode)  # what the umask took away
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise _cannot_listen(os.fspath(path), error) from error
    return sock


def _clear_the_way(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "something that is no socket is in the way; remove it")
    if found.st_uid not in {os.geteuid(), 0}:
        raise OSError(errno.EEXIST, f"a socket of uid {found.st_uid} is in the way")
    if _answers(path):
        raise OSError(errno.EADDRINUSE, "somebody answers there already; stop it first")
    with suppress(FileNotFoundError):
        os.unlink(path)


def _answers(path: str) -> bool:
    """Whether anybody listens at `path`; any doubt is a yes."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe,
        unix_address(path) as address,
    ):
        return probe.connect_ex(address) not in {errno.ECONNREFUSED, errno.ENOENT}


_ADVICE = {
    errno.EACCES: "; use a port above 1023, or ask for CAP_NET_BIND_SERVICE",
    errno.EADDRINUSE: "; stop what listens there, or use another port",
    errno.EADDRNOTAVAIL: "; this machine has no such address",
}


def _cannot_listen(where: str, error: OSError) -> ListenError:
    why = error.strerror or str(error)
    if why[1:2].islower():
        why = why[:1].lower() + why[1:]
    advice = _ADVICE.get(error.errno or 0, "") if not where.startswith(("/", "@")) else ""
    return ListenError(error.errno or errno.EINVAL, f"cannot listen on {where}: {why}{advice}")
