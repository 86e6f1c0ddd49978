"""One zygote as the supervisor sees it: started, told what to import, asked to fork.

Whatever goes wrong with it - it ends, it hangs, it refuses - costs only speed:
whoever asked hears None, and executes a fresh interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from kettlingar.transport import forking
from kettlingar.transport.channel import Channel, channel_pair
from kettlingar.transport.fdpass import close_all
from kettlingard.errors import SpawnError
from kettlingard.host import procid, spawn
from kettlingard.host.accounts import variables_of
from kettlingard.host.reap import ExitStatus, Reaper

from .asked import Asked, Tell, prepare
from .choice import Kind

log = logging.getLogger(__name__)

CHANNEL = 3  # the number of its channel in the zygote
LAST = 1.0  # seconds for the end of a killed zygote
NO_RUN = {"KETTLINGARD_RUN": "-" * 16}  # each worker writes its own over it
COMMAND = ("-P", "-m", "kettlingar", "zygote")


class Phase(Enum):
    """Of a zygote's life."""

    WARMING = "warming"
    WARM = "warm"
    GONE = "gone"


class Zygote:
    """A warm process. `on_end(zygote)` is called once, when it can be asked no more."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        kind: Kind,
        on_end: Callable[[Zygote], None],
    ) -> None:
        self.kind = kind
        self.phase = Phase.WARMING
        self.was_warm = False
        self.began = loop.time()
        self._loop = loop
        self._reaper = reaper
        self._on_end = on_end
        self._asked: dict[int, Asked] = {}  # in order
        self._number = 0
        self._spawning: spawn.Spawning | None = None
        self._child: spawn.Child | None = None
        self._channel: Channel | None = None

    def start(self, env: Mapping[str, str], log_fd: int) -> None:
        """Begin to warm up. Raise SpawnError or OSError."""
        ours, theirs = channel_pair()
        try:
            request = spawn.SpawnRequest(
                argv=[self.kind.python, *COMMAND],
                env={**self._its_own(env), "KETTLINGARD_CHANNEL": str(CHANNEL), **NO_RUN},
                cwd="/",
                fds=[(theirs.fileno(), CHANNEL)],
                stdout_fd=log_fd,
                umask=0o077,
                no_new_privileges=False,  # each worker gives them up, or not
                ids=spawn.Ids(*self.kind.ids) if self.kind.ids else None,
            )
            spawning = spawn.begin(request)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = Channel(self._loop, ours, forking.FromZygote, self._said, self._hung_up)
        self._channel.send(
            forking.Preload(list(self.kind.python_path), list(self.kind.preload)),
        )
        self._spawning = spawning
        spawning.when_known(self._loop, self._spawned)

    def _its_own(self, env: Mapping[str, str]) -> dict[str, str]:
        """Another user's zygote imports with that user's home, not with ours."""
        if self.kind.ids is None:
            return dict(env)
        shared = {name: value for name, value in env.items() if name != "XDG_RUNTIME_DIR"}
        return {**shared, **variables_of(self.kind.ids[0])}

    def _spawned(self, outcome: spawn.Child | SpawnError) -> None:
        self._spawning = None
        if isinstance(outcome, SpawnError):
            self.end(str(outcome))
        elif self.phase is Phase.GONE:
            _kill(outcome)
        else:
            self._child = outcome
            self._reaper.watch(outcome.pid, outcome.pidfd, self._exited)

    @property
    def pid(self) -> int:
        """Its pid; 0 when it has gone."""
        return self._child.pid if self._child is not None else 0

    @property
    def waited_for(self) -> bool:
        """Somebody has asked it, and has no answer yet."""
        return bool(self._asked)

    # --- asking ---

    def ask(self, request: spawn.SpawnRequest, patience: float, tell: Tell) -> None:
        """Have it fork `request`; `tell` gets the child on its way, or None, once.

        None comes when it has gone, refuses, or said nothing for `patience`
        seconds. The request's descriptors stay the caller's. Raise OSError if
        there is none left for the report.
        """
        number = self._number + 1
        order, fds, report = prepare(number, request)
        timer = self._loop.call_later(patience, self._too_slow, number)
        self._asked[number] = Asked(order, fds, report, tell, timer)
        self._number = number
        if self.phase is Phase.WARM:
            self._send(self._asked[number])

    def _send(self, asked: Asked) -> None:
        assert self._channel is not None
        asked.sent = True  # the channel owns the descriptors now
        self._channel.send(asked.order, asked.fds)

    def _take(self, number: int) -> Asked | None:
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked.timer.cancel()
        return asked

    def _drop(self, number: int) -> None:
        """Nothing comes of it: whoever asked does without."""
        asked = self._take(number)
        if asked is not None:
            asked.forget()
            asked.tell(None)

    def _too_slow(self, number: int) -> None:
        if self._asked[number].sent:
            self.end("it does not answer")  # what it may still fork finds its channel closed
        else:
            self._drop(number)

    # --- what it says ---

    def _said(self, message: Any, fds: list[int]) -> None:
        close_all(fds)  # it has none to give
        if isinstance(message, forking.Warm):
            self._warm(message)
        elif isinstance(message, forking.Cold):
            self.end(f"it cannot import what it is to preload: {message.error}")
        elif isinstance(message, forking.Forked):
            self._forked(message)
        elif isinstance(message, forking.Refused):
            self._refused(message)

    def _warm(self, message: forking.Warm) -> None:
        if message.protocol != forking.PROTOCOL:
            self.end(f"kettlingar {message.version} of {self.kind.python} speaks another protocol")
            return
        self.phase, self.was_warm = Phase.WARM, True
        seconds = self._loop.time() - self.began
        log.info("zygote warm pid=%d seconds=%.2f python=%s", self.pid, seconds, self.kind.python)
        for asked in list(self._asked.values()):
            self._send(asked)

    def _refused(self, message: forking.Refused) -> None:
        if message.reason == "changed":
            self.end(f"changed: {message.why}")
        elif message.reason == "unsafe":
            self.was_warm = False  # a new one would be no better
            self.end(f"it cannot fork: {message.why}")
        else:
            log.warning("zygote busy pid=%d reason=%s", self.pid, message.why)
            self._drop(message.number)

    def _forked(self, message: forking.Forked) -> None:
        asked = self._take(message.number)
        if asked is None:
            return
        child = self._adopted(message.pid)
        if child is None:
            asked.forget()
            self.end(f"it named a process that is not its worker: {message.pid}")
            asked.tell(None)
            return
        asked.tell(spawn.Spawning(child, asked.report))

    def _adopted(self, pid: int) -> spawn.Child | None:
        """The new process, if it can be what the zygote says: a child of ours that nobody knows.

        Nothing reaps strangers while a fork is on its way (Reaper.hold), so the
        number is still this process's. A zygote has a service's rights, and
        must not make a supervisor kill somebody else.
        """
        stat = procid.read_stat(pid)
        if stat is None or stat.parent != os.getpid() or self._reaper.watches(pid):
            return None
        with contextlib.suppress(OSError):
            return spawn.Child(pid, os.pidfd_open(pid))
        return None

    # --- the end ---

    def _exited(self, end: ExitStatus) -> None:
        if self._channel is not None:
            self._channel.drain_now()  # it may have forked before it ended
        self._close_child()
        self.end(str(end))

    def _hung_up(self) -> None:
        assert self._channel is not None
        self.end(self._channel.error)

    def end(self, why: str) -> None:
        """Ask it no more; those who wait hear None. It ends by itself, or is killed."""
        if self.phase is Phase.GONE:
            return
        log.info("zygote ended pid=%d reason=%s", self.pid, why)
        self.phase = Phase.GONE
        self._let_go()
        self._on_end(self)
        for number in list(self._asked):
            self._drop(number)

    def close(self) -> None:
        """The supervisor ends: kill it, see it gone, and tell nobody."""
        self.phase = Phase.GONE
        child = self._spawning.child if self._spawning is not None else self._child
        if child is not None:
            self._reaper.forget(child.pid)
            _kill(child, wait=LAST)
        self._child = None
        self._let_go()
        for number in list(self._asked):
            asked = self._take(number)
            if asked is not None:
                asked.forget()

    def _let_go(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._child is not None:
            self._reaper.forget(self._child.pid)  # its sweep has the rest
            _kill(self._child)
            self._child = None

    def _close_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _kill(child: spawn.Child, wait: float = 0.0) -> None:
    """Kill a zygote, which holds nothing; see its end within `wait` seconds."""
    if not child.send(signal.SIGKILL):
        child.close()
        return
    ended = select.poll()
    ended.register(child.pidfd, select.POLLIN)
    if wait and ended.poll(wait * 1000):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
    child.close()
