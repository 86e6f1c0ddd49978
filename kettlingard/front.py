"""What whoever sits in front of `kettlingard up` sees of it; `kettlingard dev` shows more."""

from __future__ import annotations

import os
import sys

from kettlingar._version import __version__
from kettlingard.core.layout import Layout
from kettlingard.errors import AlreadyRunningError
from kettlingard.host.signals import Wish

from .daemon import Daemon


class Front:
    """Says at the beginning where things are, and what to type; afterwards there is the log."""

    echo = True  # our own log goes to the terminal too
    ending: frozenset[Wish] = frozenset()  # what else ends us

    def already(self, why: AlreadyRunningError) -> str:
        """Somebody else is there."""
        return str(why)

    def prepare(self, layout: Layout) -> None:
        """The folders are there and ours; nothing was read yet."""

    def begin(self, daemon: Daemon, ctl: str, *, again: bool) -> None:
        """All services were told to start, or go `again` after an upgrade."""
        if again:
            return
        folders = ", ".join(map(str, daemon.catalog.folders))
        lines = [f"kettlingard {__version__}, pid {os.getpid()}: the services of {folders}"]
        for name, service in sorted(daemon.services.items()):
            if service.problems:
                lines += [f"  {name:12} ! {problem}" for problem in service.problems]
                continue
            spec = service.spec
            urls = [url(one.stream) for one in spec.listen] if spec is not None else []
            lines.append(f"  {name:12} {' '.join(urls) or '-'}")
        say(*lines, f"try: {ctl}")

    def close(self) -> None:
        """Nothing runs any more."""


def say(*lines: str) -> None:
    """To whoever looks on."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def url(stream: str) -> str:
    """Where a browser finds a listener."""
    if stream.startswith("/"):
        return stream
    host, _, port = stream.rpartition(":")
    everywhere = {"0.0.0.0", "[::]", "*", ""}  # noqa: S104  shown, not bound
    return f"http://{'localhost' if host in everywhere else host}:{port}/"
