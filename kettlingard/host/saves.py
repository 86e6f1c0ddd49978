"""Tells which sources below a folder have been saved."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

from .inotify import Changes

KINDS = (".py", ".so", ".jinja")
SETTLED = 0.05  # seconds: an editor writes, renames and removes in several steps
DATA = 0.2  # seconds: what was written is no source, and perhaps written all the time
MOST = 4000  # folders; a user has some thousands of watches


def folders(root: Path) -> list[Path]:
    """It and those below that may have sources of one's own: no hidden ones, no environments."""
    found: list[Path] = []
    for here, below, files in os.walk(root):
        below[:] = [] if "pyvenv.cfg" in files else sorted(filter(_is_own, below))
        if "pyvenv.cfg" not in files:
            found.append(Path(here))
        if len(found) >= MOST:
            break
    return found


def _is_own(name: str) -> bool:
    return name[0] != "." and name not in ("__pycache__", "node_modules", "site-packages")


def stamps(where: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """The sources in these folders: when each was written, and how long it is."""
    found = {}
    for folder in where:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(KINDS):
                    with suppress(FileNotFoundError):  # gone since
                        stat = entry.stat()
                        found[entry.path] = (stat.st_mtime_ns, stat.st_size)
    return found


async def saves(root: Path) -> AsyncIterator[list[str]]:
    """Yield the sources that were written, made or removed, as often as that happens.

    Raises OSError where the user has no watches left.
    """
    loop, where = asyncio.get_running_loop(), folders(root)
    changes = Changes(loop, *where)
    before = stamps(where)
    try:
        while True:
            await changes.wait()
            await asyncio.sleep(SETTLED)
            if (now := folders(root)) != where:
                changes.close()
                where = now
                changes = Changes(loop, *where)
            after = stamps(where)
            if changed := {name for name, _ in before.items() ^ after.items()}:
                yield sorted(changed)
            else:
                await asyncio.sleep(DATA)
            before = after
    finally:
        changes.close()
