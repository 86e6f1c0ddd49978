"""A run of a kitten: spoken to over its channel, asked by a pulse whether it lives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

from kettlingar._version import __version__
from kettlingar.transport import messages
from kettlingar.transport.channel import Channel, encoded
from kettlingar.transport.fdpass import close_all
from kettlingard.core.spec import ServiceSpec
from kettlingard.core.vocabulary import (
    COMING,
    BecameReady,
    Drained,
    Extended,
    Phase,
    Reported,
)
from kettlingard.errors import SpawnError
from kettlingard.host.logs import tail
from kettlingard.host.reap import ExitStatus

from .changes import settings, told
from .probe import ping
from .process import Worker
from .pulse import Pulse
from .questions import Questions

log = logging.getLogger(__name__)

READ_THIS = encoded(messages.Ping(number=0, silent=True))
SILENT = 2.0  # seconds that a worker may live on without its channel


class Kitten(Worker):
    """Owns the channel too, until `close`."""

    _channel: Channel | None = None
    _pulse: Pulse | None = None
    _watched = False  # from its readiness on, if its definition wants it
    _probe: asyncio.Task[None] | None = None
    _silent: asyncio.TimerHandle | None = None
    _log_start = 0  # bytes of the log that are not ours
    _log_due = False  # it got a log that has been rotated meanwhile

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._questions = Questions(self._loop, self.say)

    # --- coming up ---

    def start(self) -> None:
        """Begin; Spawned or SpawnFailed follows, never before this returns."""
        with contextlib.suppress(OSError):  # there is none yet
            self._log_start = self.launch.log_file.stat().st_size
        super().start()

    def _hear(self, sock: socket.socket) -> None:
        self._channel = Channel(
            self._loop, sock, messages.FromWorker, self._message, self._channel_ended
        )

    def begin(self, phase: Phase) -> None:
        """The process is there; what it said when nobody could ask it counts now."""
        if self._log_due:
            self.renew_log()
        super().begin(phase)
        if phase not in COMING:
            self._watch()
        elif self.ready is not None:
            ready, self.ready = self.ready, None
            self._on_ready(ready)

    async def _be_pinged(self) -> None:
        assert self._channel is not None
        problem = await ping(self._channel, self.launch.spec.service.kitten)
        self._probe = None
        if problem:
            self._tell(Reported(self._loop.time(), problem))
            return
        self._watch(trusted=True)
        self._tell(BecameReady(self._loop.time()))

    def _watch(self, *, trusted: bool = False) -> None:
        self._watched = True
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None
        keys = self.launch.spec.service
        if keys.watchdog > 0:
            rhythm = self.launch.rhythms.of(keys.watchdog, keys.watchdog_timeout)
            self._pulse = Pulse(rhythm, self._questions.ping, self._nudge, self._unread, self._tell)
            self._pulse.begin(trusted=trusted)

    def _nudge(self) -> None:
        if self._channel is not None:
            self._channel.nudge(READ_THIS)

    def _unread(self) -> bool:
        return self._channel is not None and self._channel.unread

    # --- what the service has it do ---

    @property
    def channel(self) -> Channel:
        """Where connections are sent; only of a worker that has been ready."""
        assert self._channel is not None
        return self._channel

    @property
    def spoken_on(self) -> int:
        """The descriptor by which it says things, to be kept over an exec."""
        return self.channel.fileno()

    @property
    def queued(self) -> bool:
        """Has it been told what it has not read yet?"""
        return self._channel is not None and bool(self._channel.queued)

    def say(self, message: messages.Message, fds: list[int] | None = None) -> None:
        """Send a message; one to a worker that hears no more is dropped."""
        if self._channel is None:
            close_all(fds or [])
            return
        self._channel.send(message, fds or [])

    def renew_log(self) -> None:
        """Have it write to the file that has the log's name now."""
        self._log_start = 0
        self._log_due = self._channel is None
        if self._channel is None:
            return
        try:
            fd = self.launch.open_log()
        except SpawnError as why:
            log.error("log not handed over service=%s: %s", self.launch.service, why)  # noqa: TRY400  no defect
        else:
            self.say(messages.LogFile(), [fd])

    def adjust(self, spec: ServiceSpec, before: ServiceSpec) -> None:
        """Its definition has changed in ways that need no new process."""
        super().adjust(spec, before)
        for message in told(self.launch, before):
            self.say(message)
        old, new = before.service, spec.service
        rhythm = (new.watchdog, new.watchdog_timeout)
        if self._watched and rhythm != (old.watchdog, old.watchdog_timeout):
            self._watch()

    def configure(self, config: Mapping[str, Any], secret: str = "") -> None:
        """Tell it settings, whether they are new to it or not."""
        self.say(settings(self.launch, config, secret))

    def dump_stacks(self) -> None:
        """Have it write its stacks to its log, even if its loop is blocked."""
        if self._child is not None:  # what prepares it would be ended by this
            self.signal(signal.SIGUSR1)

    async def refresh(self, seconds: float) -> None:
        """Have `pong` told anew, if it answers within `seconds`."""
        await self._questions.pong(seconds)

    async def stacks(self, seconds: float) -> str | None:
        """What it is doing; None if its loop does not answer in time."""
        return await self._questions.stacks(seconds)

    # --- what it says ---

    def _message(self, message: Any, fds: list[int]) -> None:
        if isinstance(message, messages.Moved):
            self._listener.moved(message, fds)
            return
        close_all(fds)  # it has no others to give
        if isinstance(message, messages.Progress):
            self._listener.progress(message)
            return
        action: Callable[[Kitten, Any], None] | None = self._HEARD.get(type(message))
        if action is not None:
            action(self, message)

    def _on_hello(self, hello: messages.Hello) -> None:
        self.hello = hello
        if hello.protocol == messages.PROTOCOL:
            # One that no file names is never found again: without a meeting it ends with us.
            noted = self._listener.noted(self.launch.mark)
            self.say(self.launch.setup(), self.launch.meeting() if noted else [])
            return
        python = self.launch.spec.service.python or "its interpreter"
        error = (
            f"cannot work with kettlingar {hello.version} of {python}: it speaks protocol "
            f"{hello.protocol}, not {messages.PROTOCOL}; install kettlingar {__version__} there"
        )
        self._tell(Reported(self._loop.time(), error, permanent=True))
        self.kill()

    def _on_ready(self, ready: messages.Ready) -> None:
        if self.ready is None:
            self.ready = ready
            self._probe = self._loop.create_task(self._be_pinged())

    def _on_failed(self, failed: messages.Failed) -> None:
        now = self._loop.time()
        self._tell(Reported(now, failed.error, failed.where, failed.permanent, failed.step))

    def _on_pong(self, pong: messages.Pong) -> None:
        self.pong = pong
        self._questions.ponged()
        if self._pulse is not None and pong.number:
            self._pulse.answered(pong.number)

    def _on_status(self, status: messages.Status) -> None:
        self.status = status.text

    def _on_extend(self, extend: messages.Extend) -> None:
        self._tell(Extended(self._loop.time(), extend.seconds))

    def _on_drained(self, _drained: messages.Drained) -> None:
        self._tell(Drained(self._loop.time()))

    def _on_dumped(self, dumped: messages.Dumped) -> None:
        self._questions.dumped(dumped.text)

    def _on_ask(self, ask: messages.Ask) -> None:
        self._listener.asks(ask)

    _HEARD: dict[type, Callable[[Kitten, Any], None]] = {  # noqa: RUF012  a table, never changed
        messages.Hello: _on_hello,
        messages.Ready: _on_ready,
        messages.Failed: _on_failed,
        messages.Pong: _on_pong,
        messages.Status: _on_status,
        messages.Extend: _on_extend,
        messages.Drained: _on_drained,
        messages.Ask: _on_ask,
        messages.Dumped: _on_dumped,
    }

    # --- the end ---

    def _channel_ended(self) -> None:
        """Usually the process ends too; one that does not can be given nothing any more."""
        if not self._closed:
            self._silent = self._loop.call_later(SILENT, self._is_silent)

    def _is_silent(self) -> None:
        assert self._channel is not None
        error = f"its channel ended: {self._channel.error}"
        self._tell(Reported(self._loop.time(), error))
        self.kill()

    def _last_words(self, end: ExitStatus) -> None:
        if self._channel is not None:
            self._channel.drain_now()
        if self.hello is None and end.signal is None:
            self._tell(Reported(self._loop.time(), self._last_line(), step="import"))

    def _last_line(self) -> str:
        """What it wrote before it could say anything: an interpreter without kettlingar, say."""
        path = self.launch.log_file
        if path.exists() and path.stat().st_size > self._log_start:
            return tail(path, 1)[-1]
        return "it ended before it said a word"

    def close(self) -> None:
        """Let go of it: nothing is told any more."""
        if self._pulse is not None:
            self._pulse.stop()
        if self._probe is not None:
            self._probe.cancel()
        if self._silent is not None:
            self._silent.cancel()
        if self._channel is not None:
            self._channel.close()
        super().close()
