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
import traceback
from collections.abc import Callable
from typing import Any

from kettlingar.api.access import Caller
from kettlingar.api.describe import method_record
from kettlingar.transport import messages
from kettlingar.transport.channel import Channel
from kettlingar.transport.fdpass import close_all

from . import _compat
from ._version import __version__
from .asking import Asker, become_supervised
from .dumping import stacks
from .errors import ConfigError
from .guarding import Listeners, Meeting
from .kitten import RPCKitten
from .loading import load, version_of, where_in
from .logs import begin_logging, set_level, set_rate
from .process import Runtime, settings_of, watch_signals
from .serving import Origin, origin_of

log = logging.getLogger(__name__)

MOST = 250  # descriptors in one message
EX_CONFIG = 78  # sysexits.h: do not try again before something changes


class Worker:
    """One run of one instance, as its supervisor sees it."""

    def __init__(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._setup: asyncio.Future[messages.Setup] = loop.create_future()
        self._quit = asyncio.Event()
        self._drain = asyncio.Event()
        self._drain_seconds = 0.0
        self._runtime: Runtime | None = None
        self._ready: messages.Ready | None = None
        self._alone = asyncio.Event()  # there is no supervisor
        self._guarded = Listeners(loop)
        self._meeting: Meeting | None = None
        self._highest = 0  # number of a connection
        self._answering: list[int] = []
        self._done: list[int] = []
        self._returned: list[int] = []
        self._moved: list[tuple[int, int]] = []  # number and descriptor
        self._moves = False
        self._flushing = False
        self._secret = ""  # that came after the first one
        self._adjusting: set[asyncio.Task[None]] = set()
        self._loop = loop
        self._channel = Channel(loop, sock, messages.ToWorker, self._message, self._supervisor_gone)
        self._asker = Asker(self._ask)
        become_supervised(self._asker)

    async def run(self) -> int:
        """Live; return the exit code."""
        self._channel.send(_hello())
        setup = await self._setup
        begin_logging(setup.log_level, setup.log_format, setup.service, setup.instance)
        set_rate(*setup.log_rate)
        step = "import"
        try:
            if sys.path[: len(setup.python_path)] != setup.python_path:  # a zygote's child has it
                sys.path[0:0] = setup.python_path
            kitten_class = load(setup.kitten)
            step = "config"
            kitten = _configured(kitten_class, setup)
            step = "init"
            runtime = Runtime(kitten, settings_of(kitten, setup.secret, setup.public_methods), self)
            watch_signals(runtime.stop_wanted)
            await runtime.begin([])
        except Exception as error:  # noqa: BLE001  whatever it is, the supervisor must hear of it
            return self._failed(step, error)
        self._runtime = runtime
        _compat.set_process_title(f"kettlingar: {setup.service}/{setup.instance}")
        self._ready = messages.Ready(
            kitten=setup.kitten,
            version=version_of(kitten_class),
            app_name=kitten.config.app_name,
            worker_name=kitten.config.worker_name,
            methods=[method_record(method, docs=True) for method in kitten.methods],
            live_config=[n for n in kitten.config.as_dict() if hasattr(kitten, f"on_config_{n}")],
        )
        self._channel.send(self._ready)
        await self._until_told(runtime)
        return 0

    async def _until_told(self, runtime: Runtime) -> None:
        stop = runtime.stop_wanted
        await _first(stop, self._drain, self._quit)
        self._guarded.close()
        asked = self._drain.is_set() or self._quit.is_set()
        seconds = (
            self._drain_seconds if asked else float(runtime.kitten.config.worker_drain_timeout)
        )
        draining = asyncio.create_task(runtime.server.drain(seconds))
        # Quit, or a TERM that comes while draining, cuts the drain short.
        hurry = asyncio.create_task(_first(self._quit, stop) if asked else _first(self._quit))
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not draining.done():
            runtime.server.hang_up(lambda _origin: True)
        await draining
        self._flush()
        self._channel.send(messages.Drained())
        if asked:
            await _first(self._quit, stop, self._alone)
        await runtime.kitten.shutdown()
        log.info("stopped pid=%d", os.getpid())

    def _failed(self, step: str, error: Exception) -> int:
        log.error("cannot start: %s failed", step, exc_info=error)
        permanent = isinstance(error, ConfigError)
        self._channel.send(
            messages.Failed(
                step=step,
                error="".join(traceback.format_exception_only(error)).strip(),
                where=where_in(error),
                permanent=permanent,
            )
        )
        return EX_CONFIG if permanent else 1

    def _ask(self, ask: messages.Ask) -> None:
        self._channel.send(ask)  # the one of now: adoption brings another

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
        self._guarded.keep(message.listeners, fds)

    def _on_connections(self, message: messages.Connections, fds: list[int]) -> None:
        runtime = self._runtime
        if runtime is None or runtime.server.draining:
            close_all(fds)
            self._channel.send(messages.Progress(returned=message.ids))
            return
        self._highest = max(self._highest, *message.ids)
        # Said before the first byte is read: until now they could go to another worker.
        self._channel.send(messages.Progress(taken=message.ids))
        for number, fd in zip(message.ids, fds, strict=True):
            runtime.server.accept(_tcp(fd), Origin(number=number), read_now=True)

    def _on_caller(self, message: messages.Caller, fds: list[int]) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fds[0])
        sock.setblocking(False)
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
        if self._runtime is None:
            return
        if message.secret:
            self._secret = message.secret
        adjusting = asyncio.ensure_future(self._adjust(self._runtime, message))
        self._adjusting.add(adjusting)
        adjusting.add_done_callback(self._adjusting.discard)

    async def _adjust(self, runtime: Runtime, message: messages.Adjust) -> None:
        secret = self._secret or self._setup.result().secret
        settings = settings_of(runtime.kitten, secret, message.public_methods)
        try:
            await runtime.adjust(settings, message.config)
        except Exception:  # an author's hook may raise anything, and the service goes on
            log.exception("cannot take over changed settings")

    def _on_log_file(self, _message: messages.LogFile, fds: list[int]) -> None:
        os.dup2(fds[0], 1)
        os.dup2(fds[0], 2)
        close_all(fds)

    def _on_drain(self, message: messages.Drain, _fds: list[int]) -> None:
        self._drain_seconds = message.seconds
        self._moves = message.moves
        self._drain.set()

    def _on_quit(self, _message: messages.Quit, _fds: list[int]) -> None:
        self._quit.set()

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
        self._alone.set()
        self._asker.gone()
        if self._meeting is None:
            log.warning("the supervisor is gone: finishing what runs, then ending")
            self._runtime.stop_wanted.set()
            return
        log.warning("the supervisor is gone: serving on without it")
        self._guarded.accept(self._serve_alone)
        self._meeting.open()

    def _serve_alone(self, sock: socket.socket) -> None:
        assert self._runtime is not None
        self._highest += 1
        self._runtime.server.accept(sock, Origin(number=self._highest))

    def _adopted(self, channel: Channel) -> None:
        """A new supervisor: it accepts again, and hears what there is."""
        assert self._runtime is not None
        assert self._ready is not None
        self._guarded.rest()
        self._alone.clear()
        self._channel = channel
        self._answering, self._done = [], []
        setup = self._setup.result()
        origins = [origin_of(connection) for connection in self._runtime.server.connections]
        names, fds = self._guarded.copies()
        said = messages.Adopted(
            mark=setup.mark,
            hello=_hello(),
            ready=self._ready,
            secret=self._secret or setup.secret,
            listeners=names,
            connections=[o.number for o in origins if o.number and not o.trusted],
            callers=[
                _caller(o.number, o.caller) for o in origins if o.number and o.trusted and o.caller
            ],
            highest=self._highest,
        )
        channel.send(said, fds)
        log.warning("adopted by a new supervisor connections=%d", len(origins))

    # --- what the supervisor hears of connections (server.Observer) -----------

    def answering(self, origin: Origin) -> None:
        """The first byte of the first answer goes out."""
        if origin.number and not origin.trusted:
            self._answering.append(origin.number)
            self._flush_soon()

    def closed(self, origin: Origin) -> None:
        """The connection has ended here: an accepted one, or a caller's."""
        if origin.number:
            self._done.append(origin.number)
            self._flush_soon()

    @property
    def takes_back(self) -> bool:
        """The supervisor does, where there is one."""
        return not self._channel.closed

    def returned(self, origin: Origin) -> None:
        """Nothing was read from it: the supervisor has a copy for another worker."""
        self._returned.append(origin.number)
        self._flush_soon()

    @property
    def moves(self) -> bool:
        """The supervisor said so, and is there."""
        return self._moves and not self._channel.closed

    def moved(self, origin: Origin, sock: socket.socket) -> None:
        """Its client keeps it open: it is the supervisor's again."""
        self._moved.append((origin.number, sock.detach()))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Say what happened in this turn of the loop in one message."""
        self._flushing = False
        done = set(self._done)
        answering = [number for number in self._answering if number not in done]
        if answering or done or self._returned:
            self._channel.send(
                messages.Progress(answering=answering, done=self._done, returned=self._returned)
            )
        for start in range(0, len(self._moved), MOST):
            numbers, fds = zip(*self._moved[start : start + MOST], strict=True)
            self._channel.send(messages.Moved(ids=list(numbers)), list(fds))
        self._answering, self._done, self._returned, self._moved = [], [], [], []


def _hello() -> messages.Hello:
    return messages.Hello(messages.PROTOCOL, __version__, os.getpid())


def _caller(number: int, caller: Caller) -> messages.Caller:
    return messages.Caller(
        id=number,
        uid=-1 if caller.uid is None else caller.uid,
        pid=caller.pid or 0,
        service=caller.service,
        methods=None if caller.methods is None else sorted(caller.methods),
    )


async def _first(*events: asyncio.Event) -> None:
    """Wait for any of these."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _configured(kitten_class: type[RPCKitten], setup: messages.Setup) -> RPCKitten:
    config = kitten_class.Configuration()
    config.apply(
        "definition",
        {
            "app_state_dir": setup.state_dir,
            "app_data_dir": setup.state_dir,
            "worker_drain_timeout": setup.drain_timeout,
            **setup.config,
        },
    )
    return kitten_class(config=config)


def _tcp(fd: int) -> socket.socket:
    # Family, type and protocol given: no getsockopt calls.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=fd)
    sock.setblocking(False)
    return sock


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
