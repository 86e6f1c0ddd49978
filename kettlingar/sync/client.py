"""Calls from any thread: a connection for each call, out of a pool."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from kettlingar.errors import NotRunning
from kettlingar.transport.unixpath import StrPath
from kettlingar.wire.rpc import Items, Result

from .connection import Connection, NotExecutedError
from .lines import Line, by_control_path, by_files
from .stream import BlockingStream

TRIES = 3  # of a request that has certainly not run
POOL = 8  # idle connections that are kept


class BlockingClient:
    """Calls the methods of one service; any number of threads may do so at once.

    `open` returns a connected stream socket (or a Line, which brings its own
    token, host and prefix), or raises OSError. The socket's timeout holds for
    calls that have none. Descriptors go both ways over unix sockets.
    """

    def __init__(
        self,
        open: Callable[[], socket.socket | Line],  # noqa: A002 - the contract's name
        token: str = "",
        host: str = "localhost",
        prefix: str = "",
        *,
        open_tcp: Callable[[], socket.socket | Line] | None = None,
    ) -> None:
        self._open = open
        self._open_tcp = open_tcp or open  # for calls that may not use a unix socket
        self._token = token
        self._host = host
        self._prefix = prefix
        # Over unix sockets, and over TCP. append and pop are atomic: no lock.
        # By whether they may be unix sockets: whoever may use one gets one where there is one.
        self._idle: dict[bool, list[Connection]] = {True: [], False: []}
        self._pid = os.getpid()

    @classmethod
    def by_files(
        cls, folder: StrPath, name: str, *, timeout: float | None = None
    ) -> BlockingClient:
        """Return a client for the service whose files NAME.sock and NAME.url are in `folder`."""
        return cls(
            lambda: by_files(folder, name, timeout),
            open_tcp=lambda: by_files(folder, name, timeout, allow_unix=False),
        )

    def call(
        self,
        name: str,
        /,
        *args: Any,
        call_timeout: float | None = None,
        call_use_json: bool = False,
        call_max_tries: int = TRIES,
        call_allow_unix: bool = True,
        call_reply_to: Any = None,
        call_reply_to_fd: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method and return its result, or a BlockingStream of its items.

        `call_timeout` is in seconds, for the answer and for each further item;
        TimeoutError then. `call_max_tries` bounds how often a request is sent
        that has certainly not run. `call_reply_to` is a socket or an open file: the service
        answers there, and here comes `{"replied_to_first_fd": True}`. NotRunning if nobody answers, OSError if the
        connection broke and the method may have run; else what the method raised.
        """
        reply_to = call_reply_to or call_reply_to_fd
        for tries_left in range(max(1, call_max_tries) - 1, -1, -1):
            connection = self._connection(call_allow_unix)
            try:
                reply = connection.ask(
                    name, args, kwargs,
                    timeout=call_timeout, use_json=call_use_json, reply_to=reply_to,
                )  # fmt: skip
            except NotExecutedError:
                self._release(connection)
                if not tries_left:
                    raise
            except BaseException:
                self._release(connection)
                raise
            else:
                if not isinstance(reply, Result):
                    return BlockingStream(reply, connection, self._release)
                self._release(connection)
                return reply.value
        raise AssertionError("the last try returns or raises")

    def stream(self, name: str, /, *args: Any, **kwargs: Any) -> BlockingStream:
        """Call a method, with the options of `call`; its items are read as they are asked for.

        A method that does not stream has one item: its result.
        """
        result = self.call(name, *args, **kwargs)
        return result if isinstance(result, BlockingStream) else BlockingStream(Items([result]))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """`client.meow()` is `client.call("meow")`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self.call, name)

    def close(self) -> None:
        """Close the idle connections; those in use close when their call ends."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    # --- connections ---

    def _connection(self, allow_unix: bool) -> Connection:
        if self._pid != os.getpid():
            # After a fork these belong to the parent: two may not speak on one.
            self._pid = os.getpid()
            self.close()
        idle = self._idle[allow_unix]
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread has taken it
                break
            if connection.still_there():
                return connection
            connection.close()
        line = self._line(self._open if allow_unix else self._open_tcp)
        connection = Connection(line, any_way=allow_unix)
        if connection.is_unix and not allow_unix:
            connection.close()
            raise NotRunning("cannot reach the service over TCP: only its unix socket is known")
        return connection

    def _line(self, connect: Callable[[], socket.socket | Line]) -> Line:
        try:
            opened = connect()
        except NotRunning:
            raise
        except OSError as error:
            raise NotRunning(f"cannot reach the service: {error.strerror or error}") from error
        if isinstance(opened, Line):
            return opened
        return Line(opened, self._token, self._host, self._prefix)

    def _release(self, connection: Connection) -> None:
        idle = self._idle[connection.any_way]
        if connection.reusable and len(idle) < POOL:
            connection.drop_fds()
            idle.append(connection)
        else:
            connection.close()


def read_on(
    sock: socket.socket,
    name: str,
    data: bytes,
    fds: Sequence[int],
    timeout: float | None,
    *,
    sent: bool,
) -> Any:
    """The answer to a call that somebody else has sent on `sock`, the whole of it or not `sent`.

    `data` and `fds` have come already. All of these are ours from now on.
    """
    connection = Connection(Line(sock), any_way=True)
    try:
        connection.read_on(name, data, fds, timeout, sent=sent)
        reply = connection.reply()
    except BaseException:
        connection.close()
        raise
    if not isinstance(reply, Result):
        return BlockingStream(reply, connection, Connection.close)
    connection.close()
    return reply.value


def connect_control(path: StrPath, *, timeout: float | None = None) -> BlockingClient:
    """Return a client for kettlingard's control socket; nothing is sent before the first call.

    `timeout` in seconds is for calls that have none of their own.
    """
    return BlockingClient(lambda: by_control_path(path, timeout))
