"""How many files this process may have open: all that it is allowed, but its workers as before."""

from __future__ import annotations

import resource

from msgspec import Struct

MOST = 1 << 20  # more would only make the kernel's table larger


class OpenFiles(Struct, frozen=True):
    """RLIMIT_NOFILE."""

    soft: int
    hard: int


def raise_open_files() -> OpenFiles:
    """Raise our soft limit as far as we may; return what it was, for those that we start."""
    before = OpenFiles(*resource.getrlimit(resource.RLIMIT_NOFILE))
    most = before.hard if before.hard != resource.RLIM_INFINITY else MOST
    soft = max(before.soft, min(most, MOST))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before.hard))
    return before
