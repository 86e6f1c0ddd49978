"""The async client: calls, streams, a pool of connections, and repeats that are safe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from msgspec import Struct

from kettlingar.transport.fdpass import tagging
from kettlingar.wire.rpc import Item, Result, encode_call

from .calling import CallConnection, NotExecutedError
from .endpoints import Endpoint, FileEndpoint, Link, PathEndpoint, SocketEndpoint
from .errors import NotRunning
from .replies import ReplyStream, ReplyTo, as_stream

POOL = 32  # idle connections that are kept


class _Call(Struct):
    """One call, and how it is to be made."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tries: int
    allow_unix: bool
    use_json: bool
    reply_to: ReplyTo | None = None

    def request_for(self, connection: CallConnection, fds: list[int]) -> bytes:
        """Return the request's bytes; add to `fds` the descriptors that go with them, not copies."""
        extra = b""
        if self.reply_to is not None:
            fds.append(self.reply_to.fd)
            extra = self.reply_to.lines
        request = encode_call(
            self.name,
            self.args,
            self.kwargs,
            host=connection.host,
            prefix=connection.prefix,
            token=connection.token,
            use_json=self.use_json,
            default=tagging(fds),
            fds=fds,
            extra=extra,
        )
        if fds and not connection.is_unix:
            raise ValueError("cannot send an open file over TCP; call over the unix socket")
        return request


class Client:
    """Calls the methods of one service: `await client.meow()`, `async for x in client.purr(3)`."""

    def __init__(self, endpoint: Endpoint, *, use_json: bool = False) -> None:
        self._endpoint = endpoint
        self._use_json = use_json
        self._idle: list[CallConnection] = []
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
        use_json = self._use_json if call_use_json is None else call_use_json
        call = _Call(name, args, kwargs, call_max_tries, call_allow_unix, use_json)
        reply_to = call_reply_to or call_reply_to_fd
        if call_timeout is None and reply_to is None:
            return await self._tried(call)
        async with AsyncExitStack() as stack:
            if call_timeout is not None:
                await stack.enter_async_context(asyncio.timeout(call_timeout))
            if reply_to is not None:
                call.reply_to = await ReplyTo.of(reply_to)
                stack.callback(os.close, call.reply_to.fd)
            return await self._tried(call)

    async def _tried(self, call: _Call) -> Any:
        for tries_left in reversed(range(call.tries)):
            connection = self._pooled(allow_unix=call.allow_unix)
            if connection is None:
                connection = await self._opened(allow_unix=call.allow_unix)
            fds: list[int] = []
            try:
                request = call.request_for(connection, fds)
            except BaseException:
                self._release(connection)
                raise
            try:
                connection.send(request, fds)
                event = await connection.event()
            except NotExecutedError:
                if not tries_left:
                    raise
                continue
            if type(event) is Result:
                return event.value
            if isinstance(event, Item):
                return ReplyStream(connection, [event.value])
            return ReplyStream(None, [])
        raise NotRunning(f"cannot call {call.name}: no attempt was allowed ({call.tries})")

    # --- connections ----------------------------------------------------------

    def _pooled(self, *, allow_unix: bool) -> CallConnection | None:
        for index in range(len(self._idle) - 1, -1, -1):
            connection = self._idle[index]
            if not connection.usable:
                del self._idle[index]
            elif connection.any_way == allow_unix:
                del self._idle[index]
                return connection
        return None

    async def _opened(self, *, allow_unix: bool) -> CallConnection:
        link: Link = await self._endpoint.open(allow_unix=allow_unix)
        loop = asyncio.get_running_loop()
        return CallConnection(loop, link, released=self._release, any_way=allow_unix)

    def _release(self, connection: CallConnection) -> None:
        if len(self._idle) < POOL:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    disconnect = close  # a kitten's name for it


__all__ = ["Client", "FileEndpoint", "PathEndpoint", "ReplyStream", "SocketEndpoint"]
