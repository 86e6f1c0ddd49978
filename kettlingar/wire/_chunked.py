"""Chunked bodies, as strictly as RFC 9112, 7.1 can be read.

Where one chunk ends must never be a matter of opinion: sizes are hexadecimal
digits only, lines end with CRLF only, blanks around sizes are refused, and no
trailer may speak of framing.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from .http11 import END, End, Limits, Refusal

_MAX_SIZE_LINE: Final = 272  # 16 digits, and 256 bytes of chunk extension
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e\x80-\xff]*)?")
_USUAL_SIZES: Final = {b"\r\n%x" % size: size for size in range(1, 4096)}  # behind a chunk
_TRAILER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*")
_CONTROLS: Final = frozenset(  # what a sender must not put into a trailer (RFC 9110, 6.5.1)
    b"authorization connection content-encoding content-length content-range content-type cookie"
    b" expect host keep-alive set-cookie te trailer transfer-encoding upgrade".split()
)

Pieces = list[bytes | End | Refusal]


class _Expect(Enum):
    SIZE = "size"
    DATA = "data"  # and its CRLF
    TRAILERS = "trailers"  # and the blank line after them


_NO_SIZE: Final = Refusal(400, "cannot read a chunk: its first line is not a size and CRLF")
_NO_END: Final = Refusal(400, "cannot read a chunk: it does not end where its size said")
_NO_TRAILER: Final = Refusal(400, "cannot read the trailers: they are not names and values")


class ChunkedBody:
    """Takes the bytes of one chunked body; gives each chunk as one event.

    `whole` False gives the parts of a chunk as they come (for bodies that are
    only collected), and counts `max_body` for all chunks together; True waits
    for each chunk's end, and counts `max_body` for each (for streams).
    """

    __slots__ = ("_expect", "_extensions", "_left", "_limits", "_parts", "_room", "_whole", "rest")

    def __init__(self, limits: Limits, *, whole: bool) -> None:
        self._limits = limits
        self._whole = whole
        self._expect = _Expect.SIZE
        self._room = limits.max_body  # bytes that may still come
        self._extensions = 0  # bytes of chunk extensions seen
        self._left = 0  # bytes of the running chunk still to come
        self._parts: list[bytes] = []  # of the running chunk
        self.rest = b""  # an unfinished line; after END, what follows the body

    def feed(self, data: bytes) -> Pieces:
        """The events in `data`; after END, `rest` has what is not of this body."""
        if self.rest:
            data = self.rest + data
        out: Pieces = []
        at = 0
        go_on = True
        while go_on:
            if self._expect is _Expect.SIZE:
                at, go_on = self._size(data, self._usual_chunks(data, at, out), out)
            elif self._expect is _Expect.DATA:
                at, go_on = self._data(data, at, out)
            else:
                at, go_on = self._trailers(data, at, out)
        self.rest = data[at:]
        return out

    def _usual_chunks(self, data: bytes, at: int, out: Pieces) -> int:
        """Takes the small, complete, unadorned chunks, of which streams are made."""
        room, take = self._room, out.append
        line = data.find(b"\r\n", at, at + 5)
        size = _USUAL_SIZES.get(b"\r\n" + data[at:line]) if line > 0 else None
        while size is not None and size <= room:
            start, end = line + 2, line + 2 + size
            line = data.find(b"\r\n", end + 2, end + 7)
            # This chunk's end and the next one's size, in one look.
            size_after = _USUAL_SIZES.get(data[end:line]) if line > 0 else None
            if size_after is None and data[end : end + 2] != b"\r\n":
                break
            take(data[start:end])
            at = end + 2
            if not self._whole:
                room -= size
            size = size_after
        self._room = room
        return at

    def _size(self, data: bytes, at: int, out: Pieces) -> tuple[int, bool]:
        end = data.find(b"\r\n", at, at + _MAX_SIZE_LINE + 2)
        if end < 0:
            if len(data) - at >= _MAX_SIZE_LINE + 2 or b"\n" in data[at:]:
                out.append(_NO_SIZE)
            return at, False
        match = _CHUNK_SIZE.fullmatch(data, at, end)
        if match is None:
            out.append(_NO_SIZE)
            return at, False
        self._extensions += end - match.end(1)
        if self._extensions > self._limits.max_head:
            out.append(Refusal(400, "cannot read the body: it has too many chunk extensions"))
            return at, False
        return end + 2, self._begin(int(match[1], 16), out)

    def _begin(self, size: int, out: Pieces) -> bool:
        if size > self._room:
            limit = self._limits.max_body
            out.append(Refusal(413, f"cannot read the body: it is over {limit} bytes"))
            return False
        self._expect = _Expect.DATA if size else _Expect.TRAILERS
        self._left = size
        if not self._whole:
            self._room -= size
        return True

    def _data(self, data: bytes, at: int, out: Pieces) -> tuple[int, bool]:
        """Takes what has come of a chunk; its CRLF waits in `rest` until it is whole."""
        end = at + self._left
        piece = data[at:end]
        self._left -= len(piece)
        if piece and self._whole:
            self._parts.append(piece)
        elif piece:
            out.append(piece)
        after = data[end : end + 2]
        if after != b"\r\n":
            if after not in {b"", b"\r"}:
                out.append(_NO_END)
            return at + len(piece), False
        if self._whole:
            out.append(b"".join(self._parts))
            self._parts.clear()
        self._expect = _Expect.SIZE
        return end + 2, True

    def _trailers(self, data: bytes, at: int, out: Pieces) -> tuple[int, bool]:
        """Takes the trailers; nobody asked for them, so their values are dropped."""
        if data.startswith(b"\r\n", at):
            out.append(END)
            return at + 2, False
        limit = self._limits.max_head
        end = data.find(b"\r\n\r\n", at, at + limit)
        block = data[at : end if end >= 0 else at + limit]
        if block.count(b"\n") != block.count(b"\r\n"):
            out.append(_NO_TRAILER)
        elif end < 0 and len(block) == limit:
            out.append(Refusal(431, f"cannot read the trailers: they are over {limit} bytes"))
        elif end >= 0:
            out.append(self._check_trailers(block.split(b"\r\n")))
            at = end + 4
        return at, False

    def _check_trailers(self, lines: list[bytes]) -> End | Refusal:
        limit = self._limits.max_headers
        if len(lines) > limit:
            return Refusal(431, f"cannot read the trailers: they are over {limit} lines")
        for line in lines:
            match = _TRAILER.fullmatch(line)
            if match is None or match[1].lower() in _CONTROLS:
                return _NO_TRAILER
        return END
