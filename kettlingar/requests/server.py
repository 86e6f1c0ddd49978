"""Serves a kitten's methods on any number of connections, and drains them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from kettlingar._compat import start
from kettlingar.api.access import NOBODY
from kettlingar.request import RequestInfo
from kettlingar.transport.connection import Connection
from kettlingar.transport.fdpass import close_left
from kettlingar.transport.requests import Incoming
from kettlingar.transport.stream import SocketStream
from kettlingar.transport.timers import Timers
from kettlingar.wire.http11 import Refusal

from . import respond
from .admission import Gate, kind_of
from .answering import answer
from .exchange import Exchange
from .failures import without_secret
from .serving import Hooks, Origin, Service, Settings, origin_of
from .stepping import rest_of
from .usual import Made, Usual

log = logging.getLogger(__name__)

LINGER = 2.0  # seconds in which a client may read why it was refused
LAST_WORD = 0.2  # seconds for what is cancelled at the end of a drain, to clean up
LISTED = 20  # connections that the log names when a drain is cut


class Observer(Protocol):
    """Who wants to know how far the connections have got (the supervisor's channel)."""

    def answering(self, origin: Origin) -> None:
        """The first byte of the first answer goes out."""

    def closed(self, origin: Origin) -> None:
        """The connection has ended here."""

    @property
    def takes_back(self) -> bool:
        """Whether it has a copy of a connection that it gave, and somebody else to give it to."""

    def returned(self, origin: Origin) -> None:
        """Nothing was read from the connection, and nothing will be: it may go to another."""

    @property
    def moves(self) -> bool:
        """Whether somebody else goes on with kept connections, between two requests."""

    def moved(self, origin: Origin, sock: socket.socket) -> None:
        """Take the connection: its client keeps it open, and asks nothing now."""


class Server:
    """Serves one kitten on any number of connections."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        hooks: Hooks | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._gate = Gate(service, settings, hooks or Hooks())
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._timers = Timers(self._loop, settings.timeouts)
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._idle: asyncio.Event = asyncio.Event()
        self.connections: set[Connection] = set()
        self.draining = False
        self.in_flight = 0
        self.served = 0

    def adjust(self, settings: Settings) -> None:
        """Other settings for the requests to come; limits and timeouts for new connections."""
        self._gate.adjust(settings)

    # --- connections ----------------------------------------------------------

    def accept(self, sock: socket.socket, origin: Origin, *, read_now: bool = False) -> None:
        """Serve one connected stream socket, which belongs to the server from now on."""
        connection = Connection(
            self._loop,
            sock,
            self,
            self._gate.settings.limits,
            self._timers,
            takes_fds=not origin.tcp,
            context=origin,
            usual=self._gate.memory(origin),
            introduced=origin.peer,
            single=bool(origin.routed),
            make_stream=self._gate.hooks.tcp_stream if origin.tcp else SocketStream,
        )
        self.connections.add(connection)
        if len(self.connections) > self._gate.settings.max_connections:
            self.refuse(connection, Refusal(503, "too many connections"))
            connection.close(linger=LINGER)
            return
        connection.start(read_now=read_now)
        if self.draining:
            connection.drain()

    def refuse(self, connection: Connection, refusal: Refusal) -> None:
        """Answer bytes that are no request."""
        why = without_secret(refusal.message, self._gate.settings.secret)
        log.info("refused status=%d why=%r", refusal.status, why)
        connection.send(respond.refusal(refusal.status, why))

    def answering(self, connection: Connection) -> None:
        """Tell the observer that an answer begins."""
        if self._observer is not None:
            self._observer.answering(origin_of(connection))

    def closed(self, connection: Connection) -> None:
        """Forget a connection; cancel what runs for it."""
        self.connections.discard(connection)
        task = self._tasks.pop(connection, None)
        if task is not None:
            task.cancel()
        if self._observer is not None:
            self._observer.closed(origin_of(connection))
        if not self.connections:
            self._idle.set()

    def place(self, connection: Connection) -> bool:
        """Its next request may be another service's: the supervisor looks."""
        observer = self._observer
        if observer is None or not observer.takes_back:
            return False
        sock = connection.give_away()
        if sock is None:
            return False
        self.connections.discard(connection)
        observer.moved(origin_of(connection), sock)
        if not self.connections:
            self._idle.set()
        return True

    def gone(self, origin: Origin) -> None:
        """A connection has ended that never came to be served."""
        if self._observer is not None:
            self._observer.closed(origin)

    def hang_up(self, wanted: Callable[[Origin], bool]) -> None:
        """Close the connections whose origin is `wanted`."""
        for connection in [c for c in self.connections if wanted(origin_of(c))]:
            connection.abort()

    async def drain(self, seconds: float) -> bool:
        """Take nothing new, finish what runs; after `seconds` cut the rest. True: all finished."""
        self.draining = True
        self._idle.clear()
        for connection in list(self.connections):
            if not self._give_back(connection) and not self._move(connection):
                connection.drain()
        if not self.connections:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            await self.cut()
            return False
        return True

    async def cut(self) -> None:
        """End what a drain has left, which is told so; the log says whose it was."""
        left = list(self.connections)
        peers = [str(connection.stream.peername) for connection in left[:LISTED]]
        log.warning("drain cut connections=%d from=%s", len(left), ", ".join(peers))
        self._gate.ends = True
        told = [self._tasks[connection] for connection in left if connection in self._tasks]
        for task in told:
            task.cancel()
        if told:
            await asyncio.wait(told, timeout=LAST_WORD)
        for connection in left:
            connection.abort()

    def _giver(self, connection: Connection) -> Observer | None:
        """Who has given us the connection, where another one could go on with it."""
        origin = origin_of(connection)
        stays = origin.introduced or origin.trusted or not origin.number
        return None if stays else self._observer

    def _give_back(self, connection: Connection) -> bool:
        """Its client has not spoken yet: closing it now would look like a request that was lost."""
        giver = self._giver(connection)
        if giver is None or not giver.takes_back or not connection.give_back():
            return False
        self.connections.discard(connection)
        giver.returned(origin_of(connection))
        return True

    def _move(self, connection: Connection) -> bool:
        """Its client may be writing the next request: closing it now would lose that."""
        giver = self._giver(connection)
        sock = connection.give_away() if giver is not None and giver.moves else None
        if giver is None or sock is None:
            return False
        self.connections.discard(connection)
        giver.moved(origin_of(connection), sock)
        return True

    # --- one request ----------------------------------------------------------

    def request(self, connection: Connection, incoming: Incoming) -> None:
        """Answer one request; the connection waits with the next until this one is done."""
        head, settings = incoming.head, self._gate.settings
        request = RequestInfo(head, incoming.body, NOBODY, kind_of(head, settings), connection)
        self._begin(Exchange(self._gate, connection, incoming, request))

    def again(
        self, connection: Connection, usual: Usual, incoming: Incoming, made: Made | None
    ) -> None:
        """Answer one whose head came before; perhaps with what its method has `made` of it."""
        if made is not None:
            request = made.request
        elif usual.holds:
            request = usual.request(connection, incoming.body)
        else:
            self.request(connection, incoming)
            return
        exchange = Exchange(self._gate, connection, incoming, request, usual.method)
        exchange.made = made
        self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        self.in_flight += 1
        # Until it waits for something, it needs no task and no turn of the loop.
        running = answer(exchange, self._answered)
        try:
            waits_for = running.send(None)
        except StopIteration:
            return
        exchange.in_task = True
        if waits_for is not None:
            running = rest_of(running, waits_for)
        task = start(self._loop, running)
        if not task.done():
            self._tasks[exchange.connection] = task

    def _answered(self, exchange: Exchange, keep_alive: bool) -> None:
        connection, incoming = exchange.connection, exchange.incoming
        if incoming.fds:
            close_left(incoming.fds)
        self.in_flight -= 1
        self.served += 1
        if exchange.in_task:
            self._tasks.pop(connection, None)
        for tell in self._gate.hooks.request_done:
            try:
                tell(exchange.request, exchange.name, exchange.status, exchange.age)
            except Exception:
                log.exception("a request_done failed method=%s", exchange.name)
        connection.finished(keep_alive=keep_alive)
