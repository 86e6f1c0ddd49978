"""One listener of a service: open from its start to its stop, whatever its workers do."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kettlingar.transport.acceptor import BATCH, Acceptor
from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.marks import Whose
from kettlingard.host.accounts import owner_of
from kettlingard.host.listeners import is_path, local_address, own, split_address
from kettlingard.host.marks import Marks

log = logging.getLogger(__name__)

_SAY_AGAIN = 60.0  # seconds between two lines about the same trouble
_QUEUED = struct.Struct("=I")
_QUEUED_AT = 24  # tcpi_unacked: of a listening socket, connections that wait to be accepted


class Front:
    """Owns a listening socket; gives the descriptors of what it accepts to `on_connections(front, fds)`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: ListenerSpec,
        sock: socket.socket,
        *,
        on_connections: Callable[[Front, list[int]], None],
        refusal: bytes,
        goes_on: Callable[[], bool],
        marks: Marks | None = None,
        key: int = 0,
    ) -> None:
        self.spec = spec
        self.address = local_address(sock)
        self.last: int | None = None  # the run that got the last connection
        self._loop = loop
        self._silent_until = 0.0
        self._whose = Whose.NOBODY_SAID
        self.marks, self.key = marks, key  # where, and by what, our custodian knows it
        self._goes_on = goes_on  # asked at its end: has somebody else it too, who goes on with it?
        self._inode = _inode(spec.stream)

        def accepted(fds: list[int]) -> None:
            on_connections(self, fds)

        self._acceptor = Acceptor(loop, sock, accepted, self._trouble, refusal=refusal, batch=BATCH)

    def _trouble(self, error: OSError) -> None:
        if self._loop.time() < self._silent_until:
            return
        self._silent_until = self._loop.time() + _SAY_AGAIN
        log.warning(
            "accepting paused listener=%s address=%s reason=%s",
            self.spec.name,
            self.address,
            error.strerror,
        )

    def mark(self, fd: int, whose: Whose, number: int) -> None:
        """Have our custodian know whose this connection of ours is."""
        if self.marks is not None:
            self.marks.put(fd, whose, number, self.key)

    def guard(self, whose: Whose) -> None:
        """Say who has the listening socket itself."""
        if whose is not self._whose and not self.closed:
            self._whose = whose
            self.mark(self.fileno(), whose, 0)

    def forget(self, fd: int) -> None:
        """It is closed, or not ours any more."""
        if self.marks is not None:
            self.marks.forget(fd)

    def took(self, name: Any) -> bool:
        """May a connection whose own end has this name have come by this listener?"""
        if is_path(self.address) or not isinstance(name, tuple):
            return bool(name == self.address)
        host, port = split_address(self.address)
        return port == name[1] and host in {name[0], "0.0.0.0", "::"}  # noqa: S104  compared, not bound

    def apply(self, spec: ListenerSpec) -> None:
        """Take over changed keys without a moment of not listening. The address stays."""
        if spec.backlog != self.spec.backlog:
            self._acceptor.sock.listen(spec.backlog)
        if is_path(spec.stream) and spec.socket_mode != self.spec.socket_mode:
            Path(spec.stream).chmod(spec.socket_mode)
        if is_path(spec.stream) and _owner(spec) != _owner(self.spec):
            self._give_to(*_owner(spec))
        self.spec = spec

    def _give_to(self, user: str, group: str) -> None:
        try:
            uid, gid = owner_of(user, group)
            ours = os.geteuid(), os.getegid()
            own(self.spec.stream, (ours[0] if uid < 0 else uid, ours[1] if gid < 0 else gid))
        except (ValueError, OSError) as why:
            log.error("socket not given away address=%s: %s", self.spec.stream, why)  # noqa: TRY400  no defect

    @property
    def family(self) -> int:
        """Of what comes by it."""
        return self._acceptor.sock.family

    def fileno(self) -> int:
        """The descriptor, to be kept over an exec."""
        return self._acceptor.sock.fileno()

    def copy(self) -> int:
        """A descriptor of the listening socket, to give away. Raises OSError."""
        return os.dup(self._acceptor.sock.fileno())

    @property
    def closed(self) -> bool:
        """No more connections come by it."""
        return self._acceptor.closed

    def pause(self) -> None:
        """Leave connections in the kernel's backlog."""
        self._acceptor.pause()

    def resume(self) -> None:
        """Accept again."""
        self._acceptor.resume()

    @property
    def backlog(self) -> int | None:
        """Connections that wait in the kernel. None where it does not say."""
        if self._acceptor.closed or is_path(self.spec.stream):
            return None
        info = self._acceptor.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
        count: int = _QUEUED.unpack_from(info, _QUEUED_AT)[0]
        return count

    def describe(self) -> dict[str, object]:
        """What `ctl sockets` shows of it."""
        return {
            "name": self.spec.name,
            "address": self.address,
            "dispatch": self.spec.dispatch,
            "queued": self.backlog,
            "backlog": self.spec.backlog,
        }

    def close(self) -> None:
        """Stop listening, whoever guards a copy; a path of ours is removed."""
        if self.closed:
            return
        goes_on = self._goes_on()
        if not goes_on:
            with suppress(OSError):
                self._acceptor.sock.shutdown(socket.SHUT_RDWR)
        number = self.fileno()
        self._acceptor.close()
        self.forget(number)
        if not goes_on and self._inode is not None and _inode(self.spec.stream) == self._inode:
            with suppress(OSError):
                os.unlink(self.spec.stream)


def _owner(spec: ListenerSpec) -> tuple[str, str]:
    return spec.socket_user, spec.socket_group


def _inode(stream: str) -> tuple[int, int] | None:
    if not is_path(stream):
        return None
    try:
        found = os.lstat(stream)
    except OSError:
        return None
    return found.st_dev, found.st_ino
