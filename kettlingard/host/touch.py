"""What the kernel knows of a connection: has anybody read from it, or answered?"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

from kettlingard.core.custody import Touch, touched

_INFO = 256  # bytes of struct tcp_info to ask for
_COUNTERS = struct.Struct("=QQ")  # tcpi_bytes_acked, tcpi_bytes_received
_COUNTERS_AT = 120
_SENT = struct.Struct("=Q")  # tcpi_bytes_sent (Linux 4.19)
_SENT_AT = 200
_INT = struct.Struct("i")


def touch_of(sock: socket.socket) -> Touch:
    """Ask the kernel about an accepted connection. Nothing is read from it."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return Touch.UNKNOWN
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
    _, received = _COUNTERS.unpack_from(info, _COUNTERS_AT)
    (sent,) = _SENT.unpack_from(info, _SENT_AT)
    return touched(
        state=info[0],
        received=received,
        unread=_queued(sock, termios.FIONREAD),
        sent=sent,
        unsent=_queued(sock, termios.TIOCOUTQ),
    )


def _queued(sock: socket.socket, question: int) -> int:
    answer = fcntl.ioctl(sock, question, bytes(_INT.size))
    count: int = _INT.unpack(answer)[0]
    return count
