"""The blocking client: calls and streams without an event loop or a thread behind them.

Each call has a connection for itself, taken from a pool and put back when its
answer is whole, so any number of threads may call at once. A request is sent
again only if it cannot have run: see `_Connection._was_read`.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from kettlingar.errors import NotRunning
from kettlingar.transport.fdpass import close_all, recv_fds, send_fds, take
from kettlingar.wire.fdtags import FdTag, tag_default
from kettlingar.wire.rpc import Failure, Item, ReplyReader, Result, StreamEnd, encode_call

Reply = Item | Result | StreamEnd

READ_SIZE = 64 * 1024  # bytes
TRIES = 3  # of a request that has certainly not run
POOL = 8  # idle connections that are kept
NOT_READ = "the service closed the connection before it read the request"
RESET_WAIT = 50  # milliseconds that a reset may come behind a FIN


class _NotExecutedError(ConnectionError):
    """The connection ended and the request has certainly not run: it may be sent again."""


class BlockingClient:
    """Calls the methods of one service from any thread.

    `open` returns a connected stream socket, or raises OSError; its timeout, if
    it has one, holds for every call without a `call_timeout`. Descriptors go
    both ways where the socket is a unix socket.
    """

    def __init__(
        self,
        open: Callable[[], socket.socket],  # noqa: A002 - the contract's name
        token: str = "",
        host: str = "localhost",
        prefix: str = "",
    ) -> None:
        self._open = open
        self._token = token
        self._host = host
        self._prefix = prefix
        self._idle: list[_Connection] = []  # append and pop are atomic: no lock
        self._pid = os.getpid()

    def call(
        self,
        name: str,
        *args: Any,
        call_timeout: float | None = None,
        call_use_json: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call a method and return its result, or a BlockingStream of its items.

        `call_timeout` is in seconds, for the answer and for each further item;
        TimeoutError then. NotRunning if nobody answers, OSError if the
        connection broke and the method may have run; else what the method raised.
        """
        connection, reply = self._begin(name, args, kwargs, call_timeout, use_json=call_use_json)
        if isinstance(reply, Result):
            self._put_back(connection, keep_alive=reply.keep_alive)
            return reply.value
        return BlockingStream(connection, reply, self._put_back)

    def stream(self, name: str, *args: Any, **kwargs: Any) -> BlockingStream:
        """Call a method, with the options of `call`; its items are read as they are asked for.

        A method that does not stream has one item: its result.
        """
        result = self.call(name, *args, **kwargs)
        return result if isinstance(result, BlockingStream) else BlockingStream.of(result)

    def close(self) -> None:
        """Close the idle connections; those in use close when their call ends."""
        while self._idle:
            self._idle.pop().close()

    # --- one call ---

    def _begin(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None,
        *,
        use_json: bool,
    ) -> tuple[_Connection, Reply]:
        fds: list[int] = []

        def tag(thing: object) -> FdTag | None:
            taken = take(thing, len(fds))
            if taken is None:
                return None
            fds.append(taken[1])
            return taken[0]

        try:
            request = encode_call(
                name,
                args,
                kwargs,
                host=self._host,
                prefix=self._prefix,
                token=self._token,
                use_json=use_json,
                default=tag_default(tag),
                fds=fds,
            )
            return self._ask(name, request, fds, timeout)
        finally:
            close_all(fds)

    def _ask(
        self, name: str, request: bytes, fds: list[int], timeout: float | None
    ) -> tuple[_Connection, Reply]:
        for tries_left in reversed(range(TRIES)):
            connection = self._connection()
            try:
                connection.send(name, request, fds, timeout)
                return connection, connection.reply()
            except _NotExecutedError:
                connection.close()
                if not tries_left:
                    raise
            except BaseException as error:
                # What the service answered leaves the connection as it was.
                said_so = connection.failure is error and connection.keep_alive
                self._put_back(connection, keep_alive=said_so)
                raise
        raise AssertionError("the last try returns or raises")

    # --- connections ---

    def _connection(self) -> _Connection:
        if self._pid != os.getpid():
            # After a fork these belong to the parent: two may not speak on one.
            self._pid = os.getpid()
            self.close()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.still_there():
                return connection
            connection.close()
        try:
            return _Connection(self._open())
        except NotRunning:
            raise
        except OSError as error:
            raise NotRunning(f"cannot reach the service: {error.strerror or error}") from error

    def _put_back(self, connection: _Connection, *, keep_alive: bool) -> None:
        if keep_alive and len(self._idle) < POOL:
            connection.drop_fds()
            self._idle.append(connection)
        else:
            connection.close()


class BlockingStream(Iterator[Any]):
    """The items of a streaming method. Closing it, or losing it, before its end ends the method."""

    def __init__(
        self,
        connection: _Connection,
        reply: Reply,
        put_back: Callable[..., None],
    ) -> None:
        self._connection: _Connection | None = connection
        self._reply: Reply | None = reply
        self._put_back = put_back

    @classmethod
    def of(cls, result: Any) -> BlockingStream:
        """Return a stream of one item."""
        stream = cls.__new__(cls)
        stream._connection = None
        stream._reply = Item(result)
        return stream

    def __next__(self) -> Any:
        reply, self._reply = self._reply, None
        if reply is None and self._connection is not None:
            try:
                reply = self._connection.reply(renew=True)
            except BaseException:
                self.close()
                raise
        if isinstance(reply, Item):
            return reply.value
        if isinstance(reply, StreamEnd) and self._connection is not None:
            self._put_back(self._connection, keep_alive=reply.keep_alive)
            self._connection = None
        raise StopIteration

    def close(self) -> None:
        """Read no more; the service's method is ended."""
        self._reply = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self.close()


