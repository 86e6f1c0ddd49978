"""Results of methods -> bytes of HTTP answers. The only writer of response heads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from kettlingar.wire.content import Kind, to_json
from kettlingar.wire.http11 import REASONS, response_head
from kettlingar.wire.streaming import LAST_CHUNK, chunk, sse

from .request import FdsResult, HttpResult
from .translating import Encoders

EVENT_STREAM = "text/event-stream"
RPC_TYPES = {kind.mimetype: kind for kind in (Kind.MSGPACK, Kind.JSON)}


PLAIN = frozenset((dict, list, str, int, float, bool))  # values that can mean nothing else
NO_BODY = frozenset({204, 304})  # nor a length (RFC 9110, 8.6)
FRAMING = frozenset({"content-length", "transfer-encoding"})  # only written here, once


class Sink(Protocol):
    """Where an answer goes: a connection, or a descriptor that the caller sent along."""

    @property
    def closing(self) -> bool:
        """Whether this is the last answer there."""

    def send(self, data: bytes | bytearray, fds: Sequence[int] = ()) -> None:
        """Write `data`, with `fds` beside its first byte."""

    async def drained(self) -> None:
        """Wait until the reader keeps up."""


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(seconds: float) -> str:
    """As HTTP writes it, in no locale (RFC 9110, 5.6.7)."""
    now = time.gmtime(seconds)
    day = f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year}"
    return f"{day} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} GMT"


class _Starts:
    """Beginnings of heads, made once a second each, since they hold the Date (RFC 9110, 6.6.1)."""

    def __init__(self) -> None:
        self.since = self.until = 0  # the second for which they are
        self.made: dict[tuple[int, str, bool], bytes] = {}

    def get(self, status: int, mimetype: str, close: bool = False) -> bytes:
        """Return status line, Date, Content-Type and Connection, without the blank line."""
        now = time.time()
        if not self.since <= now < self.until:
            self.since = int(now)
            self.until = self.since + 1
            self.made.clear()
        key = status, mimetype, close
        made = self.made.get(key)
        if made is None:
            headers = [("Date", _date(now))]
            if mimetype:
                headers.append(("Content-Type", mimetype))
            if close:
                headers.append(("Connection", "close"))
            made = self.made[key] = response_head(status, headers)[:-2]
        return made


_starts = _Starts()


def head(
    status: int,
    mimetype: str,
    *,
    close: bool,
    length: int | None = None,
    extra: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return a response head; with no `length` the body is chunked, or there is none (204, 304)."""
    start = _starts.get(status, mimetype, close=close)
    if extra:
        start += response_head(status, extra).partition(b"\r\n")[2][:-2]
    if length is None:
        return start + b"\r\n"
    return b"%bContent-Length: %d\r\n\r\n" % (start, length)


def as_result(value: object) -> HttpResult:
    """Read a method's return value: an HttpResult, the older (mimetype, data), or plain data."""
    if isinstance(value, HttpResult):
        return value
    if type(value) is tuple and len(value) == 2:
        mimetype, data = value
        if mimetype is None or (isinstance(mimetype, str) and "/" in mimetype):
            return HttpResult(mimetype, data)
    return HttpResult(None, value)


def body_of(result: HttpResult, kind: Kind, encoders: Encoders) -> tuple[str, bytes]:
    """Return an answer's MIME type and bytes."""
    mimetype, data = result.mimetype, result.data
    if mimetype is None:
        return kind.mimetype, encoders[kind](data)
    if isinstance(data, str):
        return _text_type(mimetype), data.encode("utf-8", "surrogateescape")
    if isinstance(data, (bytes, bytearray, memoryview)):
        return mimetype, bytes(data)
    return mimetype, encoders[RPC_TYPES.get(mimetype, kind)](data)


@lru_cache(maxsize=64)
def _text_type(mimetype: str) -> str:
    """The type of an answer that was text: we have encoded it."""
    if mimetype.startswith("text/") and "charset" not in mimetype:
        return mimetype + "; charset=utf-8"
    return mimetype


def extra_headers(result: HttpResult) -> list[tuple[str, str]]:
    """Return the headers that a result brings beside its type and length."""
    extra = [(k, v) for k, v in result.headers.items() if k.lower() not in FRAMING]
    if result.redirect_to:
        extra.append(("Location", result.redirect_to))
    return extra


def one(
    sink: Sink,
    result: HttpResult,
    kind: Kind,
    encoders: Encoders,
    *,
    without_body: bool = False,
    close: bool = False,
    fds: Sequence[int] = (),
) -> None:
    """Write one whole answer, in one go."""
    mimetype, body = body_of(result, kind, encoders)
    if not (result.headers or result.redirect_to or fds or without_body) and (
        result.http_code not in NO_BODY
    ):  # most
        _whole(sink, result.http_code, mimetype, body, close=close)
        return
    if result.http_code in NO_BODY:
        mimetype, without_body = "", True
    extra = extra_headers(result)
    if fds:
        extra.append(("Kettlingar-Fds", str(len(fds))))
    start = head(
        result.http_code,
        mimetype,
        close=close or sink.closing,
        length=None if result.http_code in NO_BODY else len(body),
        extra=extra,
    )
    sink.send(start if without_body else start + body, fds)


def plainly(
    value: object, kind: Kind, encode: Callable[[object], bytes], *, close: bool
) -> bytes | None:
    """The whole answer to a request, if nothing else is to be said than `value`."""
    status = 200
    if type(value) in PLAIN:
        body, mimetype = encode(value), kind.mimetype
    elif type(value) is HttpResult and type(value.data) is str and value.mimetype:
        if value.headers or value.redirect_to or value.http_code in NO_BODY:
            return None
        status, mimetype = value.http_code, _text_type(value.mimetype)
        body = value.data.encode("utf-8", "surrogateescape")
    else:
        return None
    start = _starts.made.get((status, mimetype, close))
    if start is None or not _starts.since <= time.time() < _starts.until:
        start = _starts.get(status, mimetype, close=close)
    return b"%bContent-Length: %d\r\n\r\n%b" % (start, len(body), body)


