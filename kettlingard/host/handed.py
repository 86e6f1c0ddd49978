"""Listening sockets that somebody opened before us (sd_listen_fds(3)): systemd, or a parent."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from .fdstore import SUFFIX, Store, is_kept, key_in
from .listeners import is_path, local_address, split_address

FIRST = 3
_NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Handed:
    """Owns these sockets for as long as we live: whoever gave them keeps a copy anyway.

    Those that come out of its `store` were ours before: they go to whoever takes them.
    """

    def __init__(self, found: list[tuple[str, socket.socket]], store: Store | None = None) -> None:
        self.store = store or Store()
        self._kept = {key_in(name): (name, sock) for name, sock in found if is_kept(name)}
        self._found = [(name, sock) for name, sock in found if not is_kept(name)]

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Handed:
        """Take what is meant for this very process; the variables are removed."""
        store = Store.from_environment(environ)
        pid, number, names = (environ.pop(name, "") for name in _NAMES)
        if pid != str(os.getpid()) or not number.isdecimal():
            return cls([], store)
        called = names.split(":")
        found = []
        for index in range(int(number)):
            with suppress(OSError):  # no socket
                sock = socket.socket(fileno=FIRST + index)
                sock.set_inheritable(False)
                found.append((called[index] if index < len(called) else "", sock))
        return cls(found, store)

    def keep(self, key: int, sock: socket.socket) -> None:
        """A custodian had this one, of ours too."""
        if key in self._kept:
            sock.close()
        else:
            self._kept[key] = "", sock

    def kept(self, key: int, stream: str) -> socket.socket | None:
        """The one that was ours, if it still listens where it should; it is the caller's now."""
        _, sock = self._kept.get(key, ("", None))
        if sock is None or not _listens_at(sock, stream):
            return None
        del self._kept[key]
        sock.setblocking(False)
        return sock

    def forget_kept(self) -> None:
        """Nobody has taken these: their services are gone, or listen elsewhere."""
        for name, sock in self._kept.values():
            sock.close()
            if name:
                self.store.remove(name.removesuffix(SUFFIX))
        self._kept = {}

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
        for _, sock in (*self._kept.values(), *self._found):
            sock.close()
        self._found, self._kept = [], {}


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
