"""A worker's life under a supervisor: its channel brings all it needs to know, and its clients.

Hello -> Setup -> (import, init) -> Ready; then connections come as descriptors
until Drain and Quit. Without its supervisor a worker serves on alone until the
next one adopts it (guarding.py), or, if nobody could find it, finishes and ends.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from kettlingar import _compat
from kettlingar._version import __version__
from kettlingar.api.access import Caller
from kettlingar.calls.asking import Asker, become_supervised
from kettlingar.errors import ConfigError
from kettlingar.logs import set_level, set_rate
from kettlingar.requests.serving import Origin, origin_of
from kettlingar.runtime import Runtime, StoppedError
from kettlingar.transport import messages
from kettlingar.transport.acceptor import stream_of
from kettlingar.transport.channel import Channel
from kettlingar.transport.fdpass import close_all

from .adjusting import Adjusting
from .beginning import NotBegunError, begin, failed, ready
from .dumping import stacks
from .ending import Ending
from .guarding import Listeners, Meeting
from .intake import Intake
from .reports import Reports, callers_of

log = logging.getLogger(__name__)

EX_CONFIG = 78  # sysexits.h: do not try again before something changes


# What a worker accepts alone has other numbers than what was on its way to anybody when the
# supervisor died: the next one can tell these apart.
LEAP = 1 << 32


class Worker:
    """One run of one instance, as its supervisor sees it."""

    def __init__(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._setup: asyncio.Future[messages.Setup] = loop.create_future()
        self._ending = Ending()
        self._runtime: Runtime | None = None
        self._ready: messages.Ready | None = None
        self._guarded = Listeners(loop, self._accepted)
        self._intake: Intake | None = None
        self._meeting: Meeting | None = None
        self._highest = 0  # number of a connection
        self._adjusting = Adjusting()
        self._loop = loop
        self._channel = Channel(loop, sock, messages.ToWorker, self._message, self._supervisor_gone)
        self._reports = Reports(loop, self._channel)
        self._asker = Asker(self._tell)
        become_supervised(self._asker)

    async def run(self) -> int:
        """Live; return the exit code."""
        self._channel.send(_hello())
        setup = await self._setup
        try:
            runtime = await begin(setup, self._reports, self._ending.stop)
        except NotBegunError as why:
            return self._failed(why.step, why.__cause__ or why)
        except StoppedError as why:
            log.info("%s pid=%d", why, os.getpid())
            return 0
        self._runtime = runtime
        self._intake = Intake(self._loop, runtime.server)
        _compat.set_process_title(f"kettlingar: {setup.service}/{setup.instance}")
        self._ready = ready(setup, runtime.kitten)
        self._channel.send(self._ready)
        await self._serve(runtime, self._intake)
        return 0

    async def _serve(self, runtime: Runtime, intake: Intake) -> None:
        ending = self._ending
        await ending.wanted()
        self._guarded.close()
        intake.end()
        await ending.drained(runtime.server, float(runtime.kitten.config.worker_drain_timeout))
        self._reports.flush()
        self._channel.send(messages.Drained())
        await ending.allowed()
        await runtime.kitten.shutdown()
        log.info("stopped pid=%d", os.getpid())

    def _failed(self, step: str, error: BaseException) -> int:
        log.error("cannot start: %s failed", step, exc_info=error)
        permanent = isinstance(error, ConfigError)
        self._channel.send(failed(step, error, permanent=permanent))
        return EX_CONFIG if permanent else 1

    def _tell(self, message: messages.Ask | messages.Extend | messages.Status) -> None:
        self._channel.send(message)  # the one of now: adoption brings another

    # --- what the supervisor says ---------------------------------------------

    def _message(self, message: Any, fds: list[int]) -> None:
        action: Callable[..., None] | None = self._ACTIONS.get(type(message))
        if action is None:
            log.warning("the supervisor said %r, which means nothing here", type(message).__name__)
            close_all(fds)
            return
        action(self, message, fds)

    def _on_setup(self, message: messages.Setup, fds: list[int]) -> None:
        if self._setup.done():
            close_all(fds)
            return
        if message.mark and fds:
            self._meeting = Meeting(
                self._loop,
                socket.socket(fileno=fds.pop(0)),
                message,
                on_found=self._adopted,
                on_message=self._message,
                on_end=self._supervisor_gone,
            )
        self._setup.set_result(message)

    def _on_guard(self, message: messages.Guard, fds: list[int]) -> None:
        self._guarded.keep(message, fds)
        if message.now and self._runtime is not None and not self._ending.begun:
            self._accept_alone()

    def _on_connections(self, message: messages.Connections, fds: list[int]) -> None:
        intake = self._intake
        if intake is None or intake.over:
            close_all(fds)
            self._channel.send(messages.Progress(returned=message.ids))
            return
        self._highest = max(self._highest, *message.ids)
        # Said before the first byte is read: until now they could go to another worker.
        self._channel.send(messages.Progress(taken=message.ids))
        way = self._guarded.way(message.listener)
        for number, fd in zip(message.ids, fds, strict=True):
            intake.take(stream_of(fd), number, way, routed=message.routed)

    def _on_caller(self, message: messages.Caller, fds: list[int]) -> None:
        sock = stream_of(fds[0], socket.AF_UNIX)
        if self._runtime is None:
            sock.close()
            return
        caller = Caller(
            uid=message.uid,
            pid=message.pid,
            service=message.service,
            methods=None if message.methods is None else frozenset(message.methods),
        )
        origin = Origin(trusted=True, caller=caller, tcp=False, number=message.id)
        self._runtime.server.accept(sock, origin, read_now=True)

    def _on_revoke(self, message: messages.Revoke, _fds: list[int]) -> None:
        gone = set(message.ids)
        if self._runtime is not None:
            self._runtime.server.hang_up(lambda origin: origin.trusted and origin.number in gone)

    def _on_answer(self, message: messages.Answer, fds: list[int]) -> None:
        self._asker.answered(message, fds)

    def _on_ping(self, message: messages.Ping, _fds: list[int]) -> None:
        if message.silent:
            return
        server = self._runtime.server if self._runtime else None
        self._channel.send(
            messages.Pong(
                number=message.number,
                lag=max(0.0, time.monotonic() - message.sent) if message.sent else 0.0,
                in_flight=server.in_flight if server else 0,
                served=server.served if server else 0,
            )
        )

    def _on_dump(self, _message: messages.Dump, _fds: list[int]) -> None:
        self._channel.send(messages.Dumped(text=stacks()))

    def _on_log_level(self, message: messages.LogLevel, _fds: list[int]) -> None:
        set_level(message.level)
        set_rate(*message.rate)

    def _on_adjust(self, message: messages.Adjust, _fds: list[int]) -> None:
        if self._runtime is not None:
            self._adjusting.begin(self._runtime, message, self._setup.result().secret)

    def _on_log_file(self, _message: messages.LogFile, fds: list[int]) -> None:
        os.dup2(fds[0], 1)
        os.dup2(fds[0], 2)
        close_all(fds)

    def _on_drain(self, message: messages.Drain, _fds: list[int]) -> None:
        self._reports.wants_moved = message.moves
        self._ending.drain_within(message.seconds)

    def _on_quit(self, _message: messages.Quit, _fds: list[int]) -> None:
        self._ending.quit.set()

    _ACTIONS: dict[type, Callable[..., None]] = {  # noqa: RUF012  a table, never changed
        messages.Setup: _on_setup,
        messages.Guard: _on_guard,
        messages.Connections: _on_connections,
        messages.Caller: _on_caller,
        messages.Revoke: _on_revoke,
        messages.Ping: _on_ping,
        messages.Answer: _on_answer,
        messages.LogLevel: _on_log_level,
        messages.Dump: _on_dump,
        messages.LogFile: _on_log_file,
        messages.Adjust: _on_adjust,
        messages.Drain: _on_drain,
        messages.Quit: _on_quit,
    }

    # --- without a supervisor -------------------------------------------------

    def _supervisor_gone(self) -> None:
        if self._runtime is None or self._ready is None:
            os._exit(1)  # nothing has begun, and nobody is there to tell
        self._ending.alone.set()
        self._asker.gone()
        if self._meeting is None:
            log.warning("the supervisor is gone: finishing what runs, then ending")
            self._runtime.stop_wanted.set()
            return
        log.warning("the supervisor is gone: serving on without it")
        self._accept_alone()
        self._meeting.open()

    def _accept_alone(self) -> None:
        self._highest += LEAP
        self._guarded.accept()

    def _accepted(self, sock: socket.socket, way: messages.Way) -> None:
        """By ourselves: of a listener that is always ours the supervisor wants to hear nothing."""
        assert self._intake is not None
        if not way.accepts:
            self._highest += 1
            self._reports.accepted(self._highest)
        self._intake.take(sock, 0 if way.accepts else self._highest, way)

    def _adopted(self, channel: Channel) -> None:
        """A new supervisor hears what there is. It will accept again: until its Guard we do."""
        assert self._runtime is not None
        assert self._ready is not None
        if not self._ending.begun:  # who has asked for the end cannot allow it any more
            self._ending.alone.clear()
        self._channel = channel
        self._reports.go_on(channel)
        setup = self._setup.result()
        origins = [origin_of(connection) for connection in self._runtime.server.connections]
        names, fds = self._guarded.copies()
        said = messages.Adopted(
            mark=setup.mark,
            hello=_hello(),
            ready=self._ready,
            secret=self._adjusting.secret or setup.secret,
            listeners=names,
            connections=[o.number for o in origins if o.number and not o.trusted],
            callers=callers_of(origins),
            highest=self._highest,
            ending=self._ending.begun,
        )
        channel.send(said, fds)
        log.warning("adopted by a new supervisor connections=%d", len(origins))


def _hello() -> messages.Hello:
    return messages.Hello(messages.PROTOCOL, __version__, os.getpid())


def run() -> int:
    """Be the worker whose channel is the descriptor in $KETTLINGARD_CHANNEL."""
    number = os.environ.pop("KETTLINGARD_CHANNEL", "")
    if not number.isdigit():
        sys.stderr.write(
            "cannot run: there is no supervisor here; "
            "`python -m your.module serve` runs a service by itself\n"
        )
        return 2
    sock = socket.socket(fileno=int(number))
    os.set_inheritable(sock.fileno(), False)
    sock.setblocking(False)
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # the import may be what hangs
    return _compat.run(_run(sock), os.environ.get("KETTLINGAR_LOOP", "auto"))


async def _run(sock: socket.socket) -> int:
    return await Worker(sock).run()