def plain(sink: Sink, kind: Kind, body: bytes, *, close: bool) -> None:
    """Write the whole answer whose body is a plain value, and nothing else is to be said."""
    _whole(sink, 200, kind.mimetype, body, close=close)


def _whole(sink: Sink, status: int, mimetype: str, body: bytes, *, close: bool) -> None:
    start = _starts.get(status, mimetype, close=close or sink.closing)
    sink.send(b"%bContent-Length: %d\r\n\r\n%b" % (start, len(body), body))


def _promised(first: HttpResult) -> int | None:
    """The length that a stream's first item gives: an author who knows it may say so."""
    headers = first.headers.items()
    return next((int(value) for name, value in headers if name.lower() == "content-length"), None)


class StreamWriter:
    """Writes a generator's items as chunks, many to a write while nobody has to wait."""

    __slots__ = ("_chunked", "_close", "_encode", "_encoders", "_ended", "_kind", "_mimetype", "_plain",
                 "_sink", "begun", "buffer", "left", "status")  # fmt: skip

    def __init__(self, sink: Sink, kind: Kind, encoders: Encoders, *, chunked: bool) -> None:
        """`chunked` is false for HTTP/1.0: there the close marks the end (RFC 9112, 6.3)."""
        self._sink = sink
        self._kind = kind
        self._encoders = encoders
        self._encode = encoders[kind]
        self._chunked = chunked
        self._close = not chunked
        self._mimetype: str | None = None
        self.buffer = bytearray()  # what waits to be flushed
        self._ended = False
        self._plain = False  # begun, with nothing but chunks of plain values to come
        self.begun = False
        self.status = 200
        self.left: int | None = None  # bytes that the head has promised, where it has

    def begin(self, first: HttpResult) -> None:
        """Write the head: the first item says the type."""
        self.begun = True
        self._mimetype = first.mimetype
        extra = extra_headers(first)
        self.status = first.http_code
        if self.status in NO_BODY:
            self._chunked, self.left = False, 0
        elif (length := _promised(first)) is not None:
            self._chunked, self.left = False, length
        if self._chunked:
            extra.append(("Transfer-Encoding", "chunked"))
        self._plain = self._chunked and first.mimetype is None
        if first.mimetype == EVENT_STREAM:
            extra.append(("Cache-Control", "no-store"))
        self.buffer += head(
            first.http_code,
            "" if self.status in NO_BODY else first.mimetype or self._kind.mimetype,
            close=self._close or self._sink.closing,
            length=None if self.status in NO_BODY else self.left,
            extra=extra,
        )

    def item(self, value: object) -> int:
        """Add an item; return how many bytes wait to be flushed."""
        if self._plain and type(value) in PLAIN:  # nearly every item
            data = self._encode(value)
            if self._kind is Kind.JSON:
                data += b"\n"
            self.buffer += b"%x\r\n%b\r\n" % (len(data), data)  # a chunk, as below
            return len(self.buffer)
        result = as_result(value)
        if not self.begun:
            self.begin(result)
            if (result.mimetype and not result.data) or self.status in NO_BODY:
                return len(self.buffer)
        data = self._item_bytes(result)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise ValueError("the answer is longer than its Content-Length")
        if data:
            self.buffer += chunk(data) if self._chunked else data
        return len(self.buffer)

    def cut_off(self, error: dict[str, object]) -> None:
        """The head is out: the error is the last item, and the end mark stays away.

        It has a form that its readers know: JSON, where the stream has a type of its own.
        """
        if self.left is None and not self._ended:
            if self._mimetype is None or self._mimetype in RPC_TYPES:
                self.item(error)
            elif self._mimetype == EVENT_STREAM:
                self.item({"event": "error", "data": error})
            else:
                self.item(to_json(error))
        self.flush()

    def _item_bytes(self, result: HttpResult) -> bytes:
        if self._mimetype == EVENT_STREAM:
            return sse(result.data)
        if self._mimetype is None:
            data = self._encode(result.data)
            return data + b"\n" if self._kind is Kind.JSON else data
        return body_of(HttpResult(self._mimetype, result.data), self._kind, self._encoders)[1]

    def end(self) -> None:
        """Mark the complete end."""
        if not self.begun:
            self.begin(HttpResult(None))
        if self.left:
            raise ValueError(f"the answer is {self.left} bytes shorter than its Content-Length")
        if self._chunked:
            self.buffer += LAST_CHUNK
        self._ended = True
        self.flush()

    def flush(self) -> None:
        """Hand what waits to the sink."""
        if self.buffer:
            self._sink.send(self.buffer)
            self.buffer = bytearray()

    async def flushed(self) -> None:
        """Hand over what waits, and let a slow reader slow us down."""
        self.flush()
        await self._sink.drained()


def refusal(status: int, message: str) -> bytes:
    """Return the whole answer to bytes that are no request; the connection closes after it."""
    body = b'{"error": "%b"}\n' % _json_text(message or REASONS.get(status, "refused"))
    return head(status, Kind.JSON.mimetype, close=True, length=len(body)) + body


def _json_text(text: str) -> bytes:
    safe = "".join(c if c.isprintable() else "?" for c in text)
    return safe.replace("\\", "\\\\").replace('"', '\\"').encode("ascii", "replace")


__all__ = ["FdsResult", "HttpResult", "Sink", "StreamWriter", "as_result", "head", "one", "refusal"]
