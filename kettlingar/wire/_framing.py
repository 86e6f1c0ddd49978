"""One connection's bytes -> messages: where a head ends, where a body ends.

    IDLE --first byte--> HEAD --blank line--> BODY --all of it--> IDLE
                          |  \\--no body------------------------->
                          |--WebSocket--> UPGRADED
                          '--refused----> REFUSED (from any phase)

A head is read only once it is whole, so any split of the bytes gives the same events.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ._strict import CHUNKED, body_length, fault_so_far
from .http11 import END, End, Limits, Phase, Refusal, RequestHead, ResponseHead

if TYPE_CHECKING:
    from ._chunked import ChunkedBody

BLANK_LINE: Final = b"\r\n\r\n"

Head = TypeVar("Head", bound=RequestHead | ResponseHead)
Events = list[Head | bytes | End | Refusal]


class MessageParser(ABC, Generic[Head]):
    """What both directions have in common: finding heads and bodies in a stream of bytes."""

    __slots__ = ("_chunks", "_left", "_limits", "_pending", "_whole_chunks", "phase", "rest")

    def __init__(self, limits: Limits, *, whole_chunks: bool) -> None:
        self._limits = limits
        self._whole_chunks = whole_chunks
        self._pending = b""  # the beginning of a head
        self._left = 0  # bytes of the body still to come; UNTIL_CLOSE: no length
        self._chunks: ChunkedBody | None = None
        self.phase = Phase.IDLE
        self.rest = b""  # after an upgrade: what came behind the head

    def feed(self, data: bytes) -> Events[Head]:
        """The events in `data`. Nothing comes after a Refusal or an upgrade."""
        events: Events[Head] = []
        if self.phase is Phase.REFUSED:
            return events
        if self.phase is Phase.UPGRADED:
            self.rest += data
            return events
        if self._pending:
            data = self._pending + data
            self._pending = b""
        at = 0
        size = len(data)
        while at < size:
            if self.phase is Phase.BODY:
                at = self._body(data, at, events)
            else:
                at = self._head(data, at, events)
        return events

    def _head(self, data: bytes, at: int, events: Events[Head]) -> int:
        """Reads one head if it is whole; returns where to go on."""
        most = at + self._limits.max_head
        end = data.find(BLANK_LINE, at, most)
        if end < 0:
            part = data[at:most]
            refusal = fault_so_far(part, self._limits, self._line_fault)
            if refusal is None and len(part) == self._limits.max_head:
                refusal = Refusal(431, f"cannot take the head: it is over {len(part)} bytes")
            if refusal is not None:
                return self._refuse(refusal, data, events)
            self.phase = Phase.HEAD
            self._pending = part
            return len(data)
        end += 4
        head = self._read(data[at:end])
        if isinstance(head, Refusal):
            return self._refuse(head, data, events)
        if head is None:
            self.phase = Phase.IDLE
            return end
        events.append(head)
        if self._left or self._chunks is not None:
            self.phase = Phase.BODY
        elif self.phase is Phase.UPGRADED:
            events.append(END)
            self.rest = data[end:]
            return len(data)
        else:
            self.phase = Phase.IDLE
            events.append(END)
        return end

    def _refuse(self, refusal: Refusal, data: bytes, events: Events[Head]) -> int:
        self.phase = Phase.REFUSED
        events.append(refusal)
        return len(data)

    def _body(self, data: bytes, at: int, events: Events[Head]) -> int:
        if self._chunks is not None:
            return self._chunked(self._chunks, data, at, events)
        if self._left < 0:
            events.append(data[at:])
            return len(data)
        piece = data[at : at + self._left]
        self._left -= len(piece)
        events.append(piece)
        if not self._left:
            self.phase = Phase.IDLE
            events.append(END)
        return at + len(piece)

    def _chunked(
        self,
        chunks: ChunkedBody,
        data: bytes,
        at: int,
        events: Events[Head],
    ) -> int:
        pieces = chunks.feed(data[at:])
        events.extend(pieces)
        last = pieces[-1] if pieces else None
        if last is END:
            self._chunks = None
            self.phase = Phase.IDLE
            return len(data) - len(chunks.rest)
        if isinstance(last, Refusal):
            events.pop()
            return self._refuse(last, data, events)
        return len(data)

    def _frame(self, headers: dict[str, str], *, http10: bool) -> Refusal | None:
        """Sets up the body that these headers announce."""
        length = body_length(headers, self._limits, http10=http10)
        if isinstance(length, Refusal):
            return length
        if length == CHUNKED:
            from ._chunked import ChunkedBody  # many connections never see one

            self._chunks = ChunkedBody(self._limits, whole=self._whole_chunks)
        else:
            self._left = length
        return None

    @abstractmethod
    def _line_fault(self, line: bytes) -> Refusal | None:
        """What is wrong with a start line."""

    @abstractmethod
    def _read(self, head: bytes) -> Head | Refusal | None:
        """Reads a whole head and sets up its body; None: there is nothing to say of it."""
