"""A service under a supervisor asks for others over its own channel: that is what proves who asks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kettlingar.errors import NotRunning
from kettlingar.transport import messages
from kettlingar.transport.fdpass import close_all

if TYPE_CHECKING:
    from .endpoints import Link

PATIENCE = 15.0  # seconds for the supervisor's answer; it may itself wait for a worker

Say = Callable[[messages.Ask | messages.Extend | messages.Status], None]


class Asker:
    """Questions to the supervisor, and who waits for the answers."""

    def __init__(self, say: Say) -> None:
        self.tell = say
        self._last = 0
        self._waiting: dict[int, asyncio.Future[socket.socket]] = {}

    async def socket_to(self, service: str) -> socket.socket:
        """Return an authorised connection. PermissionError, NotRunning say why not."""
        self._last += 1
        number = self._last
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.tell(messages.Ask(number=number, service=service))
        try:
            async with asyncio.timeout(PATIENCE):
                sock: socket.socket = await answer
                return sock
        except TimeoutError:
            raise NotRunning(f"cannot reach {service}: the supervisor does not answer") from None
        finally:
            del self._waiting[number]

    def answered(self, message: messages.Answer, fds: list[int]) -> None:
        """Take an answer; one that nobody waits for any more is closed."""
        waiting = self._waiting.get(message.number)
        if waiting is None or waiting.done():
            close_all(fds)
        elif message.denied:
            waiting.set_exception(PermissionError(message.error))
        elif message.error or not fds:
            waiting.set_exception(NotRunning(message.error or "the supervisor gave no connection"))
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fds[0])
            sock.setblocking(False)
            waiting.set_result(sock)

    def gone(self) -> None:
        """The supervisor is not there any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NotRunning("the supervisor is gone"))


class AskedEndpoint:
    """Connections that this process's supervisor hands out to it."""

    def __init__(self, asker: Asker, service: str) -> None:
        self._asker = asker
        self._service = service
        self.url: str | None = None
        self.address: Any = f"{service} by its supervisor"
        self.secret: str | None = None  # never seen here

    async def open(self, *, allow_unix: bool = True) -> Link:
        """Ask for a connected socket."""
        from .endpoints import Link

        return Link(await self._asker.socket_to(self._service))


_own: Asker | None = None  # of this process, where it has a supervisor


def become_supervised(asker: Asker) -> None:
    """From now on this process asks its supervisor first."""
    global _own  # noqa: PLW0603  one process has one supervisor
    _own = asker


def own_asker() -> Asker | None:
    """Return how this process asks its supervisor, where it has one."""
    return _own
