"""What programs say by sd_notify(3): datagrams whose sender the kernel names."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from kettlingar.transport.unixpath import unix_address

_UCRED = struct.Struct("3i")
_ROOM = socket.CMSG_SPACE(_UCRED.size) + socket.CMSG_SPACE(64 * 4)
MAX_DATAGRAM = 4096  # bytes that count; more is no status for people
AT_ONCE = 64  # datagrams read before others get their turn


def make_notify(path: Path) -> socket.socket:
    """A bound socket that everybody may send to: who sends is checked. Raises OSError."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        path.unlink(missing_ok=True)
        with unix_address(path) as address:
            sock.bind(address)
        path.chmod(0o666)
    except OSError:
        sock.close()
        raise
    return sock


def words_of(data: bytes) -> dict[str, str]:
    """KEY=VALUE lines."""
    lines = data.decode(errors="replace").split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


class Notices:
    """Reads a notify socket; `tell` gets the words of those that belong to session `leader`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        leader: int,
        tell: Callable[[Mapping[str, str]], None],
    ) -> None:
        """The socket is ours from now on."""
        self.sock = sock
        self._loop = loop
        self._leader = leader
        self._tell = tell
        loop.add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data, more, _flags, _address = self.sock.recvmsg(
                    MAX_DATAGRAM, _ROOM, socket.MSG_CMSG_CLOEXEC
                )
            except OSError:
                return
            _close_foreign(more)
            if self._belongs(more):
                self._tell(words_of(data))

    def _belongs(self, more: list[tuple[int, int, bytes]]) -> bool:
        for level, kind, data in more:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid: int = _UCRED.unpack(data[: _UCRED.size])[0]
                with suppress(ProcessLookupError):
                    return self._leader in (pid, os.getsid(pid))
        return False

    def close(self) -> None:
        """Hear nothing more."""
        self._loop.remove_reader(self.sock.fileno())
        self.sock.close()


def _close_foreign(more: list[tuple[int, int, bytes]]) -> None:
    """Descriptors that somebody sent: a place to put them is no part of this (FDSTORE=1)."""
    for level, kind, data in more:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for (fd,) in struct.iter_unpack("i", data[: len(data) // 4 * 4]):
                os.close(fd)
