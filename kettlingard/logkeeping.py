"""Logs do not grow for ever: rotated by size, compressed and removed, nothing lost.

A full log is renamed; whoever writes to it gets a descriptor of the new one and
changes over between two lines. The old one is compressed when the kernel says
that nobody has it open for writing any more. Without a change in the folder of
logs nothing here wakes up, but once an hour, since old logs also go by age.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from kettlingard.core.spec import LogKeys
from kettlingard.host.inotify import Changes
from kettlingard.host.oldlogs import forget_unfinished, put_aside, tidy

from .daemon import Daemon
from .ownlog import OwnLog
from .services.service import Service

log = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks at logs that grow
AGAIN = 2.0  # seconds until one that was still written to is looked at again
HOUR = 3600.0


class _Log(Struct, frozen=True):
    """One log that is written to; `service` None: our own."""

    path: Path
    keys: LogKeys
    service: Service | None
    instance: int = 0


class LogKeeper:
    """Owns the task that looks after the logs, until `close`."""

    def __init__(self, daemon: Daemon, own: OwnLog) -> None:
        self._daemon = daemon
        self._own = own
        self._folder = Path(daemon.layout.log)
        self._stopped = threading.Event()
        self._due = asyncio.Event()  # old logs are to be tidied
        self._known: dict[Path, LogKeys] = {}  # also of services that have ended
        self._tasks = [
            daemon.loop.create_task(self._look_after_sizes()),
            daemon.loop.create_task(self._look_after_old_ones()),
        ]

    def reopen(self) -> None:
        """Somebody has renamed logs (SIGUSR1): have all written to files of the right names."""
        for one in self._logs():
            self._hand_over(one)
        self._due.set()

    async def close(self) -> None:
        """Stop, also in the middle of a compression, which is begun again at the next start."""
        self._stopped.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- sizes ---

    async def _look_after_sizes(self) -> None:
        forget_unfinished(self._folder)
        changes = Changes(self._daemon.loop, self._folder)
        try:
            while True:
                self._look()
                await changes.wait()
                await asyncio.sleep(PAUSE)
        finally:
            changes.close()

    def _look(self) -> None:
        for one in self._logs():
            try:
                size = one.path.stat().st_size
            except FileNotFoundError:
                self._hand_over(one)  # somebody removed it: lines would go nowhere
                continue
            except OSError:
                continue
            if 0 < one.keys.max_size <= size:
                self._rotate(one)

    def _rotate(self, one: _Log) -> None:
        try:
            put_aside(one.path)
        except OSError as why:
            log.error("log not rotated file=%s reason=%s", one.path, why.strerror)  # noqa: TRY400  no defect
            return
        self._hand_over(one)
        self._due.set()

    def _hand_over(self, one: _Log) -> None:
        if one.service is None:
            self._own.reopen()
        else:
            one.service.renew_log(one.instance)

    def _logs(self) -> Iterator[_Log]:
        yield self._seen(_Log(self._own.path, LogKeys(), None))
        for service in self._daemon.services.values():
            for instance in {worker.launch.instance for worker in service.workers.values()}:
                if service.spec is not None and service.spec.log.target == "file":
                    path = service.log_file(instance)
                    yield self._seen(_Log(path, service.spec.log, service, instance))

    def _seen(self, one: _Log) -> _Log:
        self._known[one.path] = one.keys
        return one

    # --- old ones ---

    async def _look_after_old_ones(self) -> None:
        wait = 0.0  # what the last supervisor left is compressed now
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._due.wait()
            self._due.clear()
            wait = HOUR if await self._tidy_all() else AGAIN

    async def _tidy_all(self) -> bool:
        complete = True
        for path, keys in list(self._known.items()):
            with suppress(OSError):
                complete &= await asyncio.to_thread(
                    tidy,
                    path,
                    keep=keys.keep,
                    max_age=keys.max_age,
                    squeeze=keys.compress,
                    stopped=self._stopped.is_set,
                )
        return complete
