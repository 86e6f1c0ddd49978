"""The two parsers, over httptools (llhttp) with the limits and the strictness that it lacks.

llhttp is given a head only once it is whole and clean; framing is decided from the
headers here (`_strict`) and kept in `_framing`.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from . import _strict
from ._framing import Events, MessageParser
from ._llhttp import request_headers, response_headers
from .http11 import END, Limits, Phase, Refusal, RequestHead, ResponseHead

_MOST_KNOWN: Final = 512  # bytes of a head that is remembered, as another may be equal
_NO_STATUS_LINE: Final = Refusal(0, "cannot read the answer: it does not begin with HTTP/1.1 NNN")


class RequestParser(MessageParser[RequestHead]):
    """The bytes of one client's connection -> its requests."""

    __slots__ = ("_block", "_last")

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, whole_chunks=False)
        self._last: RequestHead | None = None  # the next one often has the same headers,
        self._block = b""  # which are all but the first line

    def decline_upgrade(self) -> Events[RequestHead]:
        """The server will not upgrade: go on with what came behind the request."""
        rest, self.rest = self.rest, b""
        self.phase = Phase.IDLE
        return self.feed(rest)

    def _line_fault(self, line: bytes) -> Refusal | None:
        parts = _strict.request_line(line)
        return parts if isinstance(parts, Refusal) else None

    def _read(self, head: bytes) -> RequestHead | Refusal | None:
        end = head.find(b"\r\n")
        if self._last is not None and head[end:] == self._block:
            again = self._read_again(self._last, head, end)
            if again is not None:
                return again
        limits = self._limits
        if end > limits.max_line or not _strict.clean(head):
            fault = _strict.fault_so_far(head, limits, self._line_fault)
            return fault or _strict.BAD_BYTES
        line = _strict.request_line(head[:end])
        if isinstance(line, Refusal):
            return line
        headers = _strict.over_limits(head, limits) or request_headers(head)
        if isinstance(headers, Refusal):
            return headers
        found = self._understand(*line, headers)
        if isinstance(found, RequestHead):
            usual = not (found.upgrade or found.expect_continue or self._chunks is not None)
            if usual and len(head) <= _MOST_KNOWN and found.target.startswith("/"):
                found.raw = head
                self._last, self._block = found, head[end:]
        return found

    def _read_again(self, same: RequestHead, head: bytes, end: int) -> RequestHead | None:
        """A head whose headers are known: they mean the same after the same method and version.

        None for anything unusual, which is then read from the beginning.
        """
        first = head[:end]
        if end > self._limits.max_line or not _strict.printable(first):
            return None
        line = _strict.request_line(first)
        if isinstance(line, Refusal):
            return None
        method, target, http10 = line
        parts = _strict.split_target(method, target)
        if parts is None or parts[0] or method != same.method or http10 != same.http10:
            return None
        self._left = same.content_length or 0
        return RequestHead(
            method, target, parts[1], parts[2], same.headers, http10,
            same.keep_alive, same.expect_continue, same.upgrade, same.content_length,
            head if len(head) <= _MOST_KNOWN else b"",
        )  # fmt: skip

    def _understand(
        self, method: str, target: str, http10: bool, headers: dict[str, str]
    ) -> RequestHead | Refusal:
        parts = _strict.split_target(method, target)
        if parts is None:
            return Refusal(400, "cannot read the target: it is neither a path nor a URL")
        host, path, query = parts
        refusal = _host_fault(headers, http10=http10) or self._frame(headers, http10=http10)
        if refusal is not None:
            return refusal
        if host:
            headers["host"] = host  # the absolute form's own counts (RFC 9112, 3.2.2)
        self._left = max(self._left, 0)  # no length, no body (RFC 9112, 6.3)
        has_body = self._left > 0 or self._chunks is not None
        expect = headers.get("expect")
        if expect is not None and expect.lower() != "100-continue":
            return Refusal(417, f"cannot do what is expected ({expect!r}); only 100-continue")
        upgrade = "upgrade" in headers and not (http10 or has_body) and _websocket(method, headers)
        if upgrade:
            self.phase = Phase.UPGRADED
        return RequestHead(
            method,
            target,
            path,
            query,
            MappingProxyType(headers),
            http10,
            # HTTP/1.0 clients would have to be told in every answer that we keep it
            not http10 and not _strict.wants(headers, "connection", "close"),
            expect is not None and has_body and not http10,
            upgrade,
            self._left if "content-length" in headers else None,
        )


