"""The async client: calls, streams, a pool of connections, and repeats that are safe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from kettlingar.errors import NotRunning
from kettlingar.wire.rpc import Failure, Items, Result, StreamEnd

from .calling import CallConnection, NotExecutedError
from .endpoints import Endpoint, FileEndpoint, Link, PathEndpoint, SocketEndpoint
from .replies import ReplyStream, ReplyTo, as_stream

POOL = 32  # idle connections that are kept


class Client:
    """Calls the methods of one service: `await client.meow()`, `async for x in client.purr(3)`."""

    def __init__(self, endpoint: Endpoint, *, use_json: bool = False) -> None:
        self._endpoint = endpoint
        self._use_json = use_json
        # By whether they were asked for by whoever takes a unix socket too.
        self._idle: dict[bool, list[CallConnection]] = {True: [], False: []}
        self._methods: dict[str, dict[str, Any]] = {}

    # --- finding the service --------------------------------------------------

    async def connect(
        self, *, start: Callable[[], Awaitable[None]] | None = None, retry: int = 3
    ) -> Client:
        """Ping the service and learn its methods; `start` starts it if it does not run.

        NotRunning when nobody answers after `retry` further attempts.
        """
        for attempt in range(retry + 1):
            try:
                await self.refresh()
            except NotRunning:
                if attempt == retry:
                    raise
                if start is not None:
                    await start()
                    start = None
                else:
                    await asyncio.sleep(0.05 + 0.15 * attempt)
            else:
                break
        return self

    async def refresh(self) -> dict[str, Any]:
        """Ping the service; learn its methods anew."""
        pong = await self.call("ping")
        if not isinstance(pong, dict) or not pong.get("pong"):
            raise NotRunning(
                f"cannot use what answers at {self.address}: its ping says {pong!r:.80}"
            )
        self._methods = pong.get("methods") or {}
        return pong

    @property
    def url(self) -> str | None:
        """Where the service answers over TCP; without its token."""
        return self._endpoint.url

    @property
    def address(self) -> Any:
        """The service's address: a path, or (host, port)."""
        return self._endpoint.address

    @property
    def secret(self) -> str | None:
        """The service's token, where this client has seen it."""
        return self._endpoint.secret

    api_url = url
    api_addr = address
    api_secret = secret

    def __str__(self) -> str:
        return f"Client on {self.address or '(not connected)'}"

    # --- calling --------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        record = self._methods.get(name) or self._methods.get(f"public_{name}")
        if record is None:
            raise AttributeError(f"the service has no method {name!r}")

        def call_stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return as_stream(partial(self.call, name, *args, **kwargs))

        async def call_once(*args: Any, **kwargs: Any) -> Any:
            return await self.call(name, *args, **kwargs)

        return call_stream if record.get("streams") else call_once

    async def call(
        self,
        name: str,
        /,
        *args: Any,
        call_use_json: bool | None = None,
        call_max_tries: int = 3,
        call_allow_unix: bool = True,
        call_timeout: float | None = None,
        call_reply_to: Any = None,
        call_reply_to_fd: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Call a method; return its result, or a ReplyStream.

        `call_timeout` bounds, in seconds, the wait for the answer (of a stream:
        for its first item); TimeoutError then. `call_reply_to` is a socket, an open
        file, or the request being served: the service answers there, and here
        comes `{"replied_to_first_fd": True}` at once. A request is repeated, up to
        `call_max_tries` times in all, only where it cannot have been executed.
        """
        reply_to = call_reply_to or call_reply_to_fd
        if call_timeout is not None or not (reply_to is None or isinstance(reply_to, ReplyTo)):
            options = {
                "call_use_json": call_use_json,
                "call_max_tries": call_max_tries,
                "call_allow_unix": call_allow_unix,
            }
            return await self._prepared(call_timeout, reply_to, name, *args, **options, **kwargs)
        # From here to the answer there is one coroutine, whose turns every call pays for.
        use_json = self._use_json if call_use_json is None else call_use_json
        for tries_left in range(call_max_tries - 1, -1, -1):
            idle = self._idle[call_allow_unix]
            connection = idle.pop() if idle else None
            if connection is None or not connection.usable:
                connection = self._pooled(idle) or await self._opened(call_allow_unix)
            waiter = connection.ask(name, args, kwargs, use_json, reply_to)
            try:
                reply = await waiter or await connection.event()
            except NotExecutedError:
                if not tries_left:
                    raise
            except asyncio.CancelledError:
                connection.gave_up(waiter)
                raise
            else:
                return reply.value if type(reply) is Result else _unusual(connection, reply)
        raise NotRunning(f"cannot call {name}: no attempt was allowed ({call_max_tries})")

    async def _prepared(
        self, seconds: float | None, reply_to: Any, name: str, /, *args: Any, **kwargs: Any
    ) -> Any:
        """Make a call within some seconds, or one whose answer goes elsewhere."""
        async with AsyncExitStack() as stack:
            if seconds is not None:
                await stack.enter_async_context(asyncio.timeout(seconds))
            if reply_to is not None:
                reply_to = await ReplyTo.of(reply_to)
                stack.callback(os.close, reply_to.fd)
            return await self.call(name, *args, call_reply_to=reply_to, **kwargs)

    # --- connections ----------------------------------------------------------

    def _pooled(self, idle: list[CallConnection]) -> CallConnection | None:
        """The connection that was used last, of those that can be used now."""
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def _opened(self, allow_unix: bool) -> CallConnection:
        link: Link = await self._endpoint.open(allow_unix=allow_unix)
        loop = asyncio.get_running_loop()
        return CallConnection(loop, link, released=self._release, any_way=allow_unix)

    def _release(self, connection: CallConnection) -> None:
        idle = self._idle[connection.any_way]
        if len(idle) < POOL:
            idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
            idle.clear()

    disconnect = close  # a kitten's name for it


def _unusual(
    connection: CallConnection, reply: Result | Failure | Items | StreamEnd
) -> ReplyStream:
    """What a call gives that was not answered by a plain value; raise what the service did."""
    if isinstance(reply, Failure):
        raise reply.exception
    if isinstance(reply, Items):
        return ReplyStream(connection, reply.values)
    return ReplyStream(None, [])


__all__ = ["Client", "FileEndpoint", "PathEndpoint", "ReplyStream", "SocketEndpoint"]
