"""A run of a program that is no kitten: `type = "notify"` says when it is ready, `simple` need not.

It has no channel: it is stopped by its signal, its lines come by a FIFO, and
what it says comes by sd_notify. To its service it is a worker like others that
never gets a connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from kettlingar.transport import messages
from kettlingar.transport.fdpass import close_all
from kettlingard.core.amounts import rate_of
from kettlingard.core.spec import ServiceSpec
from kettlingard.core.vocabulary import (
    COMING,
    BecameReady,
    Drained,
    Extended,
    Phase,
    WatchdogAnswered,
    WatchdogMissed,
)
from kettlingard.errors import SpawnError
from kettlingard.host.fifo import Lines, Pump
from kettlingard.host.notify import Notices

from .process import Worker

log = logging.getLogger(__name__)


class Program(Worker):
    """Owns the process's pidfd, its notify socket and its FIFO's pump, until `close`."""

    _notices: Notices | None = None
    _pump: Pump | None = None
    _dog: asyncio.TimerHandle | None = None
    _gone = False

    # --- coming up ---

    def start(self) -> None:
        """Its lines are read from the first moment on: what is in a FIFO goes with its last opener,
        and a program may have written and ended before we hear that it was started."""
        if self.launch.fifo is not None:
            with suppress(OSError):  # the start will say it
                self.launch.make_output()
                self._begin_pump()
        super().start()

    def _hear(self, sock: socket.socket) -> None:
        assert self._child is not None
        self._notices = Notices(self._loop, sock, self._child.pid, self._said)
        if self.launch.fifo is not None and self._pump is None:
            self._begin_pump()

    def begin(self, phase: Phase) -> None:
        """The process is there; a simple one is ready by that."""
        super().begin(phase)
        if phase in COMING and self.launch.spec.service.type == "simple":
            self._tell(BecameReady(self._loop.time()))

    def _begin_pump(self) -> None:
        assert self.launch.fifo is not None
        keys, launch = self.launch.spec.log, self.launch
        record: dict[str, object] | None = None
        if keys.format == "json":
            record = {"service": launch.service, "instance": launch.instance, "level": "info"}
            record["logger"] = os.path.basename(launch.spec.service.exec[0])
        try:
            lines = Lines(*rate_of(keys.rate_limit), record)
            self._pump = Pump(self._loop, self.launch.fifo, lines, launch.open_log)
        except (SpawnError, OSError) as why:
            log.error("log not written service=%s: %s", launch.service, why)  # noqa: TRY400  no defect

    # --- what the service has it do ---

    @property
    def spoken_on(self) -> int:
        """The descriptor by which it says things, to be kept over an exec."""
        assert self._notices is not None
        return self._notices.sock.fileno()

    def say(self, message: messages.Message, fds: list[int] | None = None) -> None:
        """Of all that a worker can be told, it understands that it is to end."""
        close_all(fds or [])
        if isinstance(message, messages.Drain):
            self._loop.call_soon(lambda: self._tell(Drained(self._loop.time())))
        elif isinstance(message, messages.Quit):
            self.signal(self.launch.spec.service.kill_signal)

    def renew_log(self) -> None:
        """Its log has been renamed."""
        if self._pump is not None:
            try:
                self._pump.renew_log()
            except SpawnError as why:
                log.error("log not renewed service=%s: %s", self.launch.service, why)  # noqa: TRY400  no defect

    def adjust(self, spec: ServiceSpec, before: ServiceSpec) -> None:
        """Its definition has changed in ways that need no new process."""
        super().adjust(spec, before)
        if self._pump is not None and spec.log.rate_limit != before.log.rate_limit:
            self._pump.lines.limit(*rate_of(spec.log.rate_limit))

    # --- what it says ---

    def _said(self, words: Mapping[str, str]) -> None:
        now = self._loop.time()
        if "STATUS" in words:
            self.status = words["STATUS"]
        if words.get("EXTEND_TIMEOUT_USEC", "").isdecimal():
            self._tell(Extended(now, int(words["EXTEND_TIMEOUT_USEC"]) / 1e6))
        if words.get("READY") == "1" and self.launch.spec.service.type == "notify":
            self._tell(BecameReady(now))
        if words.get("WATCHDOG") == "1":
            self._tell(WatchdogAnswered(now))
            self._wait_for_watchdog()

    def _wait_for_watchdog(self) -> None:
        """From its first WATCHDOG=1 on it has to go on saying it."""
        if self._dog is not None:
            self._dog.cancel()
        seconds = self.launch.spec.service.watchdog
        if seconds and not self._gone:
            self._dog = self._loop.call_later(seconds, self._missed)

    def _missed(self) -> None:
        self._wait_for_watchdog()
        self._tell(WatchdogMissed(self._loop.time()))

    # --- the end ---

    def close(self) -> None:
        """Let go of it."""
        self._gone = True
        if self._dog is not None:
            self._dog.cancel()
        if self._notices is not None:
            self._notices.close()
            self._notices = None
        if self._pump is not None:
            self._pump.close()
            self._pump = None
        super().close()
