"""What a process uses, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LONGEST = 1024  # bytes: 52 numbers and a name of 15


class Usage(Struct, frozen=True):
    """A sample of one process."""

    cpu: float  # seconds of CPU since its start, its ended and awaited children not counted
    rss: int  # bytes resident, shared pages counted in full
    threads: int


def usage(pid: int) -> Usage | None:
    """Sample a process: one small read, since `status` does it for hundreds. None if it has gone."""
    try:
        fd = os.open(b"/proc/%d/stat" % pid, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(fd, _LONGEST)
        finally:
            os.close(fd)
    except OSError:
        return None
    rest = text[text.rindex(b")") + 2 :].split(b" ", 22)
    return Usage(
        cpu=(int(rest[11]) + int(rest[12])) / _TICKS,
        rss=int(rest[21]) * _PAGE,
        threads=int(rest[17]),
    )


def pss(pid: int) -> int | None:
    """Bytes of memory, each shared page counted by its part. Slow: walks all mappings.

    None if the process has gone or is another user's.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return int(sizes["Pss"].split()[0]) * 1024 if "Pss" in sizes else None
