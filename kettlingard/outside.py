"""What whoever runs us gets to know: ready, a line of status, that we live, and why we end.

systemd by sd_notify(3), a container by our exit code. One task that wakes up
when a service changes, and for the watchdog if there is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from kettlingar.transport.notify import Notifier
from kettlingard.core.end import End
from kettlingard.core.words import Word

from .daemon import Daemon
from .services.service import Service

log = logging.getLogger(__name__)

SIGNALLED = 128  # and the number of the signal, as shells say it
NEVER = 3600.0


class Outside:
    """Owns its task, until `close`. `exit_code` is what the process is to end with."""

    def __init__(
        self, daemon: Daemon, environ: Mapping[str, str], *, exit_on_failure: bool = False
    ) -> None:
        self.exit_code = 0
        self._daemon = daemon
        self._notifier = Notifier.from_environment(environ)
        self._pulse = _seconds(environ.get("WATCHDOG_USEC", "")) / 2 or NEVER
        self._all_essential = exit_on_failure
        self._said = ""
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """We answer, and go on saying how it is."""
        self._said = self._status()
        self._notifier.ready(self._said)
        self._task = self._daemon.loop.create_task(self._go_on())

    def reload(self, work: Callable[[], object]) -> None:
        """Do `work`; systemd waits for its end (Type=notify-reload)."""
        self._notifier.reloading(int(self._daemon.loop.time() * 1e6))
        try:
            work()
        finally:
            self._notifier.ready(self._said)

    def ending(self) -> None:
        """No service is left."""
        self._notifier.stopping()

    def close(self) -> None:
        """Say nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _go_on(self) -> None:
        while True:
            self._notifier.alive()
            self._end_for_essential()
            await self._daemon.bell.wait(self._pulse)
            status = self._status()
            if status != self._said:
                self._said = status
                self._notifier.status(status)

    def _status(self) -> str:
        words = [service.word for service in self._daemon.services.values()]
        up, failed = words.count(Word.READY), words.count(Word.FAILED)
        text = f"{self._daemon.state}: {up} of {len(words)} services ready"
        return f"{text}, {failed} failed" if failed else text

    def _end_for_essential(self) -> None:
        if self._daemon.state != "running":
            return
        for service in self._daemon.services.values():
            keys = service.spec.service if service.spec is not None else None
            essential = self._all_essential or (keys is not None and keys.essential)
            if essential and service.word is Word.FAILED:
                self.exit_code = _code_of(service)
                log.error(
                    "essential service failed service=%s code=%d", service.name, self.exit_code
                )
                self._daemon.drain(f"{service.name} failed")
                return


def _code_of(service: Service) -> int:
    """Its exit code; 1 where a process never was, or ended well when it should not have."""
    ends = [place.last_end for place in service.state.places.values()]
    return next((code for end in ends if end is not None and (code := _code(end))), 1)


def _code(end: End) -> int:
    return SIGNALLED + end.signal if end.signal is not None else end.code or 0


def _seconds(text: str) -> float:
    return int(text) / 1e6 if text.isdecimal() else 0.0
