"""One request's life: who calls, which method, with what; and its answer.

This is the only place where an exception becomes a response. What the wire
carries is decoded below (wire, api), what an author wrote runs above (kitten).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from kettlingar.api.access import (
    Identity,
    host_allowed,
    may_call,
    same_secret,
    token_in_headers,
)
from kettlingar.api.binding import bind
from kettlingar.api.methods import Method
from kettlingar.api.routing import route
from kettlingar.transport.connection import Connection, Incoming
from kettlingar.transport.fdpass import close_all, give, take
from kettlingar.wire.content import Kind, decode_body, from_query, negotiate
from kettlingar.wire.fdtags import FdTag

from . import respond
from .errors import (
    BadRequest,
    NotFound,
)
from .failures import describe
from .request import FdsResult, HttpResult, RequestInfo
from .serving import Hooks, Service, Settings, origin_of
from .stepping import step

log = logging.getLogger(__name__)

FLUSH_AT = 16 * 1024  # bytes of a stream that are joined before they are written


class Exchange:
    """One request on its way through: each method is one station of ARCHITECTURE's path (a)."""

    __slots__ = ("_begun", "_connection", "_hooks", "_incoming", "_service", "_settings", "_stream",
                 "name", "request", "status")  # fmt: skip

    def __init__(
        self,
        service: Service,
        settings: Settings,
        hooks: Hooks,
        connection: Connection,
        incoming: Incoming,
    ) -> None:
        self._service = service
        self._settings = settings
        self._hooks = hooks
        self._connection = connection
        self._incoming = incoming
        self._stream: respond.StreamWriter | None = None
        self._begun = time.monotonic() if self._hooks.request_done else 0.0
        head = incoming.head
        kind = negotiate(head.headers.get("accept", ""), head.headers.get("content-type", ""))
        self.name = ""
        self.status = 0
        self.request = RequestInfo(head, incoming.body, Identity(False, None), kind, connection)

    async def run(self) -> bool:
        """Answer the request; return whether the connection may carry another one."""
        try:
            await self._answer()
        except Exception as error:  # noqa: BLE001  here, and only here, failures become answers
            return self._fail(error)
        finally:
            self._tell_observers()
        return not self._connection.closing and not self._incoming.head.http10

    async def _answer(self) -> None:
        method = await self._find()
        args, kwargs = self._arguments(method)
        function = method.function(self._service)
        if method.legacy:
            first: tuple[Any, ...] = (self.request.method, self.request.headers, self.request.body)
        else:
            first = (self.request,)
        if method.raw:
            await self._run_raw(function(*first, *args, **kwargs))
        elif method.streams:
            await self._run_stream(function(*first, *args, **kwargs))
        else:
            self._write(await function(*first, *args, **kwargs))

    # --- who calls what -------------------------------------------------------

    async def _find(self) -> Method:
        head = self._incoming.head
        settings = self._settings
        if settings.allowed_hosts and not host_allowed(head.headers, settings.allowed_hosts):
            raise PermissionError("this service does not answer to that Host or Origin")
        if self._hooks.validate_request_header is not None:
            await self._hooks.validate_request_header(head.path, self.request.headers)
        origin = origin_of(self._connection)
        secret = settings.secret
        where = route(head.path, lambda text: same_secret(text, secret), settings.prefix)
        authorised = (
            origin.trusted
            or (where is not None and where.token)
            or token_in_headers(head.headers, secret)
        )
        self.request.identity = Identity(authorised, origin.caller)
        self.request.route = where
        name = where.name if where else ""
        if self._hooks.get_method_name is not None:
            name = self._hooks.get_method_name(self.request) or name
        self.name = name
        method = self._look_up(name, private=authorised)
        if method is None:
            if not authorised:
                raise PermissionError("this needs credentials, or there is no such method")
            raise NotFound(f"no such method: {name}")
        if not may_call(self.request.identity, method):
            who = origin.caller.uid if origin.caller else None
            raise PermissionError(f"uid {who} may not call {name}")
        return method

    def _look_up(self, name: str, *, private: bool) -> Method | None:
        offered = self._hooks.get_api_methods and self._hooks.get_api_methods(self.request)
        method = self._first(offered, private=private) if offered else None
        if method is None:
            method = self._service.methods.find(name, private=private)
        if method is None and self._hooks.get_default_methods is not None:
            method = self._first(self._hooks.get_default_methods(self.request), private=private)
        allowed = self._settings.public_over_tcp
        if method is not None and method.public and allowed is not None and not private:
            return method if method.name in allowed else None
        return method

    def _first(self, functions: Sequence[Any] | None, *, private: bool) -> Method | None:
        """Read what a hook returned: bound methods, of which the first that may be used counts."""
        for function in functions or ():
            attribute = getattr(function, "__name__", "")
            for method in self._service.methods:
                if method.attribute == attribute and (private or method.public):
                    return method
        return None

    # --- with what ------------------------------------------------------------

    def _arguments(self, method: Method) -> tuple[list[Any], dict[str, Any]]:
        head, incoming = self._incoming.head, self._incoming
        kwargs: dict[str, Any] = from_query(head.query) if head.query else {}
        args: list[Any] = []
        if incoming.body:
            payload = decode_body(
                head.headers.get("content-type", ""),
                incoming.body,
                max_depth=self._settings.max_depth,
                resolve=self._take_fd,
            )
            if payload is not None:
                args, kwargs = _merge(payload, kwargs)
        return bind(method, args, kwargs, self._service.guarantee_type)

    def _take_fd(self, tag: FdTag) -> object:
        """Turn a placeholder into the open file or socket that came with the request."""
        fds = self._incoming.fds
        if not self.request.authed:
            raise PermissionError("descriptors need credentials")
        if not 0 <= tag.index < len(fds) or fds[tag.index] < 0:
            raise BadRequest(f"no descriptor came for number {tag.index}")
        fd, fds[tag.index] = fds[tag.index], -1
        thing = give(tag, fd)
        self.request.fds.append(thing)
        return thing

    # --- the answer -----------------------------------------------------------

    def _encode(self, kind: Kind, value: object) -> bytes:
        return self._service.encode(kind, value, _no_descriptors)

    def _write(self, value: object) -> None:
        without_body = self._incoming.head.method == "HEAD"
        close = self._incoming.head.http10
        if isinstance(value, FdsResult):
            self._write_fds(value, without_body=without_body, close=close)
            return
        result = respond.as_result(value)
        self.status = result.http_code
        respond.one(
            self._connection,
            result,
            self.request.kind,
            self._encode,
            without_body=without_body,
            close=close,
        )

    def _write_fds(self, value: FdsResult, *, without_body: bool, close: bool) -> None:
        if origin_of(self._connection).tcp:
            raise BadRequest("descriptors travel over the unix socket only; call by that")
        tags, fds = _tagged(value.files)
        self.status = 200
        respond.one(
            self._connection,
            HttpResult(None, tags),
            self.request.kind,
            lambda kind, data: self._service.encode(kind, data, lambda thing: thing),
            without_body=without_body,
            close=close,
            fds=fds,
        )
        for thing in value.files:
            close_file = getattr(thing, "close", None)
            if close_file is not None:
                close_file()

    async def _run_raw(self, running: Any) -> None:
        self.request.respond = self._connection.send
        try:
            result = await running
            if result is not None:
                self._write(result)
        finally:
            self.request.respond = None
        self._connection.close()

    async def _run_stream(self, generator: Any) -> None:
        head = self._incoming.head
        writer = self._stream = respond.StreamWriter(
            self._connection, self.request.kind, self._encode, chunked=not head.http10
        )
        self.status = 200
        if head.method == "HEAD":
            await generator.aclose()
            writer.begin(HttpResult(None))
            writer.flush()
            return
        try:
            while True:
                try:
                    value = await step(generator, writer.flush)
                except StopAsyncIteration:
                    break
                if writer.item(value) >= FLUSH_AT:
                    await writer.flushed()
                    await asyncio.sleep(0)  # others want the loop too
                elif self._connection.stream.buffered:
                    await writer.flushed()
            writer.end()
            await self._connection.drained()
        finally:
            await generator.aclose()

    # --- failures -------------------------------------------------------------

    def _fail(self, error: Exception) -> bool:
        if isinstance(error, ConnectionError) and self._connection.stream.closing:
            return False
        status, body, extra = describe(error, authed=self.request.authed)
        if status == 500:
            log.error("method failed method=%s", self.name, exc_info=error)
        self.status = status
        if self._stream is not None and self._stream.begun:
            # The head is out: the error is the last item, and the end mark stays away.
            self._stream.item(body)
            self._stream.flush()
            return False
        result = HttpResult(None, body, http_code=status, headers=extra)
        respond.one(
            self._connection,
            result,
            self.request.kind,
            self._encode,
            without_body=self._incoming.head.method == "HEAD",
            close=self._incoming.head.http10,
        )
        return not self._connection.closing and not self._incoming.head.http10

    def _tell_observers(self) -> None:
        for done in self._hooks.request_done:
            done(self.request, self.name, self.status, time.monotonic() - self._begun)


