"""A launch becomes a process with a channel: forked by a zygote, or executed. Two ways, one outcome.

A zygote is faster and nothing else: whenever it cannot, the same launch is
executed, with a channel of its own, so that a fork that comes too late finds
the first channel closed, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from kettlingar.transport.channel import channel_pair
from kettlingar.transport.fdpass import close_all
from kettlingard.core.spec import ServiceSpec
from kettlingard.errors import SpawnError
from kettlingard.host import spawn
from kettlingard.host.reap import Reaper
from kettlingard.zygote.choice import Kind, Wish, kind_of, why_exec
from kettlingard.zygote.herd import Zygotes

from .launch import Launch, account_of, other_ids


@dataclass(frozen=True, slots=True)
class Started:
    """A process at work; the receiver owns both."""

    child: spawn.Child
    channel: socket.socket  # of a program that is no kitten: where it says that it is ready


Outcome = Started | SpawnError
Tell = Callable[[Outcome], None]


class Starter(Protocol):
    """A way to start a worker."""

    def start(self, launch: Launch, tell: Tell) -> None:
        """Begin; `tell` gets the outcome from the loop, never before this returns."""

    def signal(self, launch: Launch, number: int) -> None:
        """It is not wanted any more: send this to whatever is being done before its process."""


@dataclass(slots=True)
class _Prepared:
    """What a start needs of ours, and the request made from it."""

    channel: socket.socket
    request: spawn.SpawnRequest
    lent: list[int] = field(default_factory=list)  # copies go to the child; ours are closed


def _prepare(launch: Launch) -> _Prepared:
    """Raise SpawnError."""
    return _prepare_kitten(launch) if launch.spec.is_kitten else _prepare_program(launch)


def _prepare_program(launch: Launch) -> _Prepared:
    with contextlib.ExitStack() as stack:
        notify = stack.enter_context(launch.notify_socket())
        output = launch.open_output()
        stack.callback(os.close, output)
        try:
            listeners = launch.listeners()
        except OSError as why:
            raise SpawnError("listeners", why.errno or errno.EIO) from why
        lent = [fd for _, fd in listeners]
        stack.callback(close_all, lent)
        request = launch.program(output, listeners)
        stack.pop_all()
        return _Prepared(notify, request, [output, *lent])


def _prepare_kitten(launch: Launch) -> _Prepared:
    with contextlib.ExitStack() as stack:
        try:
            ours, theirs = channel_pair()
        except OSError as why:  # no more descriptors, say
            raise SpawnError("prepare", why.errno or errno.EIO) from why
        stack.callback(ours.close)
        stack.callback(theirs.close)
        log = launch.open_log()
        stack.callback(os.close, log)
        request = launch.request(theirs.fileno(), log)
        stack.pop_all()
        return _Prepared(ours, request, [theirs.detach(), log])


class ByExec:
    """A fresh interpreter for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def start(self, launch: Launch, tell: Tell) -> None:
        """Fork and execute."""
        try:
            ready = _prepare(launch)
        except SpawnError as why:
            self._loop.call_soon(tell, why)
            return
        try:
            spawning = spawn.begin(ready.request)
        except (SpawnError, OSError) as why:
            ready.channel.close()
            self._loop.call_soon(tell, _as_spawn_error(why))
            return
        finally:
            close_all(ready.lent)
        if not launch.spec.is_kitten:  # those wait by themselves, for their Setup
            launch.forked(spawning.child)
        spawning.when_known(self._loop, lambda outcome: tell(_joined(outcome, ready.channel)))

    def signal(self, launch: Launch, number: int) -> None:
        """Nothing: its process is there in a moment."""


class ByZygote:
    """A fork of a warm process where the definition lets it be; otherwise `fresh`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, reaper: Reaper, zygotes: Zygotes, fresh: Starter
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._zygotes = zygotes
        self._fresh = fresh

    def start(self, launch: Launch, tell: Tell) -> None:
        """Ask a zygote; execute if there is no use in that."""
        kind = kind_for(launch.spec)
        if kind is None:
            self._fresh.start(launch, tell)
            return
        try:
            ready = _prepare(launch)
        except SpawnError as why:
            self._loop.call_soon(tell, why)
            return
        if why_exec(_wish(ready.request), self._zygotes.env, _hard_limits(ready.request)):
            ready.channel.close()
            close_all(ready.lent)
            self._fresh.start(launch, tell)
            return

        def forked(spawning: spawn.Spawning | None) -> None:
            close_all(ready.lent)
            if spawning is None:
                self._reaper.release()
                ready.channel.close()
                self._fresh.start(launch, tell)
            else:
                spawning.when_known(self._loop, known)

        def known(outcome: spawn.Child | SpawnError) -> None:
            try:
                tell(_joined(outcome, ready.channel))
            finally:
                self._reaper.release()  # now it is watched

        self._reaper.hold()
        self._zygotes.ask(kind, ready.request, launch.spec.service.timeout_start, forked)

    def signal(self, launch: Launch, number: int) -> None:
        """Nothing: its process is there in a moment."""


def kind_for(spec: ServiceSpec) -> Kind | None:
    """The zygote that a definition's workers are forked by, if it wants one."""
    if not spec.pool.zygote or not spec.is_kitten:
        return None
    keys = spec.service
    try:
        ids = other_ids(account_of(spec))
    except SpawnError:  # exec says it
        return None
    rights = (ids.uid, ids.gid, ids.groups) if ids is not None else None
    return kind_of(keys.python or sys.executable, rights, spec.pool.preload, keys.python_path)


def _wish(request: spawn.SpawnRequest) -> Wish:
    return Wish(
        env=request.env,
        own_ids=request.ids is not None,
        nice=request.nice,
        oom_score_adjust=request.oom_score_adjust,
        rlimits=request.rlimits,
    )


def _hard_limits(request: spawn.SpawnRequest) -> dict[int, int]:
    return {which: resource.getrlimit(which)[1] for which, _soft, _hard in request.rlimits}


def _as_spawn_error(why: SpawnError | OSError) -> SpawnError:
    return why if isinstance(why, SpawnError) else SpawnError("prepare", why.errno or errno.EIO)


def _joined(outcome: spawn.Child | SpawnError, channel: socket.socket) -> Outcome:
    if isinstance(outcome, SpawnError):
        channel.close()
        return outcome
    return Started(outcome, channel)
