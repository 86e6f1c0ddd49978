"""systemd's journal as the place where a process writes its lines (sd_journal_stream_fd(3))."""

from __future__ import annotations

import os
import socket
from pathlib import Path

SOCKET = Path("/run/systemd/journal/stdout")
_INFO = 6  # priority of syslog(3) for lines that say none themselves


def missing(path: Path = SOCKET) -> str:
    """Why the journal cannot be written to; empty if it can."""
    if path.is_socket():
        return ""
    return f"this machine has no systemd journal ({path} is no socket)"


def open_journal(identifier: str, path: Path = SOCKET) -> int:
    """A descriptor for stdout and stderr of a process; the caller owns it. Raises OSError.

    journald reads seven lines first: identifier, unit, priority, whether lines
    may begin with <N>, and whether it shall forward to syslog, kernel, console.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(path))
        sock.shutdown(socket.SHUT_RD)
        sock.sendall(f"{identifier}\n\n{_INFO}\n1\n0\n0\n0\n".encode())
        return os.dup(sock.fileno())
