"""A worker that another supervisor has started, and that goes on under this one.

It has been visited at its meeting point; it answers Adopt with what it is. What
it says after that waits until its service is ready to hear it (`begin`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any

from kettlingar.transport import messages
from kettlingar.transport.fdpass import close_all
from kettlingar.transport.peercred import peer
from kettlingard.core.snapshot import RunRecord
from kettlingard.core.vocabulary import Phase
from kettlingard.errors import SpawnError
from kettlingard.host import procid, spawn
from kettlingard.host.getfd import pidfd_getfd
from kettlingard.host.meeting import visit
from kettlingard.host.reap import Reaper

from .kitten import Kitten
from .launch import CHANNEL, Launch
from .process import Listener
from .program import Program
from .start import Starter

log = logging.getLogger(__name__)


class AdoptionError(Exception):
    """This process is not, or not provably, the run that is looked for; the text says why."""


def held(record: RunRecord) -> spawn.Child | None:
    """The process of a run, held by its pidfd; None if it has ended, whoever has its pid now."""
    who = procid.ProcId(record.pid, record.start)
    try:
        child = spawn.Child(record.pid, os.pidfd_open(record.pid))
    except OSError:
        return None
    if procid.alive(who):  # it is this one that the pidfd holds
        return child
    child.close()
    return None


class AdoptedWorker(Kitten):
    """`found` is what it answered, or the AdoptionError."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        starter: Starter,
        launch: Launch,
        listener: Listener,
        *,
        child: spawn.Child,
        record: RunRecord,
    ) -> None:
        """Visit it; `child` is ours from now on. Raise AdoptionError."""
        super().__init__(loop, reaper, starter, launch, listener)
        self.adopted = True
        self.found: asyncio.Future[messages.Adopted] = loop.create_future()
        self.listeners: dict[str, socket.socket] = {}  # whoever wants them takes them
        self._begun = False
        self._early: list[Any] = []
        self.take(child, self._visit(child.pid), procid.ProcId(record.pid, record.start))
        self.say(messages.Adopt(launch.mark))

    def _visit(self, pid: int) -> socket.socket:
        assert self.launch.meetings is not None
        try:
            sock = visit(self.launch.meetings / f"{self.launch.mark}.sock")
        except OSError as why:
            raise AdoptionError(f"it cannot be asked: {why.strerror}") from why
        who = peer(sock)
        if who.pid != pid:
            sock.close()
            raise AdoptionError(f"pid {who.pid} answers in its place")
        return sock

    def begin(self, phase: Phase) -> None:
        """It has answered: what it is, and what it has said since, count from now on."""
        said = self.found.result()
        self._begun = True
        self.hello, self.ready = said.hello, said.ready
        super().begin(phase)
        for message in self._early:
            super()._message(message, [])
        if self._channel is not None and self._channel.closed:
            super()._channel_ended()

    def leave(self) -> None:
        """Not ours after all: nothing of it is touched."""
        if self._channel is not None:
            self._channel.close()
        if self._child is not None:
            self._child.close()
        for sock in self.listeners.values():
            sock.close()

    def _message(self, message: Any, fds: list[int]) -> None:
        if self._begun:
            super()._message(message, fds)
        elif isinstance(message, messages.Adopted) and not self.found.done():
            self._on_adopted(message, fds)
        else:
            close_all(fds)
            self._early.append(message)

    def _on_adopted(self, said: messages.Adopted, fds: list[int]) -> None:
        if said.mark != self.launch.mark or len(fds) != len(said.listeners):
            close_all(fds)
            self.found.set_exception(AdoptionError("it does not prove that it is this run"))
            return
        for name, fd in zip(said.listeners, fds, strict=True):
            self.listeners[name] = socket.socket(fileno=fd)
        self.found.set_result(said)

    def _channel_ended(self) -> None:
        if self._begun:
            super()._channel_ended()
        elif not self.found.done():
            self.found.set_exception(AdoptionError("it hung up"))


class AdoptedProgram(Program):
    """A program that is no kitten: proven by its pid and start time alone, since it says nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        starter: Starter,
        launch: Launch,
        listener: Listener,
        *,
        child: spawn.Child,
        record: RunRecord,
    ) -> None:
        """`child` is ours from now on. Raise AdoptionError."""
        super().__init__(loop, reaper, starter, launch, listener)
        self.adopted = True
        try:
            notify = launch.notify_socket()  # in the place of the one that has gone
        except SpawnError as why:
            raise AdoptionError(str(why)) from why
        self.take(child, notify, procid.ProcId(record.pid, record.start))
        self.listeners = self._given_back(child)

    def _given_back(self, child: spawn.Child) -> dict[str, socket.socket]:
        """Copies of the listeners that it was given, where it still has them."""
        found: dict[str, socket.socket] = {}
        for number, spec in enumerate(self.launch.spec.listen):
            try:
                sock = socket.socket(fileno=pidfd_getfd(child.pidfd, CHANNEL + number))
            except OSError as why:
                log.warning("listener not taken back address=%s: %s", spec.stream, why)
                continue
            found[spec.stream] = sock
        return found
