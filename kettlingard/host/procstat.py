"""What a process uses, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """A sample of one process."""

    cpu: float  # seconds of CPU since its start, its ended and awaited children not counted
    rss: int  # bytes resident, shared pages counted in full
    threads: int


def usage(pid: int) -> Usage | None:
    """Sample a process: two small reads, no more. None if it has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError):
        return None
    rest = text[text.rindex(b")") + 2 :].split()
    return Usage(
        cpu=(int(rest[11]) + int(rest[12])) / _TICKS, rss=pages * _PAGE, threads=int(rest[17])
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
