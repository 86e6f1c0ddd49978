"""The pure half of every client: a call -> bytes, bytes -> its reply.

    plain answer   Result
    stream         Items*  StreamEnd        the end mark came
                   Items*  Failure          the service said what went wrong, or broke off

Each chunk of a stream is one item. A service that fails within a stream sends the error
as its last item and closes without the end mark, so an item that looks like an error is
held back until it is known whether something follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from ._calls import CallWriter, reply_elsewhere
from ._framing import BLANK_LINE
from ._httptools import ResponseParser
from ._replies import (
    MAX_DEPTH,
    body_reader,
    errors_of,
    failure_in_stream,
    failure_of,
    is_nothing,
)
from ._values import Value
from .content import Kind, from_json, from_msgpack, from_msgpacks, kind_of
from .fdtags import Resolve
from .http11 import END, Limits, Refusal, ResponseHead

__all__ = [
    "CallWriter", "Failure", "Items", "ReplyReader", "Result", "StreamEnd", "reply_elsewhere",
]  # fmt: skip

# A client trusts its service more than a service trusts its clients.
REPLY_LIMITS: Final = Limits(max_body=2**30)

_MOST_USUAL: Final = 512  # bytes of a head that is remembered


class Items(Value):
    """Items of a stream, in their order: as many as were read at once."""

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values


class Result(Value):
    """The whole answer. `keep_alive`: the connection can take another call; so below."""

    __slots__ = ("keep_alive", "value")

    def __init__(self, value: Any, keep_alive: bool) -> None:
        self.value = value
        self.keep_alive = keep_alive


class StreamEnd(Value):
    """The stream is complete."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive


class Failure(Value):
    """The call failed: `exception` is for the caller."""

    __slots__ = ("exception", "keep_alive")

    def __init__(self, exception: Exception, keep_alive: bool) -> None:
        self.exception = exception
        self.keep_alive = keep_alive


@lru_cache(maxsize=64)
def _usual_head(head: bytes) -> tuple[int, Kind] | None:
    """How long and of which kind the body is; None unless it is a value on a kept connection.

    The answers to one kind of call often have the same head, but for their date.
    """
    parser = ResponseParser(REPLY_LIMITS)
    parser.expect("POST")
    events = parser.feed(head)
    found = events[0] if len(events) == 1 else None
    if not isinstance(found, ResponseHead) or not found.keep_alive or found.status >= 300:
        return None
    kind = kind_of(found.headers.get("content-type", ""))
    length = found.headers.get("content-length")
    if length is None or kind not in {Kind.MSGPACK, Kind.JSON}:
        return None
    return int(length), kind


ReplyEvent = Items | Result | StreamEnd | Failure


