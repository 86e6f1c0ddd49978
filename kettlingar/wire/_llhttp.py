"""One whole head through llhttp: its headers as a dict.

Each head gets a parser of its own (making one costs less than 0.1 us), so nothing that
an earlier message left in it can change what the next one means.
"""

from __future__ import annotations

from typing import Final

from httptools import (
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from .http11 import Refusal

_KNOWN = [
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection",
    "Content-Length", "Content-Type", "Cookie", "Date", "ETag", "Expect", "Host", "If-None-Match",
    "Keep-Alive", "Kettlingar-Fds", "Location", "Origin", "Pragma", "Range", "Referer", "Server",
    "Transfer-Encoding", "Upgrade", "Upgrade-Insecure-Requests", "User-Agent", "Vary", "X-Kitten",
]  # fmt: skip
_NAMES: Final = {
    spelling.encode(): name.lower() for name in _KNOWN for spelling in (name, name.lower())
}
# Two of these would leave it to the reader which one counts.
_SINGLE: Final = frozenset(
    ("authorization", "content-length", "content-type", "host", "transfer-encoding")
)


def request_headers(head: bytes) -> dict[str, str] | Refusal:
    """The headers of a request's head, which must be whole."""
    return _headers(HttpRequestParser, head)


def response_headers(head: bytes) -> dict[str, str] | Refusal:
    """The headers of a response's head, which must be whole."""
    return _headers(HttpResponseParser, head)


class _Headers:
    """Collects the headers of one head from llhttp."""

    __slots__ = ("doubled", "found")

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.doubled = ""  # the name of a header that may come only once

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by llhttp."""
        key = _NAMES.get(name) or name.decode("ascii").lower()
        text = value.decode("latin-1").rstrip(" \t")
        if key not in self.found:
            self.found[key] = text
        elif key in _SINGLE:
            self.doubled = key
        else:
            self.found[key] += ("; " if key == "cookie" else ", ") + text


def _headers(
    parser: type[HttpRequestParser | HttpResponseParser], head: bytes
) -> dict[str, str] | Refusal:
    collector = _Headers()
    try:
        parser(collector).feed_data(head)
    except HttpParserUpgrade:
        pass  # whether it is one is not decided here
    except HttpParserError as error:
        return Refusal(400, f"cannot read the head: {error}")
    if collector.doubled:
        return Refusal(400, f"cannot take the head: it has two {collector.doubled} headers")
    return collector.found
