"""Calls that stay in this process: one's own methods, and loopback.

They give what a call over the wire gives: the same conversion of arguments,
the same shape of results, the same exceptions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import isawaitable
from typing import Any, Protocol

from kettlingar.api.access import Identity
from kettlingar.api.binding import bind
from kettlingar.api.methods import Method, MethodTable
from kettlingar.wire.content import Kind
from kettlingar.wire.http11 import RequestHead

from .errors import (
    BadRequest,
    HttpError,
    NeedInfoException,
    NotFound,
    RedirectException,
    RemoteError,
)
from .request import FdsResult, HttpResult, RequestInfo
from .requests.respond import as_result

_KEPT = (HttpError, PermissionError, NeedInfoException)
_OF_THE_WIRE = frozenset(
    ("call_use_json", "call_reply_to", "call_reply_to_fd",
     "call_max_tries", "call_allow_unix", "call_timeout")
)  # fmt: skip


class Service(Protocol):
    """What a local call needs to know of a kitten."""

    methods: MethodTable

    def guarantee_type(self, rule: Any, value: Any) -> Any:
        """Convert an argument."""


class LocalStream:
    """The items of a streaming method; iterate it, once."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._items

    def __call__(self) -> LocalStream:
        """Return self: the seed's clients call what `call` gave them."""
        return self


class LocalCaller:
    """Calls a kitten's methods directly."""

    def __init__(self, kitten: Service) -> None:
        self._kitten = kitten

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method by name; a client's options (`call_...`) have no meaning here."""
        kwargs = {key: value for key, value in kwargs.items() if key not in _OF_THE_WIRE}
        method = self._kitten.methods.find(name, private=True)
        if method is None:
            raise NotFound(f"no such method: {name}")
        if method.takeover is not None:
            raise BadRequest(f"cannot call {name}: it wants a connection of its own (a WebSocket)")
        request = _request(name)
        bound_args, bound_kwargs = bind(method, args, kwargs, self._kitten.guarantee_type)
        first: tuple[Any, ...] = (
            (request.method, request.headers, request.body) if method.legacy else (request,)
        )
        running = method.function(self._kitten)(*first, *bound_args, **bound_kwargs)
        if method.streams:
            return LocalStream(_items(running))
        try:
            return plain(await running if isawaitable(running) else running)
        except Exception as error:
            raise _as_remote(error) from error


async def _items(generator: Any) -> AsyncIterator[Any]:
    mimetype = None
    try:
        async for value in generator:
            result = as_result(value)
            mimetype = mimetype or result.mimetype
            yield plain(HttpResult(mimetype, result.data))
    except Exception as error:
        raise _as_remote(error) from error
    finally:
        await generator.aclose()


def plain(value: object) -> Any:
    """Return what a client would get for a method's return value."""
    if isinstance(value, FdsResult):
        return value.files
    result = as_result(value)
    if result.redirect_to:
        raise OSError(f"cannot follow the answer elsewhere: {result.redirect_to}")
    if result.mimetype is None or result.mimetype in {Kind.JSON.mimetype, Kind.MSGPACK.mimetype}:
        return result.data
    data = result.data
    if result.mimetype.startswith("text/") and isinstance(data, (bytes, bytearray)):
        data = bytes(data).decode("utf-8", "surrogateescape")
    elif isinstance(data, str) and not result.mimetype.startswith("text/"):
        data = data.encode()
    return {"mimetype": result.mimetype, "data": data}


def _as_remote(error: Exception) -> Exception:
    if isinstance(error, _KEPT):
        return error
    if isinstance(error, RedirectException):
        return OSError(f"cannot follow the answer elsewhere: {error.url}")
    return RemoteError(f"{type(error).__name__}: {error}", remote_type=type(error).__name__)


def _request(name: str) -> RequestInfo:
    head = RequestHead(
        method="POST",
        target=f"/{name}",
        path=f"/{name}",
        query="",
        headers={},
        http10=False,
        keep_alive=True,
        expect_continue=False,
        upgrade=False,
        content_length=0,
    )
    return RequestInfo(head, b"", Identity(True, None), Kind.MSGPACK)


__all__ = ["LocalCaller", "LocalStream", "Method", "plain"]
