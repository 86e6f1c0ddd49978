"""Where the supervisor itself is asked: its control socket, and a listener for metrics if there is one."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from kettlingar.requests.server import Server
from kettlingar.requests.serving import Origin
from kettlingar.runtime import hooks_of, settings_of
from kettlingar.transport.acceptor import Acceptor, stream_of
from kettlingard.daemon import Daemon

from .api import Control
from .reach import caller_at

if TYPE_CHECKING:
    from .metricspage import MetricsPage

log = logging.getLogger(__name__)


class Doors:
    """Owns both, from `open` to `close`; what was asked before is answered until `drain` returns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, daemon: Daemon, control: Control) -> None:
        self._loop = loop
        self._daemon = daemon
        self.server = Server(control, settings_of(control, ""), hooks_of(control))
        self._acceptor: Acceptor | None = None
        self._page: MetricsPage | None = None

    def open(self, sock: socket.socket, metrics: str) -> Acceptor:
        """Everybody may connect to the control socket: what they may do is in [access]."""
        self._acceptor = Acceptor(self._loop, sock, self._accepted, self._trouble)
        if metrics:
            from .metricspage import MetricsPage

            self._page = MetricsPage(self._loop, self._daemon, metrics)
        return self._acceptor

    def _accepted(self, fds: list[int]) -> None:
        for fd in fds:
            sock = stream_of(fd, socket.AF_UNIX)
            self.server.accept(sock, Origin(trusted=True, caller=caller_at(sock), tcp=False))

    @staticmethod
    def _trouble(error: OSError) -> None:
        log.warning("control socket paused reason=%s", error.strerror)

    def close(self) -> None:
        """Nobody else comes in."""
        if self._acceptor is not None:
            self._acceptor.close()

    async def drain(self, seconds: float) -> None:
        """Answer those who still ask."""
        if self._page is not None:
            await self._page.close()
        await self.server.drain(seconds)
