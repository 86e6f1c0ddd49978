"""exec_start_pre: commands that have to succeed before the first run of a generation may start."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from msgspec import Struct, field

from kettlingard.errors import SpawnError
from kettlingard.host import procid, spawn
from kettlingard.host.reap import ExitStatus, Reaper

from .launch import Launch
from .start import Starter, Tell

Done = Callable[[SpawnError | None], None]
Key = tuple[str, int]  # service and generation

STOPPED = SpawnError("exec_start_pre", 0, "it was stopped before it was done")


class _Waiting(Struct):
    """Runs that wait for the same commands; `later` ones came when these were being stopped."""

    series: _Series
    waiting: list[tuple[Launch, Tell]] = field(default_factory=list)
    later: list[tuple[Launch, Tell]] = field(default_factory=list)


class Prepared:
    """A starter that runs these commands first, once a generation; its runs wait for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reaper: Reaper, then: Starter) -> None:
        self._loop = loop
        self._reaper = reaper
        self._then = then
        self._done: dict[str, int] = {}  # service -> the last generation that is prepared
        self._now: dict[Key, _Waiting] = {}

    def start(self, launch: Launch, tell: Tell) -> None:
        """Run the commands if they have not been run, then start."""
        key = (launch.service, launch.generation)
        commands = launch.spec.service.exec_start_pre if launch.generation else ()
        if not commands or self._done.get(launch.service, 0) >= launch.generation:
            self._then.start(launch, tell)
            return
        here = self._now.get(key)
        if here is None:
            series = _Series(self._loop, self._reaper, launch, lambda why: self._known(key, why))
            here = self._now[key] = _Waiting(series)
        (here.later if here.series.stopping else here.waiting).append((launch, tell))

    def signal(self, launch: Launch, number: int) -> None:
        """This run is not wanted any more; nor are its commands, if no other one waits for them."""
        here = self._now.get((launch.service, launch.generation))
        if here is None:
            return
        mine = [one for one in here.waiting if one[0].mark == launch.mark]
        if not mine:
            return
        if len(here.waiting) == 1:
            here.series.stop(number)
            return
        here.waiting.remove(mine[0])
        self._loop.call_soon(mine[0][1], STOPPED)

    def _known(self, key: Key, why: SpawnError | None) -> None:
        here = self._now.pop(key)
        if why is None:
            self._done[key[0]] = key[1]
        for launch, tell in here.waiting:
            if why is None:
                self._then.start(launch, tell)
            else:
                tell(why)
        for launch, tell in here.later:
            self.start(launch, tell)


class _Series:
    """One command after the other, until one does not succeed."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, reaper: Reaper, launch: Launch, done: Done
    ) -> None:
        self.stopping = False
        self._loop = loop
        self._reaper = reaper
        self._launch = launch
        self._done = done
        self._left = list(launch.spec.service.exec_start_pre)
        self._child: spawn.Child | None = None
        self._who: procid.ProcId | None = None
        self._signal = 0  # to be sent as soon as there is somebody
        self._late = False
        self._timer = loop.call_later(launch.spec.service.timeout_start, self._too_late)
        loop.call_soon(self._next)

    def stop(self, number: int) -> None:
        """End what runs by this signal; nothing follows it."""
        self.stopping = True
        self._send(number)

    def _too_late(self) -> None:
        self._late = True
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        self._signal = number
        if self._child is not None:
            self._child.send(number)

    def _next(self) -> None:
        if self.stopping or not self._left:
            self._end(STOPPED if self.stopping else None)
            return
        try:
            log = self._launch.open_log()
            try:
                spawning = spawn.begin(self._launch.command(self._left[0], log))
            finally:
                os.close(log)
        except SpawnError as why:
            self._end(why)
            return
        spawning.when_known(self._loop, self._begun)

    def _begun(self, outcome: spawn.Child | SpawnError) -> None:
        if isinstance(outcome, SpawnError):
            self._end(SpawnError("exec_start_pre", outcome.errno, outcome.subject))
            return
        self._child = outcome
        self._who = procid.identify(outcome.pid)
        self._reaper.watch(outcome.pid, outcome.pidfd, self._ended)
        if self._signal:
            outcome.send(self._signal)

    def _ended(self, end: ExitStatus) -> None:
        assert self._child is not None
        self._child.close()
        self._child = None
        command = self._left.pop(0)
        if self._who is not None:
            procid.kill_members(self._who)  # what it has started does not outlive it
        if self.stopping or end.code == 0:
            self._next()
            return
        how = "it took longer than timeout_start" if self._late else str(end)
        self._end(SpawnError("exec_start_pre", 0, f"{' '.join(command)}: {how}"))

    def _end(self, why: SpawnError | None) -> None:
        self._timer.cancel()
        self._done(why)