class ResponseParser(MessageParser[ResponseHead]):
    """The bytes of one server's connection -> its answers, in the order of `expect`.

    Every Refusal has status 0: the connection is of no use any more.
    With `whole_chunks` each chunk of a chunked answer is one event, and `max_body`
    counts for each of them; otherwise for the body.
    """

    __slots__ = ("_expected",)

    def __init__(self, limits: Limits, *, whole_chunks: bool = False) -> None:
        super().__init__(limits, whole_chunks=whole_chunks)
        self._expected: deque[str] = deque()

    def expect(self, method: str) -> None:
        """A request has been sent: its method decides whether the answer has a body."""
        self._expected.append(method)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is expected, and nothing has come."""
        return self.phase is Phase.IDLE and not self._expected

    def eof(self) -> Events[ResponseHead]:
        """The server has closed: that ends a body without length, and breaks all others."""
        phase, self.phase = self.phase, Phase.REFUSED
        if phase is Phase.BODY and self._left < 0:
            return [END]
        if phase in {Phase.HEAD, Phase.BODY}:
            return [Refusal(0, "cannot read the answer: the connection ended within it")]
        if phase is Phase.IDLE and self._expected:
            return [Refusal(0, "cannot read the answer: the connection ended before it")]
        return []

    def _refuse(self, refusal: Refusal, data: bytes, events: Events[ResponseHead]) -> int:
        return super()._refuse(Refusal(0, refusal.message), data, events)

    def _line_fault(self, line: bytes) -> Refusal | None:
        return None if _strict.STATUS_LINE.fullmatch(line) else _NO_STATUS_LINE

    def _read(self, head: bytes) -> ResponseHead | Refusal | None:
        found = (
            _response_head(head) if len(head) <= _MOST_KNOWN else _response_head.__wrapped__(head)
        )
        refusal = _strict.over_limits(head, self._limits)
        if found is None or refusal is not None:
            fault = _strict.fault_so_far(head, self._limits, self._line_fault)
            return fault or refusal or _strict.BAD_BYTES
        if isinstance(found, Refusal):
            return found
        status, reason, http10, headers = found
        if status < 200 and status != 101:
            return None  # an interim answer: the real one follows (RFC 9110, 15.2)
        if not self._expected:
            return Refusal(0, f"cannot take an answer ({status}): nothing was asked")
        return self._understand(status, reason, http10, headers.copy())

    def _understand(
        self, status: int, reason: str, http10: bool, headers: dict[str, str]
    ) -> ResponseHead | Refusal:
        keep_alive = not http10 and not _strict.wants(headers, "connection", "close")
        method = self._expected.popleft()
        if status == 101:
            self.phase = Phase.UPGRADED
        elif method != "HEAD" and status not in {204, 304}:
            refusal = self._frame(headers, http10=http10)
            if refusal is not None:
                return refusal
            keep_alive = keep_alive and self._left >= 0
        return ResponseHead(status, reason, headers, keep_alive)


@lru_cache(maxsize=64)
def _response_head(head: bytes) -> tuple[int, str, bool, dict[str, str]] | Refusal | None:
    """Status, reason, is it HTTP/1.0, headers; None for bytes that are no head.

    The answers to one kind of call often have the same head, but for their date.
    """
    line = _strict.STATUS_LINE.fullmatch(head, 0, head.find(b"\r\n"))
    if line is None or not _strict.clean(head):
        return None
    headers = response_headers(head)
    if isinstance(headers, Refusal):
        return headers
    return int(line[2]), (line[3] or b"").decode("latin-1"), line[1] == b"0", headers


def _host_fault(headers: dict[str, str], *, http10: bool) -> Refusal | None:
    host = headers.get("host")
    if host is None:
        return None if http10 else Refusal(400, "cannot take the request: it has no Host")
    if host and not _strict.is_authority(host):
        return Refusal(400, f"cannot take the request: {host!r} is not a Host")
    return None


def _websocket(method: str, headers: dict[str, str]) -> bool:
    return (
        method == "GET"
        and headers["upgrade"].lower() == "websocket"
        and _strict.wants(headers, "connection", "upgrade")
    )
