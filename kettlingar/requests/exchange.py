"""One request, and the way that its answer goes: to the connection, or to somebody else."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from kettlingar.api.methods import Method
from kettlingar.errors import BadRequest
from kettlingar.request import FdsResult, HttpResult, RequestInfo, no_descriptors
from kettlingar.transport.connection import Connection
from kettlingar.transport.fdpass import close_all, take
from kettlingar.transport.requests import Incoming
from kettlingar.wire.content import Kind
from kettlingar.wire.fdtags import FdTag

from . import respond
from .admission import Gate
from .delegation import ANSWER, CHUNKS, REPLY_TO, FileSink, SocketSink, abandon, sink_for
from .serving import origin_of
from .stream_writer import StreamWriter
from .usual import Made

WRITTEN = object()  # as a method's result: it has written its answer itself


class Exchange:
    """A request and its answer, from the first byte of the one to the last of the other."""

    __slots__ = ("_begun", "connection", "gate", "in_task", "incoming", "made", "method",
                 "origin", "request", "settings", "sink", "status", "stream")  # fmt: skip

    def __init__(
        self,
        gate: Gate,
        connection: Connection,
        incoming: Incoming,
        request: RequestInfo,
        method: Method | None = None,
    ) -> None:
        """`method` is None where it is not known yet."""
        self.gate = gate
        self.settings = gate.settings
        self.connection = connection
        self.incoming = incoming
        self.request = request
        self.method = method
        self.made: Made | None = None  # by the method, where that has run
        self.origin = origin_of(connection)
        self._begun = time.monotonic() if gate.hooks.request_done else 0.0
        self.in_task = False  # the server's word, once it had to make one
        self.sink: Connection | SocketSink | FileSink = connection
        self.stream: StreamWriter | None = None
        self.status = 0

    def admit(self) -> Method:
        """Find out who calls, and which method; PermissionError or NotFound if that cannot be."""
        self.method = method = self.gate.admit(self.request, self.origin, self.connection.usual)
        return method

    @property
    def name(self) -> str:
        """The method's, once it is known."""
        return "" if self.method is None else self.method.name

    @property
    def age(self) -> float:
        """How many seconds ago it began."""
        return time.monotonic() - self._begun

    # --- the answer -----------------------------------------------------------

    def encode(self, kind: Kind, value: object) -> bytes:
        """Turn a plain value into bytes."""
        return self.gate.service.encoders[kind](value)

    def one(self, result: HttpResult, fds: Sequence[int] = ()) -> None:
        """Write one whole answer."""
        head = self.incoming.head
        respond.one(
            self.sink,
            result,
            self.request.kind,
            self.gate.service.encoders,
            without_body=head.method == "HEAD",
            close=head.http10,
            fds=fds,
        )

    def write(self, value: object) -> None:
        """Write what a method has returned."""
        request = self.request
        usual = self.stream is None and not request.given_away and request.head.method != "HEAD"
        if usual and type(value) in respond.PLAIN:
            self.status = 200
            body = self.encode(request.kind, value)
            respond.plain(self.sink, request.kind, body, close=request.head.http10)
        elif value is WRITTEN or request.given_away:
            return
        elif isinstance(value, FdsResult):
            self._write_fds(value)
        else:
            self._write_result(respond.as_result(value))

    def _write_result(self, result: HttpResult) -> None:
        self.status = result.http_code
        if self.stream is None:
            self.one(result)
        else:  # one more item of an answer that somebody else began
            self.stream.item(result)
            self.stream.end()

    def writer(self) -> StreamWriter:
        """Make what writes a streamed answer."""
        encoders = self.gate.service.encoders
        writer = StreamWriter(
            self.sink, self.request.kind, encoders, chunked=not self.incoming.head.http10
        )
        self.request.writer = writer
        return writer

    def _write_fds(self, value: FdsResult) -> None:
        try:
            if self.origin.tcp or self.sink is not self.connection:
                raise BadRequest("descriptors travel over the unix socket only; call by that")
            tags, fds = _tagged(value.files)
            self.status = 200
            self.one(HttpResult(None, tags), fds)
        finally:
            for thing in value.files:
                close_file = getattr(thing, "close", None)
                if close_file is not None:
                    close_file()

    # --- somebody else's answer -----------------------------------------------

    def give_answer_to(self, what: str) -> None:
        """Answer to the first descriptor that came; its sender is told at once."""
        fds = self.incoming.fds
        if not self.request.authed or not fds or what not in {ANSWER, CHUNKS}:
            raise BadRequest(f"{REPLY_TO}: {what} needs credentials, and a descriptor")
        result = HttpResult(None, {"replied_to_first_fd": True}, http_code=202)
        respond.one(
            self.connection, result, self.request.kind, self.gate.service.encoders, close=True
        )
        self.connection.elsewhere = True
        fd, fds[0] = fds[0], -1  # the others keep their numbers
        sink = sink_for(fd)
        self.sink = sink
        self.request.connection = sink if isinstance(sink, SocketSink) else None
        if what == CHUNKS:
            self.stream = self.writer()
            self.stream.begun = True

    # --- the end --------------------------------------------------------------

    @property
    def unusual(self) -> bool:
        """Whether somebody else has to do with the answer."""
        return self.sink is not self.connection or self.request.given_away

    @property
    def goes_on(self) -> bool:
        """Whether the connection may carry another request, for all that this one says."""
        return not self.incoming.head.http10

    async def finish(self) -> bool:
        """End what was somebody else's; return whether the connection may carry another request."""
        if self.request.given_away:
            # Another process writes to the connection now: close our copy, and nothing else.
            if not isinstance(self.sink, Connection):
                abandon(self.sink)
            if self.request.relay is not None:
                await self.request.relay.ended()
                return False
            self.connection.detach().close()
            return False
        if isinstance(self.sink, (SocketSink, FileSink)):
            await self.sink.end()
            return False
        return self.goes_on


def _tagged(files: list[Any]) -> tuple[list[FdTag], list[int]]:
    """Return placeholders for open files, and copies of their descriptors."""
    tags: list[FdTag] = []
    fds: list[int] = []
    try:
        for index, thing in enumerate(files):
            tag, fd = take(thing, index) or no_descriptors(thing)
            tags.append(tag)
            fds.append(os.dup(fd))
    except BaseException:
        close_all(fds)
        raise
    return tags, fds