class _Connection:
    """A connected socket, and the reply that is being read from it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._is_unix = sock.family == socket.AF_UNIX
        self._usual_timeout = sock.gettimeout()
        self._timeout: float | None = None
        self._deadline: float | None = None  # monotonic
        self._name = ""
        self._reader = ReplyReader()
        self._events: deque[Any] = deque()
        self._fds: deque[int] = deque()
        self._sent = self._answered = False
        self.failure: BaseException | None = None  # what the service answered, as an exception
        self.keep_alive = False  # after that failure

    def still_there(self) -> bool:
        """Whether an idle connection is as we left it: any word on it now is its end, or nonsense."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLRDHUP)
        return not poll.poll(0)

    # --- the request ---

    def send(self, name: str, request: bytes, fds: Sequence[int], timeout: float | None) -> None:
        """Send a request, with copies of `fds` at its first byte; the answer has `timeout` seconds."""
        if fds and not self._is_unix:
            raise ValueError(
                f"cannot call {name} with an open file over TCP; call over the unix socket"
            )
        self._begin(name, timeout)
        view = memoryview(request)
        try:
            while view:
                self._set_timeout()
                sent = send_fds(self._sock, view, fds) if fds else self._sock.send(view)
                view, fds = view[sent:], ()
        except TimeoutError:
            raise self._too_slow() from None
        except (BrokenPipeError, ConnectionResetError):
            return  # it may have answered before it closed: a body too large
        self._sent = True

    def _begin(self, name: str, timeout: float | None) -> None:
        self._name = name
        self._reader = ReplyReader(resolve=self._resolve)
        self._events.clear()
        self._sent = self._answered = False
        self.failure = None
        self._timeout = self._usual_timeout if timeout is None else timeout
        self._renew()

    def _renew(self) -> None:
        self._deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def _set_timeout(self) -> None:
        if self._deadline is None:
            if self._sock.gettimeout() is not None:
                self._sock.settimeout(None)
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def _too_slow(self) -> TimeoutError:
        return TimeoutError(f"cannot call {self._name}: no answer within {self._timeout:g} s")

    # --- the reply ---

    def reply(self, *, renew: bool = False) -> Reply:
        """Return the next part of the reply; raise what the service, or the connection, raised.

        `renew`: it has the whole timeout for itself.
        """
        if renew:
            self._renew()
        while not self._events:
            self._read()
        event = self._events.popleft()
        if isinstance(event, Failure):
            self.failure = event.exception
            self.keep_alive = event.keep_alive
            raise event.exception
        return cast("Reply", event)

    def _read(self) -> None:
        data = b""
        try:
            self._set_timeout()
            data = self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        except (BrokenPipeError, ConnectionResetError) as error:
            if not self._answered:
                # A reset says that the service left bytes of the request unread.
                raise _NotExecutedError(f"{NOT_READ}: {error.strerror}") from error
            raise OSError(f"cannot read the answer to {self._name}: {error.strerror}") from error
        if data:
            self._answered = True
            self._events += self._reader.feed(data)
        elif self._answered or self._was_read():
            self._events += self._reader.eof()
        else:
            raise _NotExecutedError(NOT_READ)

    def _receive(self) -> bytes:
        if not self._is_unix:
            return self._sock.recv(READ_SIZE)
        data, fds = recv_fds(self._sock, READ_SIZE)
        self._fds += fds
        return data

    def _was_read(self) -> bool:
        """After an end without an answer: whether the service may have read the request.

        It may have, and died. But if it had closed the connection before our
        request came, then the request was answered by a reset, behind that end.
        """
        if not self._sent:
            return False
        poll = select.poll()
        poll.register(self._sock, 0)  # errors are always told
        return not any(event & select.POLLERR for _, event in poll.poll(RESET_WAIT))

    def _resolve(self, tag: FdTag) -> object:
        if not self._fds:
            raise OSError(f"the answer to {self._name} names a descriptor that did not come")
        return give(tag, self._fds.popleft())

    # --- the end ---

    def drop_fds(self) -> None:
        """Close the descriptors that no part of the reply spoke of."""
        close_all(self._fds)
        self._fds.clear()

    def close(self) -> None:
        """Close it."""
        self.drop_fds()
        self._sock.close()


def connect_control(path: StrPath, *, timeout: float | None = None) -> BlockingClient:
    """Return a client for kettlingard's control socket; nothing is sent before the first call.

    `timeout` in seconds is for calls that have none of their own.
    """

    def connect() -> socket.socket:
        try:
            return connect_unix(path, timeout=timeout)
        except OSError as error:
            why = "nobody answers" if error.errno in {ECONNREFUSED, ENOENT} else error.strerror
            raise NotRunning(
                f"cannot reach kettlingard at {os.fspath(path)}: {why}; is it running?"
            ) from error

    return BlockingClient(connect)
