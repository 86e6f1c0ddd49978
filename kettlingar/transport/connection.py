"""One HTTP/1.1 connection of a server: bytes in, requests out, answers back in order.

    IDLE --first byte--> HEAD --blank line--> BODY --last byte--> running --answer--> IDLE

A request runs when the one before it is answered (RFC 9112, 9.3.2); what a
client sends ahead waits in `Requests`, and past a few requests in the kernel.
Each wait has its deadline, held in a queue that all connections share.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from kettlingar.wire._framing import BLANK_LINE
from kettlingar.wire.http11 import CONTINUE, Limits, Phase, Refusal

from .answers import Answers
from .duplex import StreamFactory, Taker
from .fdpass import close_left
from .requests import Incoming, Requests
from .serve import Serve, Usual
from .stream import SocketStream
from .timeouts import Deadlines
from .timers import Timers

AT_ONCE = 16  # pipelined requests that are answered in one turn of the loop
MAX_AHEAD = 8  # requests read ahead of the one that runs
LINGER = 2.0  # seconds in which a client may still read an error before the reset


class Connection(Answers):
    """Pumps one stream through the parser; see the module's picture."""

    __slots__ = ("_held", "_loop", "_paused", "_pumping", "_requests", "_running", "_serve", "_single",
                 "_taker", "_waiting", "context", "elsewhere", "introduced", "usual")  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        serve: Serve,
        limits: Limits,
        timers: Timers,
        *,
        takes_fds: bool = False,
        context: Any = None,
        usual: dict[bytes, Any] | None = None,
        introduced: tuple[str, int] | None = None,
        single: bool = False,
        make_stream: StreamFactory = SocketStream,
    ) -> None:
        """Own `sock`. `context` is the server's: who the client is, how it came here.

        `introduced`: who calls, by the word of a proxy. `single`: one request is served here, the
        next one is somebody else's to place (`Serve.place`).
        """
        super().__init__(make_stream(loop, sock, self, takes_fds=takes_fds), timers)
        self.context = context
        self.usual = {} if usual is None else usual  # by heads, whole; the server's too
        self.introduced = introduced
        self._single = single
        self.elsewhere = False  # the running request is answered to somebody else
        self._requests = Requests(limits)
        self._serve = serve
        self._waiting: Deadlines[Connection] | None = None
        self._taker: Taker | None = None
        self._running = False
        self._held: asyncio.Future[None] | None = None  # answers wait to be read
        self._paused = False  # too much is read ahead
        self._pumping = False
        self._loop = loop

    def start(self, *, read_now: bool = False) -> None:
        """Begin to read; with `read_now`, what has already come, before anything else."""
        self._wait_for_next()
        self.stream.start(read_now=read_now)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered or waits for its turn."""
        return self._running or bool(self._requests.waiting)

    @property
    def closing(self) -> bool:
        """Whether the answer that is being made should say that it is the last one."""
        requests = self._requests
        last = requests.last or (requests.draining and requests.phase is Phase.IDLE)
        return last and not requests.waiting

    @property
    def untouched(self) -> bool:
        """Whether no byte of a request has come yet."""
        return not self._answered and not self.busy and self._requests.phase is Phase.IDLE

    # --- bytes in -------------------------------------------------------------

    def received(self, data: bytes, fds: list[int]) -> None:
        """Take bytes and descriptors from the stream."""
        end = data.find(BLANK_LINE) + 4
        usual: Usual | None = self.usual.get(data[:end])
        if (
            usual is None
            or usual.size != len(data)
            or usual.fds != len(fds)
            or self._running
            or self._single
            or not self._requests.at_rest
        ):
            self._read(data, fds)
            return
        # Most requests of most clients: this is the hot path, in one function.
        body = data[end:]
        self._running = True
        made = usual.answer(self, body, fds) if usual.at_once else None
        if type(made) is not bytes:
            self._again(usual, Incoming(usual.head, body, fds), made)
            return
        if fds:
            close_left(fds)
        self._serve.served += 1
        if not self._answered:
            self.answering()
        self.written += len(made)
        if not self.stream.write(made):
            self._fell_behind()
        elif not (usual.closes or self._requests.draining):
            self._running = False
            self._timers.idle.touch(self)
            return
        self.finished(keep_alive=not usual.closes)

    def _again(self, usual: Usual, incoming: Incoming, made: object) -> None:
        self._requests.last = not usual.head.keep_alive
        self._pumping = True
        self._serve.again(self, usual, incoming, made)
        self._pumping = False
        if self._running:
            self._wait(None)
        else:
            self._wait_for_next()

    def _read(self, data: bytes, fds: list[int]) -> None:
        """Take what must be looked at byte by byte."""
        requests = self._requests
        requests.feed(data, fds)
        if self._single:
            requests.keep_first(running=self._running)
        if not requests.waiting:
            if requests.may_continue(busy=self._running):
                self.stream.write(CONTINUE)
            if not self._running:
                self._wait_for_next()
        elif not self._running:
            self._pump()
        elif len(requests.waiting) > MAX_AHEAD:
            self._paused = True
            self.stream.pause()

    def ended(self, error: OSError | None) -> None:
        """Take the stream's end: of its reading side (None), or of all of it."""
        self._requests.last = True
        if self.elsewhere:
            return  # who is here has been told so, and may go
        if error is not None or not self.busy or self.stream.hung_up:
            self.abort()  # nobody is there for the answer

    # --- requests, one after the other ----------------------------------------

    def _pump(self) -> None:
        """Serve what waits; an answer that is made at once comes back here by `finished`."""
        self._pumping = True
        waiting = self._requests.waiting
        for _ in range(AT_ONCE):
            if not waiting or self._running or self._closed:
                break
            incoming = waiting.popleft()
            if isinstance(incoming, Refusal):
                self._serve.refuse(self, incoming)
                self.close(linger=LINGER)
                break
            self._running = True
            self._serve.request(self, incoming)
        self._pumping = False
        if self._running:
            self._wait(None)
        elif waiting:
            self._loop.call_soon(self._pump)  # others want the loop too
        else:
            self._wait_for_next()

    def finished(self, *, keep_alive: bool) -> None:
        """The running request is answered: on to the next one, or close."""
        if self._behind and keep_alive and self._over_high_water():
            # Whoever reads no answers shall not cost us more of them.
            self._held = asyncio.ensure_future(self._finished_when_read())
            return
        self._running = False
        if self._closed:
            return
        if not keep_alive or self.closing:
            self.close(LINGER if self._taker is not None else 0.0)
            return
        if self._single:
            if not self._serve.place(self):
                self.close()
            return
        if self._paused and len(self._requests.waiting) <= MAX_AHEAD:
            self._paused = False
            self.stream.resume()
        if not self._pumping:
            self._pump()

    def _over_high_water(self) -> bool:
        return self.stream.buffered > self.stream.high_water and not self._closed

    async def _finished_when_read(self) -> None:
        try:
            await self.stream.drained()
        except ConnectionError:
            self.abort()  # and what was asked behind it is not answered
        else:
            self.finished(keep_alive=True)

    def take_over(self, taker: Taker) -> bytes:
        """Give all that comes from now on to `taker`; return what has come behind the request.

        It is the last request; when it is `finished` the connection closes.
        """
        self._taker = taker
        self._requests.last = True
        self.stream.hand_to(taker)
        return self._requests.rest

    def drain(self) -> None:
        """Close now if nothing runs, else after the answer that is being made."""
        self._requests.draining = True
        if self._taker is not None:
            self._taker.drain()
        elif not self.busy and self._requests.phase not in {Phase.HEAD, Phase.BODY}:
            self.close()

    def give_back(self) -> bool:
        """Let go of the socket if nothing was read from it: whoever has a copy may use that.

        It is closed without a word to the client. False: too late for that.
        """
        sock = self._let_go() if self.untouched else None
        if sock is not None:
            sock.close()
        return sock is not None

    def give_away(self) -> socket.socket | None:
        """Let go of the socket between two requests: whoever gets it reads the next one.

        None: it is not between two requests, or nobody else can go on with it.
        """
        between = self._answered and not self.busy and self._requests.phase is Phase.IDLE
        return self._let_go() if between and not self._requests.last else None

    def _let_go(self) -> socket.socket | None:
        if self._closed or self._taker is not None:
            return None
        try:
            sock = self.stream.detach()
        except RuntimeError:
            return None
        self._closed = True
        self._wait(None)
        self._requests.drop()
        return sock

    # --- deadlines and the end ------------------------------------------------

    def _wait_for_next(self) -> None:
        if self._closed:
            return
        phase = self._requests.phase
        if phase is Phase.HEAD:
            self._wait(self._timers.head)
        elif phase is Phase.BODY:
            self._wait(self._timers.body)
        elif self._waiting is self._timers.idle:
            self._waiting.touch(self)
        else:
            self._wait(self._timers.idle)

    def _wait(self, deadlines: Deadlines[Connection] | None) -> None:
        if self._waiting is deadlines:
            return
        if self._waiting is not None:
            self._waiting.discard(self)
        if deadlines is not None:
            deadlines.add(self)
        self._waiting = deadlines

    def too_slow(self) -> None:
        """The head or the body did not come in time (RFC 9110, 15.5.9)."""
        self._waiting = None
        what = "body" if self._requests.phase is Phase.BODY else "head"
        self._requests.refuse(Refusal(408, f"the request's {what} did not come in time"))
        self._pump()

    def close(self, linger: float = 0.0) -> None:
        """End it: what was written still goes out."""
        if not self._closed:
            self._end()
            self.stream.close(linger, flush=self._timers.flush)

    def abort(self) -> None:
        """End it at once."""
        if not self._closed:
            self._end()
            self.stream.abort()

    def detach(self) -> socket.socket:
        """Give the socket away, unread and unwritten from here on."""
        self._end()
        return self.stream.detach()

    def _first_byte(self) -> None:
        self._serve.answering(self)

    def _end(self) -> None:
        self._closed = True
        self._wait(None)
        self._timers.send.discard(self)
        self._requests.drop()
        self._serve.closed(self)