class ReplyReader:
    """Reads the reply of one call.

    Text comes as `{"mimetype": ..., "data": str}`, other types that are no RPC types
    the same with bytes. `resolve` turns tags into the open files that came along.
    """

    __slots__ = ("_decode", "_done", "_error_in", "_head", "_held", "_limits", "_mark", "_method",
                 "_msgpack", "_parser", "_parts", "_resolve", "_streams")  # fmt: skip

    def __init__(
        self,
        method: str = "POST",
        limits: Limits = REPLY_LIMITS,
        resolve: Resolve | None = None,
    ) -> None:
        self._method = method
        self._limits = limits
        self._resolve = resolve
        self._parser: ResponseParser | None = None  # only for what is not whole and usual
        self._done = False

    @property
    def untouched(self) -> bool:
        """Whether it can read the next reply too: all of this one was read by `whole`, if any."""
        return self._parser is None and not self._done

    def feed(self, data: bytes) -> list[ReplyEvent]:
        """What `data` completes. Nothing comes after a Result, StreamEnd or Failure."""
        if self._done:
            return []
        parser = self._parser
        if parser is None:
            found = self.whole(data, resolve=self._resolve)
            if found is not None:
                self._done = True
                return [found]
            parser = self._begin_parsing()
        return self._read(parser.feed(data))

    def whole(self, data: bytes, *, resolve: Resolve | None = None) -> Result | Failure | None:
        """The answer that `data` is, no less and no more, if it is a plain value: most are.

        Nothing of it stays here, so the next reply can be read in the same way. `resolve` is
        for descriptors that have come.
        """
        end = data.find(BLANK_LINE) + 4
        usual = _usual_head(data[:end]) if end <= _MOST_USUAL else None
        if usual is None or len(data) != end + usual[0] or usual[0] > self._limits.max_body:
            return None
        try:
            if usual[1] is Kind.MSGPACK:
                value = from_msgpack(data[end:], MAX_DEPTH, resolve, any_keys=True)
            else:
                value = from_json(data[end:], MAX_DEPTH, resolve, trusted=True)
        except (OSError, ValueError) as error:
            return Failure(OSError(f"cannot read the answer: {error}"), keep_alive=True)
        return Result(value, True)

    def _begin_parsing(self) -> ResponseParser:
        self._parser = parser = ResponseParser(self._limits, whole_chunks=True)
        parser.expect(self._method)
        self._head: ResponseHead | None = None
        self._decode: Callable[[bytes], Any] = bytes
        self._streams = False
        self._parts: list[bytes] = []  # of an answer that is no stream
        self._held: dict[str, Any] | None = None  # an item that may be the error at a stream's end
        return parser

    def eof(self) -> list[ReplyEvent]:
        """The service has closed the connection."""
        if self._done:
            return []
        parser = self._parser or self._begin_parsing()
        if self._held is not None:
            self._done = True
            error = self._error_in(self._held)
            return [Failure(failure_in_stream(error or {}), keep_alive=False)]
        return self._read(parser.eof())

    def _read(self, events: Sequence[Any]) -> list[ReplyEvent]:
        out: list[ReplyEvent] = []
        pieces: list[bytes] = []
        for event in events:
            if type(event) is bytes:
                pieces.append(event)
                continue
            self._take(pieces, out)
            pieces = []
            if self._done:
                break
            if event is END:
                self._end(out, alone=event is events[-1])
            elif isinstance(event, Refusal):
                self._fail(OSError(event.message), out)
            else:
                self._begin(event)
        self._take(pieces, out)
        return out

    def _begin(self, head: ResponseHead) -> None:
        self._head = head
        content_type = head.headers.get("content-type", "")
        self._decode = body_reader(content_type, self._resolve)
        self._msgpack = kind_of(content_type) is Kind.MSGPACK
        self._streams = head.status < 300 and "transfer-encoding" in head.headers
        self._mark, self._error_in = errors_of(content_type)

    def _take(self, pieces: list[bytes], out: list[ReplyEvent]) -> None:
        if self._done or not pieces:
            return
        if not self._streams:
            self._parts += pieces
            return
        values = [] if self._held is None else [self._held]
        self._held = None
        problem = self._decode_all(pieces, values)
        last = values[-1] if values and problem is None else None
        if type(last) is dict and self._mark in last and self._error_in(last) is not None:
            self._held = values.pop()
        if values:
            out.append(Items(values))
        if problem is not None:
            self._fail(OSError(f"cannot read an item of the stream: {problem}"), out)

    def _decode_all(self, pieces: list[bytes], values: list[Any]) -> Exception | None:
        """Add what the pieces hold to `values`; return why the next one cannot be read."""
        many = from_msgpacks(pieces) if self._msgpack else None
        if many is not None:
            values += many
            return None
        try:
            for piece in pieces:
                values.append(self._decode(piece))
        except (OSError, ValueError) as error:
            return error
        return None

    def _end(self, out: list[ReplyEvent], *, alone: bool) -> None:
        assert self._head is not None
        assert self._parser is not None
        self._done = True
        # bytes that nobody asked for make the connection useless
        keep_alive = self._head.keep_alive and alone and self._parser.is_idle
        if self._streams:
            if self._held is not None:
                out.append(Items([self._held]))
            out.append(StreamEnd(keep_alive))
            return
        body = b"".join(self._parts)
        try:
            value = None if is_nothing(self._head, body) else self._decode(body)
        except (OSError, ValueError) as error:
            out.append(Failure(OSError(f"cannot read the answer: {error}"), keep_alive))
            return
        if self._head.status < 300:
            out.append(Result(value, keep_alive))
        else:
            out.append(Failure(failure_of(self._head, value), keep_alive))

    def _fail(self, error: Exception, out: list[ReplyEvent]) -> None:
        self._done = True
        out.append(Failure(error, keep_alive=False))
