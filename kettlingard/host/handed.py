"""Listening sockets that somebody opened before us (sd_listen_fds(3)): systemd, or a parent."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from .listeners import is_path, local_address, split_address

FIRST = 3
_NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Handed:
    """Owns these sockets for as long as we live: whoever gave them keeps a copy anyway."""

    def __init__(self, found: list[tuple[str, socket.socket]]) -> None:
        self._found = found

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Handed:
        """Take what is meant for this very process; the variables are removed."""
        pid, number, names = (environ.pop(name, "") for name in _NAMES)
        if pid != str(os.getpid()) or not number.isdecimal():
            return cls([])
        called = names.split(":")
        found = []
        for index in range(int(number)):
            with suppress(OSError):  # no socket
                sock = socket.socket(fileno=FIRST + index)
                sock.set_inheritable(False)
                found.append((called[index] if index < len(called) else "", sock))
        return cls(found)

    def copy(self, name: str, stream: str) -> socket.socket | None:
        """The one that is called so, or else the one that listens at this address."""
        for called, sock in self._found:
            if name and called == name:
                return _copied(sock)
        for _, sock in self._found:
            if _listens_at(sock, stream):
                return _copied(sock)
        return None

    def close(self) -> None:
        """Let go of them."""
        for _, sock in self._found:
            sock.close()
        self._found = []


def _copied(sock: socket.socket) -> socket.socket:
    other = sock.dup()
    other.setblocking(False)
    return other


def _listens_at(sock: socket.socket, stream: str) -> bool:
    try:
        found = local_address(sock)
        if is_path(stream) or is_path(found):
            return found == stream
        return split_address(found) == split_address(stream)
    except (OSError, ValueError):
        return False
