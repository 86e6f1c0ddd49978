"""What a supervisor hears of a worker's connections: said once for each turn of the loop."""

from __future__ import annotations

import asyncio
import socket

from kettlingar.api.access import Caller
from kettlingar.requests.serving import Origin
from kettlingar.transport import messages
from kettlingar.transport.channel import Channel

MOST = 250  # descriptors in one message


class Reports:
    """A server's observer (`server.Observer`) that tells the supervisor on `channel`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: Channel) -> None:
        self._loop = loop
        self._channel = channel
        self._own: list[int] = []
        self._answering: list[int] = []
        self._done: list[int] = []
        self._returned: list[int] = []
        self._moved: dict[str, list[tuple[int, int]]] = {}  # by routed listener: number, descriptor
        self._flushing = False
        self.wants_moved = False  # the supervisor said that it goes on with kept connections

    def go_on(self, channel: Channel) -> None:
        """Tell another supervisor from now on, who is told what there is by other means."""
        self._channel = channel
        self._own, self._answering, self._done, self._returned = [], [], [], []

    def accepted(self, number: int) -> None:
        """A connection that no supervisor has given to us."""
        self._own.append(number)
        self._flush_soon()

    # --- server.Observer ------------------------------------------------------

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
        return self.wants_moved and not self._channel.closed

    def moved(self, origin: Origin, sock: socket.socket) -> None:
        """Its client keeps it open: it is the supervisor's again."""
        self._moved.setdefault(origin.routed, []).append((origin.number, sock.detach()))
        self._flush_soon()

    # --- out ------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Say what happened in this turn of the loop in one message."""
        self._flushing = False
        done = set(self._done)
        answering = [number for number in self._answering if number not in done]
        if self._own or answering or done or self._returned:
            self._channel.send(
                messages.Progress(
                    own=self._own, answering=answering, done=self._done, returned=self._returned
                )
            )
        for listener, moved in self._moved.items():
            for start in range(0, len(moved), MOST):
                numbers, fds = zip(*moved[start : start + MOST], strict=True)
                self._channel.send(messages.Moved(list(numbers), listener), list(fds))
        self._moved = {}
        self._own, self._answering, self._done, self._returned = [], [], [], []


def callers_of(origins: list[Origin]) -> list[messages.Caller]:
    """The local clients among them, as a new supervisor hears of them."""
    return [_caller(o.number, o.caller) for o in origins if o.number and o.trusted and o.caller]


def _caller(number: int, caller: Caller) -> messages.Caller:
    return messages.Caller(
        id=number,
        uid=-1 if caller.uid is None else caller.uid,
        pid=caller.pid or 0,
        service=caller.service,
        methods=None if caller.methods is None else sorted(caller.methods),
    )
