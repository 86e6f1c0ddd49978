"""`kettlingard dev MODULE:CLASS`: one service, and a new process of it whenever a source is saved.

It is `kettlingard up` with a definition that it makes itself, and with a front that
shows the service's log, says what becomes of it, and restarts it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from zlib import crc32

from kettlingard.core.development import Painter, Service, definition, in_short
from kettlingard.core.layout import Layout
from kettlingard.errors import AlreadyRunningError
from kettlingard.host.files import private_dir, write_atomic
from kettlingard.host.logs import Follower, follow
from kettlingard.host.saves import saves
from kettlingard.host.signals import Wish

from .control.commands import Commands, targets
from .daemon import Daemon
from .front import Front, say, url
from .services.events import Record

AGAIN = 60.0  # seconds
FAILED = 1


def home_of(service: Service, state: str) -> Path:
    """Where its supervisor keeps its things: the same at each start, so that state is kept."""
    mark = crc32(os.fsencode(service.folder))  # another folder may have a class of this name
    return Path(state) / "dev" / f"{service.name}-{mark:08x}"


class Dev(Front):
    """Owns the tasks that watch."""

    echo = False
    ending = frozenset({Wish.RELOAD})  # SIGHUP: the terminal has gone

    def __init__(self, service: Service) -> None:
        self.failed = False  # it could not even begin
        self._wanted = service
        self._painter = Painter(colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
        self._tasks: list[asyncio.Task[None]] = []

    def already(self, why: AlreadyRunningError) -> str:
        """This class of this folder."""
        return f"{self._wanted.name} of {self._wanted.folder} runs already (pid {why.pid})"

    def prepare(self, layout: Layout) -> None:
        """Write the definition."""
        folder = private_dir(Path(layout.services[0]))
        write_atomic(folder / f"{self._wanted.name}.toml", definition(self._wanted).encode())

    def begin(self, daemon: Daemon, ctl: str, *, again: bool) -> None:
        """The service was told to start, or goes `again` after an upgrade."""
        wanted, service = self._wanted, daemon.services[self._wanted.name]
        reasons = [*map(str, service.problems), service.listening.problem]
        for reason in filter(None, reasons):
            self._say(f"{reason}{_hint(reason)}", bad=True)
            self.failed = True
        if self.failed:
            daemon.drain("dev")
            return
        if not again:
            self._say(f"{wanted.name} at {url(f'127.0.0.1:{wanted.port}')} from {wanted.folder}")
            self._say(f"Ctrl-C ends it; more of it: {ctl}")
        if daemon.remembered.is_stopped(wanted.name):  # by ctl, the last time
            self._restart(daemon, "dev")
        for work in (self._show_log(daemon), self._show_events(daemon, again), self._watch(daemon)):
            self._tasks.append(daemon.loop.create_task(work))

    def close(self) -> None:
        """Watch no longer."""
        for task in self._tasks:
            task.cancel()

    def _say(self, text: str, *, bad: bool = False) -> None:
        say(self._painter.own(text, bad=bad))

    def _restart(self, daemon: Daemon, why: str) -> None:
        commands = Commands(daemon)
        with suppress(Exception):
            commands.restart(targets(daemon, [self._wanted.name]), why)

    async def _show_log(self, daemon: Daemon) -> None:
        path = daemon.services[self._wanted.name].log_file(1)
        async for _, _, line in follow(path.parent, {path: Follower(path)}):
            say(self._painter.line(line))

    async def _show_events(self, daemon: Daemon, again: bool) -> None:
        service = daemon.services[self._wanted.name]
        seen = service.history.last if again else 0
        while True:
            for record in service.history.after(seen):
                seen = record.number
                self._show(record)
            await daemon.bell.wait(AGAIN)

    def _show(self, record: Record) -> None:
        if record.after == "ready":
            self._say(f"ready (pid {record.pid})")
        elif record.unasked:
            self._say(f"{record.reason}; waiting for the next save", bad=True)

    async def _watch(self, daemon: Daemon) -> None:
        async for paths in saves(Path(self._wanted.folder)):
            for path in paths:  # its time may be that of another text, in whole seconds
                with suppress(OSError, NotImplementedError):
                    os.unlink(cache_from_source(path))
            said = in_short(paths, self._wanted.folder)
            self._say(f"{said} saved")
            self._restart(daemon, f"{said} was saved")


def _hint(reason: str) -> str:
    return "; --port N says another one" if reason.startswith("cannot listen") else ""
