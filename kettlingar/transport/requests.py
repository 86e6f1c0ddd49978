"""Bytes and descriptors of one connection -> whole requests, in the order in which they came.

Descriptors travel with the first byte of a request's head, and the head says how
many are its own. What no head claims is closed at once.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from kettlingar.wire._httptools import RequestParser
from kettlingar.wire.http11 import END, Limits, Phase, Refusal, RequestEvent, RequestHead

from .fdpass import MAX_FDS, close_all

FDS_HEADER = "kettlingar-fds"  # how many descriptors travel with the first byte of this head
COUNTS = {str(count): count for count in range(MAX_FDS + 1)}  # that it may name


class Incoming(Struct):
    """A whole request. Whoever gets it owns the descriptors."""

    head: RequestHead
    body: bytes
    fds: list[int]


class Requests:
    """What has come on a connection and was not answered yet.

    `last` is true when nothing that comes later will be read as a request: after
    a Refusal, a request that asks for the close, or one that asks for another
    protocol. `draining` makes the next whole request the last one.
    """

    __slots__ = ("_body", "_fds", "_head", "_head_fds", "_parser", "draining", "last", "waiting")

    def __init__(self, limits: Limits) -> None:
        self._parser = RequestParser(limits)
        self._head: RequestHead | None = None
        self._head_fds: list[int] = []
        self._body: list[bytes] = []
        self._fds: list[int] = []  # arrived, claimed by no head yet
        self.waiting: deque[Incoming | Refusal] = deque()
        self.last = False
        self.draining = False

    @property
    def phase(self) -> Phase:
        """Where in a request the bytes stand."""
        return self._parser.phase

    @property
    def at_rest(self) -> bool:
        """Whether the next byte begins a request, and one that may be answered as any other."""
        return self._parser.phase is Phase.IDLE and not (self.waiting or self.last or self.draining)

    @property
    def rest(self) -> bytes:
        """The bytes behind a request for another protocol; they can be taken once."""
        rest, self._parser.rest = self._parser.rest, b""
        return rest

    def feed(self, data: bytes, fds: list[int]) -> None:
        """Take what came."""
        if fds:
            self._fds += fds
        if self.last:
            self._drop_fds()
            return
        for event in self._parser.feed(data):
            self._take(event)
        if self._fds:
            self._bound_fds()

    def refuse(self, refusal: Refusal) -> None:
        """Read no more requests; this is the answer to what was being read."""
        self.last = True
        self._head = None
        self.waiting.append(refusal)
        close_all(self._head_fds)
        self._head_fds = []
        self._drop_fds()

    def keep_first(self, *, running: bool) -> None:
        """What came behind the first request is dropped, and the connection ends after that one.

        A client may send ahead, but must be ready to send it again (RFC 9112, 9.3.2).
        """
        room = 0 if running else 1
        whole = running or bool(self.waiting)
        if len(self.waiting) > room or (whole and self.phase is not Phase.IDLE):
            kept = list(self.waiting)[:room]
            for one in list(self.waiting)[room:]:
                if isinstance(one, Incoming):
                    close_all(one.fds)
            self.waiting.clear()
            self.waiting.extend(kept)
            self.last = True

    def may_continue(self, *, busy: bool) -> bool:
        """Whether the client should now be told to go on and send its body; true once.

        RFC 9110, 10.1.1: not once the body has begun, and never before an earlier answer.
        """
        head = self._head
        if head is None or not head.expect_continue:
            return False
        head.expect_continue = busy and not self._body
        return not busy and not self._body

    def drop(self) -> None:
        """Close all descriptors, and forget what waits."""
        self.last = True
        self._drop_fds()
        close_all(self._head_fds)
        self._head_fds = []
        for incoming in self.waiting:
            if isinstance(incoming, Incoming):
                close_all(incoming.fds)
        self.waiting.clear()

    # --- events of the parser ---

    def _take(self, event: RequestEvent) -> None:
        if self.last:
            return  # behind the request that was to be the last (RFC 9112, 9.6)
        if event is END:
            self._complete(self._body[0] if len(self._body) == 1 else b"".join(self._body))
        elif isinstance(event, RequestHead):
            self._begin(event)
        elif isinstance(event, Refusal):
            self.refuse(event)
        else:
            self._body.append(event)

    def _begin(self, head: RequestHead) -> None:
        self._head = head
        claimed = head.headers.get(FDS_HEADER)
        if claimed is not None:
            self._claim(claimed)

    def _claim(self, claimed: str) -> None:
        count = COUNTS.get(claimed, -1)
        if not 0 <= count <= len(self._fds):
            why = f"{FDS_HEADER}: {claimed[:20]}, but {len(self._fds)} descriptors came"
            self.refuse(Refusal(400, why))
            return
        self._head_fds, self._fds = (
            (self._fds, []) if count == len(self._fds) else (self._fds[:count], self._fds[count:])
        )

    def _complete(self, body: bytes) -> None:
        if self._head is None:
            return  # refused while its head was read
        incoming = Incoming(self._head, body, self._head_fds)
        self.last = self.draining or not self._head.keep_alive or self._head.upgrade
        self._head, self._head_fds, self._body = None, [], []
        self.waiting.append(incoming)

    def _bound_fds(self) -> None:
        if self._parser.phase is not Phase.HEAD:
            self._drop_fds()  # no head claimed them: nobody ever will
        elif len(self._fds) > MAX_FDS:
            self.refuse(Refusal(400, f"more than {MAX_FDS} descriptors"))

    def _drop_fds(self) -> None:
        if self._fds:
            close_all(self._fds)
            self._fds = []
