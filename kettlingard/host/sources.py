"""Files that decide whether a service can be imported: which there are, and how new they are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

KINDS = (".py", ".so", ".dist-info")  # the last one: a package was installed or removed


def stamps(folders: Iterable[Path]) -> dict[str, int]:
    """Their paths, and when each was last written; of these folders alone, not of those below."""
    found: dict[str, int] = {}
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(KINDS):
                    found[entry.path] = entry.stat().st_mtime_ns
    return found


def site_folders(python: Path) -> list[Path]:
    """Where the packages of an interpreter, or of its virtual environment, are installed."""
    return sorted(python.parent.parent.glob("lib/python3*/site-packages"))
