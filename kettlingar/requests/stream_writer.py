"""Items of a generator -> chunks of an answer, many to a write."""

from __future__ import annotations

from kettlingar.request import HttpResult
from kettlingar.wire.content import Kind, to_json
from kettlingar.wire.streaming import LAST_CHUNK, chunk, sse

from .respond import (
    EVENT_STREAM,
    NO_BODY,
    PLAIN,
    RPC_TYPES,
    Sink,
    as_result,
    body_of,
    extra_headers,
    head,
)
from .translating import Encoders


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
