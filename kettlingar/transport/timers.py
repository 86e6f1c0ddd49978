"""How long a connection may wait for what, and the queues in which all of a server's do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from .timeouts import Deadlines

if TYPE_CHECKING:
    from .answers import Answers
    from .connection import Connection


class Timeouts(Struct, frozen=True):
    """Seconds that a connection may wait for each thing."""

    head: float = 1.0
    body: float = 15.0
    idle: float = 60.0
    send: float = 30.0


class Timers:
    """The deadlines of all connections of one server: one queue for each duration."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeouts: Timeouts) -> None:
        self.flush = timeouts.send if timeouts.send > 0 else 3600.0  # of a last answer
        self.head: Deadlines[Connection] = Deadlines(loop, timeouts.head, _too_slow)
        self.body: Deadlines[Connection] = Deadlines(loop, timeouts.body, _too_slow)
        self.idle: Deadlines[Connection] = Deadlines(loop, timeouts.idle, _close)
        self.send: Deadlines[Answers] = Deadlines(loop, timeouts.send, _stuck)


def _too_slow(connection: Connection) -> None:
    connection.too_slow()


def _close(connection: Connection) -> None:
    connection.close()


def _stuck(answers: Answers) -> None:
    answers.stuck()
