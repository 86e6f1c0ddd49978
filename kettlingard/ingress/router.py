"""Listeners of kettlingard.toml: each request is looked at (MSG_PEEK), and its connection given to
the service that it is for. Not a byte is consumed.

    accepted ──▶ look ──head is whole──▶ the service's ingress ──▶ its worker ──one answer──┐
                  ▲ └──more must come──▶ wait (SO_RCVLOWAT)                                  │
                  └──────────────── given back for its next request ◀────────────────────────┘

A service must not see what is another one's: so a kept connection comes back here
after each answer. What cannot be placed is answered from here: 404, 408, 4xx, 503.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from kettlingar.transport.acceptor import stream_of
from kettlingar.transport.timeouts import Deadlines
from kettlingard.core.listeners import ListenerSpec, SharedListener
from kettlingard.core.marks import Whose
from kettlingard.core.passage import PassedShared
from kettlingard.core.peek import read_head
from kettlingard.core.routes import Request, Table, choose
from kettlingard.host.custodian import Kept
from kettlingard.host.handed import Handed
from kettlingard.host.marks import Marks
from kettlingard.host.refusal import Refusals, answer, unavailable

from .front import Front
from .fronts import Fronts
from .opening import Opening

log = logging.getLogger(__name__)

OWNER = "kettlingard"  # whose listeners these are: systemd calls one kettlingard.NAME
IDLE = 60.0  # seconds that a connection may stay without a request
MOST = 8192  # connections that wait for a request; beyond it the oldest is closed

Give = Callable[[str, Front, socket.socket], bool]


class Visitor(Struct, eq=False):
    """A connection whose next request has not been placed yet."""

    front: Front
    sock: socket.socket
    seen: int = 0  # bytes of its head
    waiting: Deadlines[Visitor] | None = None


class Router:
    """Owns these listeners, and their connections until `give(service, front, sock)` takes them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        refusals: Refusals,
        handed: Handed,
        marks: Marks,
    ) -> None:
        self._loop = loop
        self._refusals = refusals
        self.give: Give = _to_nobody
        self._opening = Opening(OWNER, handed)
        refusal = unavailable("kettlingard has no descriptors left; please try again")
        self._fronts = Fronts(loop, self._opening, self._accepted, refusal, marks)
        self._routes: Table = {}
        self._visitors: dict[Visitor, None] = {}  # the longest waiting first
        self._deadlines: dict[float, Deadlines[Visitor]] = {}

    # --- listeners and routes ---

    def open(self, specs: Sequence[ListenerSpec]) -> None:
        """Listen on exactly these. Raises ListenError, and then nothing has changed."""
        self._fronts.become(specs)
        self._fronts.guarded(by_workers=False)  # no worker has copies: they could not tell whose

    def become(self, routes: Table) -> None:
        """Place requests by these from now on."""
        self._routes = routes

    @property
    def fronts(self) -> Mapping[str, Front]:
        """By their addresses."""
        return {front.spec.stream: front for front in self._fronts}

    # --- connections ---

    def _accepted(self, front: Front, fds: list[int]) -> None:
        for fd in fds:
            self._look(Visitor(front, stream_of(fd, front.family)))

    def again(self, listener: str, sock: socket.socket) -> None:
        """It has had an answer, and its client keeps it open."""
        sock.setblocking(False)
        front = next((one for one in self._fronts if one.spec.name == listener), None)
        if front is None:
            sock.close()
        else:
            self._look(Visitor(front, sock))

    def _look(self, visitor: Visitor) -> None:
        limit = _spec(visitor.front).max_head
        try:
            data = visitor.sock.recv(limit + 1, socket.MSG_PEEK)
        except BlockingIOError:
            self._wait(visitor, 0)
            return
        except OSError:
            self._close(visitor)
            return
        found = read_head(data, limit)
        if isinstance(found, Request):
            self._place(visitor, found)
        elif found is not None:
            self._refuse(visitor, found.status, found.message)
        elif len(data) > limit:
            self._refuse(visitor, 431, f"the head has more than {limit} bytes")
        elif len(data) <= visitor.seen or not data:
            self._close(visitor)  # it woke us, but not by a byte: nothing more will come
        else:
            self._wait(visitor, len(data))

    def _wait(self, visitor: Visitor, seen: int) -> None:
        """Until there is more than has been seen: a level-triggered loop would spin else."""
        visitor.seen = seen
        seconds = _spec(visitor.front).head_timeout if seen else IDLE
        visitor.waiting = self._timer(seconds)
        visitor.waiting.add(visitor)
        if seen:
            visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
        if visitor not in self._visitors:
            self._visitors[visitor] = None
            visitor.front.mark(visitor.sock.fileno(), Whose.OURS, 0)
            if len(self._visitors) > MOST:
                self._close(next(iter(self._visitors)))
        self._loop.add_reader(visitor.sock.fileno(), self._look_again, visitor)

    def _look_again(self, visitor: Visitor) -> None:
        if not visitor.seen and visitor.waiting is not None:
            visitor.waiting.discard(visitor)  # its head has a time of its own, and one only
        self._look(visitor)

    def _let_go(self, visitor: Visitor) -> None:
        """It is not waited for any more; its socket is the caller's."""
        if visitor.waiting is not None:
            visitor.waiting.discard(visitor)
        if visitor in self._visitors:
            del self._visitors[visitor]
            self._loop.remove_reader(visitor.sock.fileno())
        if visitor.seen:
            with suppress(OSError):
                visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _place(self, visitor: Visitor, request: Request) -> None:
        service = choose(self._routes.get(visitor.front.spec.name, ()), request)
        if service is None:
            self._refuse(visitor, 404, "no service takes this")
            return
        self._let_go(visitor)
        if not self.give(service, visitor.front, visitor.sock):
            visitor.front.forget(visitor.sock.fileno())
            self._refusals.refuse(visitor.sock, unavailable(f"{service} does not run"))

    def _refuse(self, visitor: Visitor, status: int, why: str) -> None:
        self._let_go(visitor)
        visitor.front.forget(visitor.sock.fileno())
        self._refusals.refuse(visitor.sock, answer(status, why))

    def _close(self, visitor: Visitor) -> None:
        self._let_go(visitor)
        number = visitor.sock.fileno()
        visitor.sock.close()
        visitor.front.forget(number)

    def _expired(self, visitor: Visitor) -> None:
        if visitor.seen:
            self._refuse(visitor, 408, "the request's head did not come in time")
        else:
            self._close(visitor)

    def _timer(self, seconds: float) -> Deadlines[Visitor]:
        if seconds not in self._deadlines:
            self._deadlines[seconds] = Deadlines(self._loop, seconds, self._expired)
        return self._deadlines[seconds]

    # --- going on ---

    def pack(self) -> PassedShared:
        """What our next version goes on with."""
        return PassedShared(
            {front.spec.stream: front.fileno() for front in self._fronts},
            [(one.front.spec.stream, one.sock.fileno()) for one in self._visitors],
        )

    def inherit(self, passed: PassedShared) -> None:
        """The listeners that our last version had; `open` takes them."""
        found = {stream: socket.socket(fileno=fd) for stream, fd in passed.listeners.items()}
        self._opening.inherit(found)

    def unpack(self, passed: PassedShared) -> None:
        """Its connections; the listeners are open, and services are there."""
        fronts = self.fronts
        for stream, fd in passed.waiting:
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            if stream in fronts:
                self._look(Visitor(fronts[stream], sock))
            else:
                sock.close()

    def rescue(self, kept: Iterable[Kept]) -> list[Kept]:
        """Go on with those that waited at a killed supervisor; return what is not ours."""
        others: list[Kept] = []
        for one in kept:
            front = self._fronts.that_took(one)
            if front is not None and one.mark.whose is Whose.OURS:
                one.sock.setblocking(False)
                self._look(Visitor(front, one.sock))
            else:
                others.append(one)
        return others

    # --- what people see, and the end ---

    def describe(self) -> list[dict[str, object]]:
        """The listeners, as `ctl sockets` shows them."""
        waiting = [visitor.front for visitor in self._visitors]
        return [{**front.describe(), "held": waiting.count(front)} for front in self._fronts]

    def close(self) -> None:
        """Listen no longer."""
        self._fronts.close()
        for visitor in list(self._visitors):
            self._close(visitor)
        for deadlines in self._deadlines.values():
            deadlines.close()


def _to_nobody(_service: str, _front: Front, _sock: socket.socket) -> bool:
    return False


def _spec(front: Front) -> SharedListener:
    assert isinstance(front.spec, SharedListener)
    return front.spec
