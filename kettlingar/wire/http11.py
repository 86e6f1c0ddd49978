"""HTTP/1.1 in values: limits, events, phases, and the writing of heads (RFC 9112).

The parsers are in `_httptools`; they turn bytes into the events defined here:

    request, response:  head  data*  END     head  data*  END     ...     [Refusal]

A `Refusal` is an event, not an exception, so that the requests which came before
it on the connection are still answered. Nothing comes after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from ._values import Value


class Limits(Value):
    """How much of a message is read before it is refused; the status is in brackets."""

    __slots__ = ("max_body", "max_head", "max_headers", "max_line")

    def __init__(
        self,
        max_head: int = 16_384,  # bytes of start line and headers (431)
        max_line: int = 8_192,  # bytes of the request line (414) or of one header (431)
        max_headers: int = 100,  # (431)
        max_body: int = 1_048_576,  # bytes of a body, or of one chunk of an answer (413)
    ) -> None:
        self.max_head = max_head
        self.max_line = max_line
        self.max_headers = max_headers
        self.max_body = max_body


class Phase(Enum):
    """Where in a message a parser stands: this decides which deadline holds."""

    IDLE = "idle"  # between messages, nothing read
    HEAD = "head"  # a head has begun
    BODY = "body"  # the head is whole, the body is not
    REFUSED = "refused"  # a Refusal was the last event; everything else is dropped
    UPGRADED = "upgraded"  # the bytes are no longer HTTP; they are in `rest`


class End(Enum):
    """The type of `END`."""

    END = "end"


END: Final = End.END  # a message is complete


class RequestHead(Value):
    """A request's head; its framing has been checked, its meaning has not."""

    __slots__ = (
        "content_length", "expect_continue", "headers", "http10", "keep_alive", "method", "path",
        "query", "raw", "target", "upgrade",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  a value has its fields in their order
        self,
        method: str,
        target: str,  # as it was sent
        path: str,  # of the target, still percent-encoded, before any "?"
        query: str,  # after the first "?", without it
        headers: Mapping[str, str],  # by lower-case name; repeated ones joined by ", " or "; "
        http10: bool,
        keep_alive: bool,  # the peer will take another answer on this connection
        expect_continue: bool,  # it waits for "100 Continue" before it sends the body
        upgrade: bool,  # it wants a WebSocket
        content_length: int | None,  # None: no body, or a chunked one
        raw: bytes = b"",  # as it came, if the same bytes will always mean the same request
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.headers = headers
        self.http10 = http10
        self.keep_alive = keep_alive
        self.expect_continue = expect_continue
        self.upgrade = upgrade
        self.content_length = content_length
        self.raw = raw


class ResponseHead(Value):
    """An answer's head."""

    __slots__ = ("headers", "keep_alive", "reason", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: dict[str, str],
        keep_alive: bool,  # False: the connection is of no use after this answer
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.keep_alive = keep_alive


class Refusal(Value):
    """The last event of a parser: what was wrong, and the status to answer with.

    Status 0 is a response that cannot be read: there is nobody to answer to.
    """

    __slots__ = ("message", "status")

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message


RequestEvent = RequestHead | bytes | End | Refusal
ResponseEvent = ResponseHead | bytes | End | Refusal

REASONS: Final[dict[int, str]] = {
    100: "Continue", 101: "Switching Protocols",
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 205: "Reset Content",
    206: "Partial Content",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other",
    304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long",
    415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    418: "I'm a teapot", 421: "Misdirected Request", 422: "Unprocessable Content",
    423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required",
    428: "Precondition Required", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
    507: "Insufficient Storage", 511: "Network Authentication Required",
}  # fmt: skip

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES: Final = {code: f"HTTP/1.1 {code} {text}\r\n" for code, text in REASONS.items()}
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_USUAL_NAMES: Final = frozenset([
    "Allow", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Date", "ETag",
    "Keep-Alive", "Location", "Retry-After", "Server", "Set-Cookie", "Transfer-Encoding", "Vary",
])  # fmt: skip


def is_token(text: str) -> bool:
    """Whether `text` may be a method or a header's name (RFC 9110, 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """A response's head, with the blank line that ends it.

    Raises ValueError for a header that would end its own line, so that no value
    from outside can add a header or a second answer (RFC 9112, 11.1).
    """
    if not 100 <= status <= 999:
        raise ValueError(f"cannot answer with status {status!r}: it is not between 100 and 999")
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"]
    for name, value in headers:
        if name not in _USUAL_NAMES and not is_token(name):
            raise ValueError(f"cannot send a header called {name!r}: it is not a token")
        lines.append(f"{name}: {value}\r\n")
    lines.append("\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise ValueError(f"cannot send this header: {_split_value(lines)!r} has a CR, LF or NUL")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        bad = text[error.start : error.end]
        raise ValueError(
            f"cannot send a header with {bad!r}: headers are Latin-1; percent-encode it"
        ) from None


def _split_value(lines: list[str]) -> str:
    return next(line for line in lines if set("\r\n\0") & set(line[:-2]))[:-2]
