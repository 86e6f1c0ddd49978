"""Which part of a file is asked for, and whether any is needed (RFC 9110, 13 and 14). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*\Z")
_ENTITY = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|\Z)')


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to before `stop`, of `size`; a whole file has status 200."""

    start: int
    stop: int
    size: int
    status: int = 206

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.stop - self.start

    @property
    def headers(self) -> dict[str, str]:
        """What says which part it is (RFC 9110, 14.4)."""
        if self.status == 206:
            return {"Content-Range": f"bytes {self.start}-{self.stop - 1}/{self.size}"}
        return {"Content-Range": f"bytes */{self.size}"} if self.status == 416 else {}


def part_of(size: int, header: str = "") -> Part:
    """Read a Range header: one range of bytes. Anything else that is odd means the whole file."""
    whole = Part(0, size, size, 200)
    unit, _, ranges = header.partition("=")
    found = _RANGE.match(ranges) if unit.strip().lower() == "bytes" else None
    if found is None or not (found[1] or found[2]):
        return whole
    nothing = Part(0, 0, size, 416)
    if not found[1]:  # the last N bytes
        last = min(int(found[2]), size)
        return Part(size - last, size, size) if last else nothing
    start, stop = int(found[1]), int(found[2]) + 1 if found[2] else size
    if stop <= start and found[2]:
        return whole  # "5-2" is no range (14.1.1): it counts as not sent
    return Part(start, min(stop, size), size) if start < size else nothing


def has_tag(header: str, tag: str) -> bool:
    """Whether If-None-Match names `tag`, or anything: weak comparison (RFC 9110, 8.8.3.2)."""
    if header.strip() == "*":
        return True
    place = 0
    while found := _ENTITY.match(header, place):
        if found[2] == tag.removeprefix("W/"):
            return True
        if found.end() == place:
            break
        place = found.end()
    return False


def file_tag(mtime_ns: int, size: int, inode: int) -> str:
    """Return an entity tag that changes whenever a file's content may have."""
    return f'"{mtime_ns:x}-{size:x}-{inode:x}"'
