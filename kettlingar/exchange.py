"""One request's life: who calls, which method, with what; and its answer.

This is the only place where an exception becomes a response. What the wire
carries is decoded below (wire, api), what an author wrote runs above (kitten).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from inspect import isawaitable
from typing import Any, NoReturn

from kettlingar.api.access import NOBODY
from kettlingar.api.binding import bind
from kettlingar.api.methods import Method
from kettlingar.api.takeover import TAKEN, Takeover
from kettlingar.transport.connection import Connection
from kettlingar.transport.fdpass import close_all, give, take
from kettlingar.transport.requests import Incoming
from kettlingar.transport.sender import ReaderGoneError
from kettlingar.wire.content import Kind, decode_body, from_query, negotiate
from kettlingar.wire.fdtags import FdTag

from . import respond
from .admission import admit
from .delegation import ANSWER, CHUNKS, REPLY_TO, FileSink, SocketSink, abandon, sink_for
from .errors import BadRequest
from .failures import describe, without_secret
from .request import FdsResult, HttpResult, RequestInfo
from .serving import Hooks, Service, Session, Settings, origin_of
from .stepping import in_a_task, step

log = logging.getLogger(__name__)

FLUSH_AT = 16 * 1024  # bytes of a stream that are joined before they are written


class Exchange:
    """One request on its way through: each method is one station of the path."""

    __slots__ = ("_begun", "_connection", "_hooks", "_incoming", "_service", "_settings", "_sink",
                 "_stream", "in_task", "name", "request", "status")  # fmt: skip

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
        self._sink: Connection | SocketSink | FileSink = connection
        self._stream: respond.StreamWriter | None = None
        self._begun = time.monotonic() if self._hooks.request_done else 0.0
        head = incoming.head
        kind = Kind.JSON
        if settings.msgpack:
            kind = negotiate(head.headers.get("accept", ""), head.headers.get("content-type", ""))
        self.in_task = False  # the server's word, once it had to make one
        self.name = ""
        self.status = 0
        self.request = RequestInfo(head, incoming.body, NOBODY, kind, connection)

    async def run(self) -> bool:
        """Answer the request; return whether the connection may carry another one."""
        try:
            await self._answer()
        except Exception as error:  # noqa: BLE001  here, and only here, failures become answers
            return await self._fail(error)
        finally:
            if self._hooks.request_done:
                self._tell_observers()
        if self._sink is self._connection and not self.request.given_away:
            return not self._connection.closing and not self._incoming.head.http10
        return await self._finish()

    async def _answer(self) -> None:
        origin = origin_of(self._connection)
        request = self.request
        if self._hooks.validate_request_header is not None:
            await self._hooks.validate_request_header(request.path, request.headers)
        method = admit(request, origin, self._service, self._settings, self._hooks)
        self.name = method.name
        replies_to = self._incoming.head.headers.get(REPLY_TO)
        if replies_to is not None:
            self._give_answer_to(replies_to)
        args, kwargs = self._arguments(method)
        function = method.function(self._service)
        if method.legacy:
            first: tuple[Any, ...] = (self.request.method, self.request.headers, self.request.body)
        else:
            first = (self.request,)
        if method.raw or method.streams or method.takeover is not None:
            if not self.in_task:
                await in_a_task()
            await self._run_at_length(method, partial(function, *first), args, kwargs)
            return
        if method.waits and not self.in_task:
            await in_a_task()  # the author's code may ask for its task
        result = function(*first, *args, **kwargs)
        self._write(await result if isawaitable(result) else result)

    async def _run_at_length(
        self, method: Method, function: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """Run what makes more of its connection than one answer."""
        if method.takeover is not None:
            await self._run_taking_over(method.takeover, function, args, kwargs)
        elif method.raw:
            await self._run_raw(function(*args, **kwargs))
        else:
            await self._run_stream(function(*args, **kwargs))

    async def _finish(self) -> bool:
        if self.request.given_away:
            # Another process writes to the connection now: close our copy, and nothing else.
            if not isinstance(self._sink, Connection):
                abandon(self._sink)
            self._connection.detach().close()
            return False
        if isinstance(self._sink, (SocketSink, FileSink)):
            await self._sink.end()
            return False
        return not self._connection.closing and not self._incoming.head.http10

    # --- somebody else's answer -----------------------------------------------

    def _give_answer_to(self, what: str) -> None:
        """Answer to the first descriptor that came; its sender is told at once."""
        fds = self._incoming.fds
        if not self.request.authed or not fds or what not in {ANSWER, CHUNKS}:
            raise BadRequest(f"{REPLY_TO}: {what} needs credentials, and a descriptor")
        result = HttpResult(None, {"replied_to_first_fd": True}, http_code=202)
        respond.one(self._connection, result, self.request.kind, self._encode, close=True)
        self._connection.elsewhere = True
        fd, fds[0] = fds[0], -1  # the others keep their numbers
        sink = sink_for(fd)
        self._sink = sink
        self.request.connection = sink if isinstance(sink, SocketSink) else None
        if what == CHUNKS:
            self._stream = self._writer()
            self._stream.begun = True

    def _writer(self) -> respond.StreamWriter:
        writer = respond.StreamWriter(
            self._sink, self.request.kind, self._encode, chunked=not self._incoming.head.http10
        )
        self.request.writer = writer
        return writer

    # --- with what ------------------------------------------------------------

    def _arguments(self, method: Method) -> tuple[list[Any], dict[str, Any]]:
        head, incoming = self._incoming.head, self._incoming
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        route = self.request.route
        if route is not None and route.arguments is not None:  # a web kitten's page
            args, kwargs = list(route.arguments[0]), dict(route.arguments[1])
        elif head.query:
            kwargs = dict(from_query(head.query))
        if incoming.body:
            payload = decode_body(
                head.headers.get("content-type", ""),
                incoming.body,
                max_depth=self._settings.max_depth,
                resolve=self._take_fd,
            )
            if payload is not None:
                more, kwargs = _merge(payload, kwargs)
                args += more
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

    def _one(self, result: HttpResult, encode: respond.Encode, fds: Sequence[int] = ()) -> None:
        head = self._incoming.head
        respond.one(
            self._sink,
            result,
            self.request.kind,
            encode,
            without_body=head.method == "HEAD",
            close=head.http10,
            fds=fds,
        )

    def _write(self, value: object) -> None:
        if self.request.given_away:
            return
        if isinstance(value, FdsResult):
            self._write_fds(value)
            return
        result = respond.as_result(value)
        self.status = result.http_code
        if self._stream is None:
            self._one(result, self._encode)
        else:  # one more item of an answer that somebody else began
            self._stream.item(result)
            self._stream.end()

    def _write_fds(self, value: FdsResult) -> None:
        try:
            if origin_of(self._connection).tcp or self._sink is not self._connection:
                raise BadRequest("descriptors travel over the unix socket only; call by that")
            tags, fds = _tagged(value.files)
            self.status = 200
            self._one(HttpResult(None, tags), self._encode, fds)
        finally:
            for thing in value.files:
                close_file = getattr(thing, "close", None)
                if close_file is not None:
                    close_file()

    async def _run_taking_over(
        self, takeover: Takeover, function: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        def run(it: Any) -> Any:
            takeover.put(it, args, kwargs)
            return function(*args, **kwargs)

        session = Session(self.request, self._connection, self._settings, self._encode)
        result = await takeover.kind.serve(session, takeover.options, run)
        if result is TAKEN:
            self.status = 101
        else:
            self._write(result)

    async def _run_raw(self, running: Any) -> None:
        self.request.respond = self._sink.send
        written = self._connection.written
        try:
            result = await running
        except Exception:
            if self._connection.written > written:
                self._connection.abort()  # half an answer is out: there is no honest way on
            raise
        finally:
            self.request.respond = None
        if result is not None:
            self._write(result)
        if self._sink is self._connection:
            self._connection.close()

    async def _run_stream(self, generator: Any) -> None:
        self.status = 200
        writer = self._stream = self._stream or self._writer()
        if self._incoming.head.method == "HEAD":
            await self._head_of_stream(generator, writer)
            return
        try:
            while True:
                try:
                    value = await step(generator, writer.flush)
                except StopAsyncIteration:
                    break
                if self.request.given_away:
                    continue
                if writer.item(value) >= FLUSH_AT:
                    await writer.flushed()
                    await asyncio.sleep(0)  # others want the loop too
            if not self.request.given_away:
                writer.end()
                await self._sink.drained()
        finally:
            self.status = writer.status
            await generator.aclose()

    async def _head_of_stream(self, generator: Any, writer: respond.StreamWriter) -> None:
        """The first item says the type, and what else a GET would be told (RFC 9110, 9.3.2)."""
        try:
            writer.begin(respond.as_result(await anext(generator, None)))
        finally:
            await generator.aclose()
        self.status = writer.status
        writer.flush()

    # --- failures -------------------------------------------------------------

    async def _fail(self, error: Exception) -> bool:
        gone = isinstance(error, ReaderGoneError) or self._connection.stream.closing
        if gone and self._sink is self._connection:
            log.info("client gone method=%s: %s", self.name, error)
            return False
        status, body, extra = describe(error, authed=self.request.authed)
        body["error"] = without_secret(body["error"], self._settings.secret)
        if status == 500:
            log.error("method failed method=%s", self.name, exc_info=error)
        self.status = status
        if self._stream is None or not self._stream.begun:
            if self._hooks.web_error_page is not None:
                page = await self._hooks.web_error_page(self.request, error, self.name)
                if page is not None:
                    self.status = page.http_code
                    self._one(page, self._encode)
                    return await self._finish()
            self._tell(status, body, extra)
            return await self._finish()
        # The head is out: the error is the last item, and the end mark stays away.
        if self._stream.left is None:
            self._stream.item(body)
        self._stream.flush()
        await self._finish()
        return False

    def _tell(self, status: int, body: dict[str, Any], extra: dict[str, str]) -> None:
        try:
            self._one(HttpResult(None, body, http_code=status, headers=extra), self._encode)
        except (TypeError, ValueError):  # a Location that would be two headers, say
            log.exception("cannot send what method=%s raised", self.name)
            self.status = 500
            told = {"error": "the service failed; its log says how"}
            self._one(HttpResult(None, told, http_code=500), self._encode)

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
    if query and (doubled := sorted(query.keys() & payload.keys())):
        raise BadRequest(f"given twice, in the query and in the body: {', '.join(doubled)}")
    for name in payload:
        if not isinstance(name, str):
            raise BadRequest(f"an argument's name is a {type(name).__name__} ({name!r}); send text")
    return list(args), {**query, **payload} if query else payload


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
