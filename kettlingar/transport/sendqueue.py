"""Bytes and descriptors that wait until a socket takes them (pure but for closing descriptors)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .fdpass import Bytes, close_all

MAX_BUFFERS = 64  # in one sendmsg


class SendQueue:
    """Pieces in order; the descriptors of a piece go with its first byte, and are owned here."""

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: deque[tuple[memoryview, Sequence[int]]] = deque()
        self.size = 0  # bytes

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: Bytes, fds: Sequence[int] = (), skip: int = 0) -> None:
        """Append `data` without its first `skip` bytes, which have been sent already."""
        if not isinstance(data, bytes):
            data = bytes(data)  # the caller may change or reuse it
        if len(data) > skip:
            self._pieces.append((memoryview(data)[skip:], fds))
            self.size += len(data) - skip

    def head(self) -> tuple[list[memoryview], Sequence[int]]:
        """Return what one sendmsg can carry: the first piece with its descriptors, and plain ones behind."""
        buffers: list[memoryview] = []
        for data, fds in self._pieces:
            if (buffers and fds) or len(buffers) == MAX_BUFFERS:
                break
            buffers.append(data)
        return buffers, self._pieces[0][1]

    def sent(self, count: int) -> None:
        """Forget the first `count` bytes, and close the descriptors that went with them."""
        self.size -= count
        while count:
            data, fds = self._pieces.popleft()
            close_all(fds)
            if count < len(data):
                self._pieces.appendleft((data[count:], ()))
                return
            count -= len(data)

    def clear(self) -> None:
        """Drop everything, and close the descriptors that never went."""
        for _, fds in self._pieces:
            close_all(fds)
        self._pieces.clear()
        self.size = 0
