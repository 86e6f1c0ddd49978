"""exec_start_pre: commands that have to succeed before the first run of a generation may start."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from kettlingard.errors import SpawnError
from kettlingard.host import spawn
from kettlingard.host.reap import ExitStatus, Reaper

from .launch import Launch
from .start import Outcome, Starter, Tell

Done = Callable[[SpawnError | None], None]


@dataclass(slots=True)
class _Waiting:
    """Runs that wait for the same commands."""

    waiting: list[tuple[Launch, Tell]] = field(default_factory=list)


class Prepared:
    """A starter that runs these commands first, once a generation; its runs wait for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reaper: Reaper, then: Starter) -> None:
        self._loop = loop
        self._reaper = reaper
        self._then = then
        self._done: dict[str, int] = {}  # service -> the last generation that is prepared
        self._now: dict[tuple[str, int], _Waiting] = {}

    def start(self, launch: Launch, tell: Tell) -> None:
        """Run the commands if they have not been run, then start."""
        key = (launch.service, launch.generation)
        commands = launch.spec.service.exec_start_pre if launch.generation else ()
        if not commands or self._done.get(launch.service, 0) >= launch.generation:
            self._then.start(launch, tell)
            return
        if key in self._now:
            self._now[key].waiting.append((launch, tell))
            return
        self._now[key] = _Waiting([(launch, tell)])
        deadline = self._loop.time() + launch.spec.service.timeout_start
        _Series(self._loop, self._reaper, launch, deadline, lambda why: self._known(key, why))

    def _known(self, key: tuple[str, int], why: SpawnError | None) -> None:
        waiting = self._now.pop(key).waiting
        if why is None:
            self._done[key[0]] = key[1]
        for launch, tell in waiting:
            if why is None:
                self._then.start(launch, tell)
            else:
                outcome: Outcome = why
                tell(outcome)


class _Series:
    """One command after the other, until one does not succeed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        launch: Launch,
        deadline: float,
        done: Done,
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._launch = launch
        self._done = done
        self._left = list(launch.spec.service.exec_start_pre)
        self._child: spawn.Child | None = None
        self._late = False
        self._timer = loop.call_at(deadline, self._too_late)
        loop.call_soon(self._next)

    def _next(self) -> None:
        if not self._left:
            self._end(None)
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
        self._reaper.watch(outcome.pid, outcome.pidfd, self._ended)
        if self._late:
            outcome.send(signal.SIGKILL)

    def _too_late(self) -> None:
        self._late = True
        if self._child is not None:
            self._child.send(signal.SIGKILL)

    def _ended(self, end: ExitStatus) -> None:
        assert self._child is not None
        self._child.close()
        self._child = None
        command = self._left.pop(0)
        if end.code == 0:
            self._next()
            return
        how = "it took longer than timeout_start" if self._late else str(end)
        self._end(SpawnError("exec_start_pre", 0, f"{' '.join(command)}: {how}"))

    def _end(self, why: SpawnError | None) -> None:
        self._timer.cancel()
        self._done(why)
