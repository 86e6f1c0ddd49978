"""Sockets at which a supervisor finds workers that have lost theirs: one file a run, in a private folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from kettlingar.transport.unixpath import unix_address

_KIND = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


def make_meeting(path: Path) -> socket.socket:
    """A bound socket (0600) that nobody listens on yet. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, _KIND)
    try:
        path.unlink(missing_ok=True)  # a random name: only a dead run's
        os.fchmod(sock.fileno(), 0o600)
        with unix_address(path) as address:
            sock.bind(address)
        path.chmod(0o600)
    except OSError:
        sock.close()
        raise
    return sock


def visit(path: Path) -> socket.socket:
    """Connect to whoever listens there, without waiting. Raises OSError if nobody does."""
    sock = socket.socket(socket.AF_UNIX, _KIND)
    try:
        with unix_address(path) as address:
            sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock
