"""The pure half of every client: a call -> bytes, bytes -> its reply.

    plain answer   Result
    stream         Item*  StreamEnd         the end mark came
                   Item*  Failure           the service said what went wrong, or broke off

Each chunk of a stream is one item. A service that fails within a stream sends the error
as its last item and closes without the end mark, so an item that looks like an error is
held back until it is known whether something follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from functools import lru_cache
from typing import Any, Final

from ._framing import BLANK_LINE
from ._httptools import ResponseParser
from ._replies import (
    body_reader,
    errors_of,
    failure_in_stream,
    failure_of,
    is_nothing,
    read_value,
)
from ._strict import clean
from ._values import Value
from .content import Kind, kind_of, to_json, to_msgpack
from .fdtags import Default, Resolve
from .http11 import END, Limits, Refusal, ResponseHead

# A client trusts its service more than a service trusts its clients.
REPLY_LIMITS: Final = Limits(max_body=2**30)

_MOST_USUAL: Final = 512  # bytes of a head that is remembered
_NO_FDS: Final[Sequence[int]] = ()


def encode_call(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    host: str = "localhost",
    prefix: str = "",
    token: str = "",
    use_json: bool = False,
    default: Default | None = None,
    fds: Sized = _NO_FDS,
    extra: bytes = b"",
) -> bytes:
    """The request that calls method `name` of a service.

    `default` replaces open files by their tags (`transport.fdpass.tagging`) and may add
    their descriptors to `fds`, which are counted after that. `extra` is whole header
    lines, each with its CRLF.
    Raises TypeError or ValueError for arguments that cannot be sent.
    """
    if "_args" in kwargs:
        raise ValueError("cannot send an argument called _args; pass it by position")
    payload = {"_args": args, **kwargs} if args else kwargs
    body = (to_json if use_json else to_msgpack)(payload, default)
    head = _call_head(name, host, prefix, token, use_json) + extra
    if fds:
        return b"%bKettlingar-Fds: %d\r\nContent-Length: %d\r\n\r\n%b" % (
            head, len(fds), len(body), body,
        )  # fmt: skip
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


@lru_cache(maxsize=256)
def _call_head(name: str, host: str, prefix: str, token: str, use_json: bool) -> bytes:
    """Everything of a request's head that is the same for all calls of a method."""
    kind = Kind.JSON if use_json else Kind.MSGPACK
    prefix = prefix.strip("/")
    path = (f"/{prefix}/" if prefix else "/") + _quoted(name)
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {kind.mimetype}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    head = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    if not clean(head) or head.count(b"\n") != len(lines):
        raise ValueError(f"cannot call {name!r}: its host, prefix or token has a control character")
    return head


def reply_elsewhere(what: str = "answer", accept: str = Kind.JSON.mimetype) -> bytes:
    """Header lines of a call whose answer goes to the first descriptor that it brings."""
    return f"Kettlingar-Reply-To: {what}\r\nAccept: {accept}\r\n".encode()


def _quoted(name: str) -> str:
    if name.isascii() and name.isidentifier():
        return name
    from urllib.parse import quote

    return quote(name, safe="")


class Item(Value):
    """One item of a stream."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


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


ReplyEvent = Item | Result | StreamEnd | Failure


class ReplyReader:
    """Reads the reply of one call.

    Text comes as `{"mimetype": ..., "data": str}`, other types that are no RPC types
    the same with bytes. `resolve` turns tags into the open files that came along.
    """

    __slots__ = ("_decode", "_done", "_error_in", "_head", "_held", "_limits", "_mark", "_method",
                 "_parser", "_parts", "_resolve", "_streams")  # fmt: skip

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

    def for_next(self) -> ReplyReader:
        """What reads the next reply: this one again, where little was to be read."""
        if self._parser is not None:
            return ReplyReader(self._method, self._limits, self._resolve)
        self._done = False
        return self

    def feed(self, data: bytes) -> list[ReplyEvent]:
        """What `data` completes. Nothing comes after a Result, StreamEnd or Failure."""
        if self._done:
            return []
        parser = self._parser
        if parser is None:
            found = self._whole(data)
            if found is not None:
                self._done = True
                return [found]
            parser = self._begin_parsing()
        return self._read(parser.feed(data))

    def _whole(self, data: bytes) -> Result | Failure | None:
        """The answer that `data` is, no less and no more, if it is a plain value: most are."""
        end = data.find(BLANK_LINE) + 4
        usual = _usual_head(data[:end]) if end <= _MOST_USUAL else None
        if usual is None or len(data) != end + usual[0] or usual[0] > self._limits.max_body:
            return None
        try:
            return Result(read_value(usual[1], data[end:], self._resolve), keep_alive=True)
        except (OSError, ValueError) as error:
            return Failure(OSError(f"cannot read the answer: {error}"), keep_alive=True)

    def _begin_parsing(self) -> ResponseParser:
        self._parser = parser = ResponseParser(self._limits, whole_chunks=True)
        parser.expect(self._method)
        self._head: ResponseHead | None = None
        self._decode: Callable[[bytes], Any] = bytes
        self._streams = False
        self._parts: list[bytes] = []  # of an answer that is no stream
        self._held: Item | None = None  # an item that may be the error at a stream's end
        return parser

    def eof(self) -> list[ReplyEvent]:
        """The service has closed the connection."""
        if self._done:
            return []
        parser = self._parser or self._begin_parsing()
        if self._held is not None:
            self._done = True
            error = self._error_in(self._held.value)
            return [Failure(failure_in_stream(error or {}), keep_alive=False)]
        return self._read(parser.eof())

    def _read(self, events: Sequence[Any]) -> list[ReplyEvent]:
        out: list[ReplyEvent] = []
        for event in events:
            if self._done:
                break
            if type(event) is bytes:
                self._take(event, out)
            elif event is END:
                self._end(out, alone=event is events[-1])
            elif isinstance(event, Refusal):
                self._fail(OSError(event.message), out)
            else:
                self._begin(event)
        return out

    def _begin(self, head: ResponseHead) -> None:
        self._head = head
        self._decode = body_reader(head.headers.get("content-type", ""), self._resolve)
        self._streams = head.status < 300 and "transfer-encoding" in head.headers
        self._mark, self._error_in = errors_of(head.headers.get("content-type", ""))

    def _take(self, data: bytes, out: list[ReplyEvent]) -> None:
        if not self._streams:
            self._parts.append(data)
            return
        if self._held is not None:
            out.append(self._held)
            self._held = None
        try:
            item = Item(self._decode(data))
        except (OSError, ValueError) as error:
            self._fail(OSError(f"cannot read an item of the stream: {error}"), out)
            return
        value = item.value
        if type(value) is dict and self._mark in value and self._error_in(value) is not None:
            self._held = item
        else:
            out.append(item)

    def _end(self, out: list[ReplyEvent], *, alone: bool) -> None:
        assert self._head is not None
        assert self._parser is not None
        self._done = True
        # bytes that nobody asked for make the connection useless
        keep_alive = self._head.keep_alive and alone and self._parser.is_idle
        if self._streams:
            if self._held is not None:
                out.append(self._held)
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
