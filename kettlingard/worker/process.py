"""One run as a process: started or taken over, signalled, watched to its end.

Facts go up as events of core.vocabulary, what is to be done comes down as
calls; nothing is decided here. How one speaks with it is its kind's matter: a
kitten has a channel, a program has not. The order at an end matters: last words,
then the event, on which the service sweeps up while the dead process still keeps
its number, then everything is closed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kettlingar.transport import messages
from kettlingar.transport.channel import Channel
from kettlingard.core import limits
from kettlingard.core.spec import ServiceSpec
from kettlingard.core.vocabulary import Event, Exited, Phase, Spawned, SpawnFailed
from kettlingard.errors import SpawnError
from kettlingard.host import cgroup, procid, spawn
from kettlingard.host.reap import ExitStatus, Reaper

from .launch import Launch
from .load import Load
from .start import Outcome, Starter

log = logging.getLogger(__name__)


class Listener(Struct, frozen=True):
    """Who hears of a worker; each is called from the event loop."""

    event: Callable[[Event], None]
    progress: Callable[[messages.Progress], None]
    asks: Callable[[messages.Ask], None]  # answered by Worker.answer
    moved: Callable[[messages.Moved, list[int]], None]  # connections that it gives back
    noted: Callable[[str], bool]  # is the run of this mark one that our successor would know?


class Worker:
    """Owns the process's pidfd, until `close`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        starter: Starter,
        launch: Launch,
        listener: Listener,
    ) -> None:
        self._loop = loop
        self._starter = starter
        self._reaper = reaper
        self._listener = listener
        self.launch = launch
        self.pid: int | None = None
        self.hello: messages.Hello | None = None
        self.ready: messages.Ready | None = None
        self.pong = messages.Pong(number=0)
        self.status = ""
        self.adopted = False  # it was another supervisor's: no child of ours
        self.load = Load(loop.time())
        self.identity: procid.ProcId | None = None
        self._child: spawn.Child | None = None
        self._closed = False

    # --- coming up ---

    def start(self) -> None:
        """Begin; Spawned or SpawnFailed follows, never before this returns."""
        self._starter.start(replace(self.launch, forked=self._forked), self._spawned)

    def _forked(self, child: spawn.Child) -> None:
        """There is a process that waits: before it can do anything, our successor knows of it."""
        self.pid, self.identity = child.pid, procid.identify(child.pid)
        self._listener.noted(self.launch.mark)

    def _spawned(self, outcome: Outcome) -> None:
        if isinstance(outcome, SpawnError):
            known = os.strerror(outcome.errno) if outcome.errno else ""
            text = f"{known} {outcome.subject}".strip()
            self._tell(SpawnFailed(self._loop.time(), outcome.step, text))
            self.close()
            return
        child = outcome.child
        self.take(child, outcome.channel, procid.identify(child.pid))
        self.begin(Phase.SPAWNING)

    def take(
        self, child: spawn.Child, spoken_on: socket.socket, identity: procid.ProcId | None
    ) -> None:
        """This process it is; both descriptors are ours from now on."""
        self._child, self.pid, self.identity = child, child.pid, identity
        self._hear(spoken_on)

    def begin(self, phase: Phase) -> None:
        """The process is there, and `phase` is where its run stands: go on from it."""
        assert self._child is not None
        self._reaper.watch(self._child.pid, self._child.pidfd, self._ended)
        if phase is Phase.SPAWNING:
            self._tell(Spawned(self._loop.time()))

    # --- what its kind knows ---

    def _hear(self, sock: socket.socket) -> None:
        raise NotImplementedError

    @property
    def spoken_on(self) -> int:
        """The descriptor by which it says things, to be kept over an exec."""
        raise NotImplementedError

    @property
    def channel(self) -> Channel:
        """Where connections are sent; only of a kitten that has been ready."""
        raise LookupError(f"{self.launch.service} is no kitten: it has no channel")

    @property
    def queued(self) -> bool:
        """Has it been told what it has not read yet?"""
        return False

    def say(self, message: messages.Message, fds: list[int] | None = None) -> None:
        """Tell it, if it understands that; descriptors are its own from now on."""
        raise NotImplementedError

    def renew_log(self) -> None:
        """Have it write to the file that has the log's name now."""
        raise NotImplementedError

    def adjust(self, spec: ServiceSpec, before: ServiceSpec) -> None:
        """Its definition has changed in ways that need no new process."""
        self.launch = replace(self.launch, spec=spec)
        changed = limits.changed(before.resources, spec.resources)
        group = self.launch.cgroup
        if changed and group is not None:
            try:
                self.launch.cgroups.limit(group, limits.contents(spec.resources, changed))
            except OSError as why:
                log.error("limits not changed service=%s: %s", self.launch.service, why)  # noqa: TRY400  no defect

    def configure(self, config: Mapping[str, Any], secret: str = "") -> None:
        """Tell it settings, whether they are new to it or not."""

    def dump_stacks(self) -> None:
        """Have it write its stacks to its log, if it can."""

    async def refresh(self, seconds: float) -> None:
        """Have `pong` told anew, if it answers within `seconds`."""

    async def stacks(self, seconds: float) -> str | None:
        """What it is doing; None if its loop does not answer in time."""
        return None

    # --- what the service has it do ---

    @property
    def child(self) -> spawn.Child | None:
        """The process, once there is one."""
        return self._child

    def signal(self, number: int) -> None:
        """Send a signal to the process alone; to what prepares it, while there is none."""
        if self._child is not None:
            self._child.send(number)
        elif not self._closed:
            self._starter.signal(self.launch, number)

    def kill(self) -> None:
        """End it and all that it has started."""
        self.signal(signal.SIGKILL)
        self.sweep()

    def sweep(self) -> None:
        """End what it has started; it may be dead itself, but not yet reaped."""
        if self.identity is None or self.launch.spec.service.kill_mode == "process":
            return
        group = self.launch.cgroup
        if group is not None and group.is_dir():
            left = [pid for pid in cgroup.kill(group) if pid != self.identity.pid]
        else:
            killed = procid.kill_members(self.identity, self.launch.mark)
            left = [who.pid for who in killed if who != self.identity]
        if left:
            log.warning("leftovers killed service=%s pids=%s", self.launch.service, left)

    # --- the end ---

    def _last_words(self, end: ExitStatus) -> None:
        """It has ended so: tell what it said before."""

    def _ended(self, end: ExitStatus) -> None:
        self._last_words(end)
        self._tell(Exited(self._loop.time(), end.code, end.signal))
        self.close()

    def _tell(self, event: Event) -> None:
        if not self._closed:
            self._listener.event(event)

    def close(self) -> None:
        """Let go of it: nothing is told any more."""
        self._closed = True
        self.launch.tidy()
        if self._child is not None:
            self._reaper.forget(self._child.pid)
            self._child.close()