def _merge(payload: object, query: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    if not isinstance(payload, dict):
        kind = type(payload).__name__
        raise BadRequest(f"the body holds a {kind}; send an object with arguments by name")
    args = payload.pop("_args", [])
    if not isinstance(args, (list, tuple)):
        raise BadRequest(f"_args is a {type(args).__name__}; send a list")
    doubled = sorted(query.keys() & payload.keys())
    if doubled:
        raise BadRequest(f"given twice, in the query and in the body: {', '.join(doubled)}")
    for name in payload:
        if not isinstance(name, str):
            raise BadRequest(f"an argument's name is a {type(name).__name__} ({name!r}); send text")
    return list(args), {**query, **payload}


def _tagged(files: list[Any]) -> tuple[list[FdTag], list[int]]:
    """Return placeholders for open files, and copies of their descriptors."""
    tags: list[FdTag] = []
    fds: list[int] = []
    try:
        for index, thing in enumerate(files):
            taken = take(thing, index) or _no_descriptors(thing)
            tags.append(taken[0])
            fds.append(taken[1])
    except BaseException:
        close_all(fds)
        raise
    return tags, fds


def _no_descriptors(value: object) -> NoReturn:
    raise TypeError(
        f"cannot send a {type(value).__name__}: it has no form in JSON or msgpack; "
        "open files and sockets go by self.fds_result(...)"
    )
