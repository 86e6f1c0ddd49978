"""Where the socket of a listener comes from: from workers that guarded it, from outside, or anew."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from errno import EINVAL

from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.marks import key_of
from kettlingard.errors import ListenError
from kettlingard.host.accounts import owner_of
from kettlingard.host.fdstore import name_of
from kettlingard.host.handed import Handed
from kettlingard.host.listeners import Manner, listen


class Opening:
    """Finds or makes the sockets of one service's listeners."""

    def __init__(self, service: str, handed: Handed) -> None:
        self._service = service
        self._handed = handed
        self._inherited: dict[str, socket.socket] = {}

    def inherit(self, listeners: Mapping[str, socket.socket]) -> None:
        """Sockets by their addresses, to be used instead of new ones."""
        self._inherited = dict(listeners)

    def open(self, spec: ListenerSpec) -> tuple[socket.socket, bool]:
        """A listening socket, and whether somebody else has it too. Raises ListenError."""
        sock = self._inherited.pop(spec.stream, None)
        if sock is None:
            handed = self._handed.copy(f"{self._service}.{spec.name}", spec.stream)
            if handed is not None:
                return handed, True
            sock = self._handed.kept(self.key(spec), spec.stream) or listen(
                spec.stream, _manner(spec)
            )
        self._handed.store.put(self._kept_as(spec), sock.fileno())
        return sock, False

    def key(self, spec: ListenerSpec) -> int:
        """By which custodians know what comes by it."""
        return key_of(self._service, spec.stream)

    def goes_on(self, spec: ListenerSpec) -> bool:
        """It is to be closed: is it kept open for the next supervisor?"""
        name, store = self._kept_as(spec), self._handed.store
        if store.goes_on(name):
            return True
        store.remove(name)
        return False

    def _kept_as(self, spec: ListenerSpec) -> str:
        return name_of(self._service, spec.name, self.key(spec))

    def close(self) -> None:
        """Those that nobody has asked for."""
        for sock in self._inherited.values():
            sock.close()
        self._inherited = {}


def _manner(spec: ListenerSpec) -> Manner:
    try:
        owner = owner_of(spec.socket_user, spec.socket_group)
    except ValueError as why:
        raise ListenError(f"cannot listen on {spec.stream}: {why}", spec.stream, EINVAL) from why
    return Manner(spec.backlog, spec.socket_mode, owner, spec.freebind, spec.ipv6_only)
