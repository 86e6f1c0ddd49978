"""Results of methods -> bytes of HTTP answers. The only writer of response heads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from kettlingar.request import FdsResult, HttpResult
from kettlingar.wire.content import Kind
from kettlingar.wire.http11 import REASONS, response_head

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


def refusal(status: int, message: str) -> bytes:
    """Return the whole answer to bytes that are no request; the connection closes after it."""
    body = b'{"error": "%b"}\n' % _json_text(message or REASONS.get(status, "refused"))
    return head(status, Kind.JSON.mimetype, close=True, length=len(body)) + body


def _json_text(text: str) -> bytes:
    safe = "".join(c if c.isprintable() else "?" for c in text)
    return safe.replace("\\", "\\\\").replace('"', '\\"').encode("ascii", "replace")


__all__ = ["FdsResult", "HttpResult", "Sink", "as_result", "head", "one", "refusal"]
