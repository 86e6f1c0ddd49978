"""What the first bytes of a connection say about where its request goes: looked at, never consumed.

It is read by the parser of the workers, so that no two ever understand a head differently.
"""

from __future__ import annotations

from kettlingar.wire._httptools import RequestParser
from kettlingar.wire.http11 import Limits, Refusal, RequestHead

from .routes import Request

NO_LIMIT = 1 << 62  # bodies are the workers' business


def read_head(data: bytes, limit: int) -> Request | Refusal | None:
    """The request that begins so; None while its head is not whole."""
    limits = Limits(max_head=limit, max_line=limit, max_body=NO_LIMIT)
    for event in RequestParser(limits).feed(data):
        if isinstance(event, RequestHead):
            return Request(event.method, _host(event), event.path)
        if isinstance(event, Refusal):
            return event
    return None


def _host(head: RequestHead) -> str:
    """Of the target, where that is absolute, else the header's (RFC 9112, 3.2.2)."""
    if head.target.startswith("/") or "://" not in head.target:
        return head.headers.get("host", "")
    return head.target.partition("://")[2].partition("/")[0].rpartition("@")[2]
