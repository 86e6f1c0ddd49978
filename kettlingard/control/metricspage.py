"""`ctl metrics` by HTTP, where kettlingard.toml has a listener for it: for programs that scrape.

Whoever can connect reads it, and can do nothing else: what needs credentials nobody has any for.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from pathlib import Path

from kettlingar import HttpResult, RequestInfo, RPCKitten
from kettlingar.config import schema
from kettlingar.requests.server import Server
from kettlingar.requests.serving import Origin
from kettlingar.runtime import hooks_of, settings_of
from kettlingar.transport.acceptor import Acceptor, stream_of
from kettlingard.daemon import Daemon
from kettlingard.errors import ListenError
from kettlingard.host.listeners import is_path, listen

from . import showing

log = logging.getLogger(__name__)

AGAIN = 5.0  # seconds until an address that somebody else has is tried again
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Page(RPCKitten):
    """kettlingard-metrics - the numbers of the supervisor and of its kittens"""

    class Configuration(schema.Configuration):
        APP_NAME = "kettlingard-metrics"

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(args=[])
        self._daemon = daemon

    async def public_api_metrics(self, request: RequestInfo) -> HttpResult:
        """Give all numbers as one OpenMetrics page."""
        services = [one for _, one in sorted(self._daemon.services.items())]
        return HttpResult(OPENMETRICS, await showing.metrics(self._daemon, services))


class MetricsPage:
    """Owns the listener, until `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, daemon: Daemon, stream: str) -> None:
        self._loop = loop
        self._stream = stream
        self._acceptor: Acceptor | None = None
        self._again: asyncio.TimerHandle | None = None
        self._trouble = ""
        page = Page(daemon)
        token = secrets.token_urlsafe()  # which nobody ever sees
        self._server = Server(page, settings_of(page, token), hooks_of(page))
        self._open()

    def _open(self) -> None:
        self._again = None
        try:
            sock = listen(self._stream)
        except ListenError as why:
            if str(why) != self._trouble:
                log.error("no metrics by HTTP: %s", why)  # noqa: TRY400  no defect
            self._trouble = str(why)
            self._again = self._loop.call_later(AGAIN, self._open)
            return
        log.info("metrics address=%s", self._stream)
        self._acceptor = Acceptor(self._loop, sock, self._accepted, self._paused)

    def _accepted(self, fds: list[int]) -> None:
        tcp = not is_path(self._stream)
        for fd in fds:
            sock = stream_of(fd, socket.AF_INET if tcp else socket.AF_UNIX)
            self._server.accept(sock, Origin(tcp=tcp))

    @staticmethod
    def _paused(error: OSError) -> None:
        log.warning("metrics paused reason=%s", error.strerror)

    async def close(self) -> None:
        """Answer nobody any more."""
        self._leave()
        await self._server.drain(0.0)

    def _leave(self) -> None:
        if self._again is not None:
            self._again.cancel()
        if self._acceptor is not None:
            self._acceptor.close()
            if is_path(self._stream):
                Path(self._stream).unlink(missing_ok=True)
