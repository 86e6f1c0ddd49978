"""What the tests of the wire share: requests, parsers run to the end, few examples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings

from kettlingar.wire._httptools import RequestParser, ResponseParser
from kettlingar.wire.http11 import END, Limits, Refusal, RequestHead

# WIRE_EXAMPLES=5000 pytest tests/unit/wire   looks longer
few = settings(
    max_examples=int(os.environ.get("WIRE_EXAMPLES", "15")),
    deadline=None,
    derandomize="WIRE_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)

GET = b"GET /purr?n=1 HTTP/1.1\r\nHost: kitty\r\n\r\n"


def post(*headers: str, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    lines = ["POST /meow " + version, "Host: kitty", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


def parse(*pieces: bytes, limits: Limits | None = None) -> list[Any]:
    parser = RequestParser(limits or Limits())
    return [event for piece in pieces for event in parser.feed(piece)]


def answers(*pieces: bytes, methods: Sequence[str] = ("GET",), **options: Any) -> list[Any]:
    """What a client sees of these bytes, after which the server closes."""
    parser = ResponseParser(options.pop("limits", Limits()), **options)
    for method in methods:
        parser.expect(method)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.eof()


def joined(events: Sequence[Any]) -> list[Any]:
    """The same events with neighbouring pieces of a body in one."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += event
        else:
            out.append(event)
    return out


def status_of(*pieces: bytes, limits: Limits | None = None) -> int:
    """The status that a connection is refused with; 0: it is not."""
    events = parse(*pieces, limits=limits)
    last = events[-1] if events else None
    return last.status if isinstance(last, Refusal) else 0


def bodies(events: Sequence[Any]) -> list[bytes]:
    """The body of each complete message."""
    found: list[bytes] = []
    body = b""
    for event in events:
        if isinstance(event, bytes):
            body += event
        elif event is END:
            found.append(body)
            body = b""
    return found


def heads(events: Sequence[Any]) -> list[RequestHead]:
    return [event for event in events if isinstance(event, RequestHead)]
