"""A worker that this process has started before it became its present version."""

from __future__ import annotations

import asyncio
import socket
from typing import TypeVar

import msgspec

from kettlingar.transport import messages
from kettlingar.transport.channel import Channel
from kettlingard.core.passage import PassedRun
from kettlingard.core.snapshot import RunRecord
from kettlingard.core.vocabulary import COMING, Phase
from kettlingard.host import procid, spawn
from kettlingard.host.reap import Reaper

from .launch import Launch
from .process import Listener, Worker
from .program import Program
from .pulse import Pulse
from .start import Starter

M = TypeVar("M", bound=messages.Message)


class ContinuedWorker(Worker):
    """Its channel was never closed: it has noticed nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        starter: Starter,
        launch: Launch,
        listener: Listener,
        *,
        record: RunRecord,
        passed: PassedRun,
    ) -> None:
        super().__init__(loop, reaper, starter, launch, listener)
        self.adopted = passed.adopted
        self.status = passed.status
        self.pid = record.pid
        self.identity = procid.ProcId(record.pid, record.start)
        self.hello = _message(passed.hello, messages.Hello)
        self.ready = _message(passed.ready, messages.Ready)
        self._child = spawn.Child(record.pid, passed.pidfd)
        sock = socket.socket(fileno=passed.channel)
        self._channel = Channel(loop, sock, messages.FromWorker, self._message, self._channel_ended)

    def begin(self, phase: Phase) -> None:
        """It is `phase` that the run was in: go on from there."""
        assert self._child is not None
        self._reaper.watch(self._child.pid, self._child.pidfd, self._ended)
        if phase in COMING:
            ready, self.ready = self.ready, None
            if ready is not None:  # it was being pinged
                self._on_ready(ready)
            return
        keys = self.launch.spec.service
        self._pulse = Pulse(
            self._loop, keys.watchdog, keys.watchdog_timeout, self._questions.ping, self._tell
        )


def pack(worker: Worker) -> PassedRun:
    """What of a worker is to be passed on, but its connections."""
    assert worker.child is not None
    return PassedRun(
        channel=_spoken_on(worker),
        pidfd=worker.child.pidfd,
        adopted=worker.adopted,
        hello=None if worker.hello is None else msgspec.to_builtins(worker.hello),
        ready=None if worker.ready is None else msgspec.to_builtins(worker.ready),
        status=worker.status,
    )


def _spoken_on(worker: Worker) -> int:
    return worker.notify_socket.fileno() if isinstance(worker, Program) else worker.channel.fileno()


def continued(
    loop: asyncio.AbstractEventLoop,
    reaper: Reaper,
    starter: Starter,
    launch: Launch,
    listener: Listener,
    *,
    record: RunRecord,
    passed: PassedRun,
) -> ContinuedWorker | Program:
    """The worker of a run that was passed on, whatever it is."""
    if launch.spec.is_kitten:
        return ContinuedWorker(
            loop, reaper, starter, launch, listener, record=record, passed=passed
        )
    program = Program(loop, reaper, starter, launch, listener)
    program.adopted, program.status = passed.adopted, passed.status
    child = spawn.Child(record.pid, passed.pidfd)
    notify = socket.socket(fileno=passed.channel)
    program.take(child, notify, procid.ProcId(record.pid, record.start))
    return program


def _message(data: dict[str, object] | None, kind: type[M]) -> M | None:
    return None if data is None else msgspec.convert(data, kind)
