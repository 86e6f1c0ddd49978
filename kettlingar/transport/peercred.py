"""Who is at the other end of a unix socket, as the kernel says it."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

SO_PEERGROUPS = 59  # not in the socket module
_UCRED = struct.Struct("3i")
_ROOM = 1024  # bytes: what socket.getsockopt takes at most, 256 groups


class Peer(NamedTuple):
    """The process that connected (or that called listen, seen from the connecting side)."""

    pid: int  # 0 if it lives in a pid namespace that we cannot see
    uid: int
    gid: int


def peer(sock: socket.socket) -> Peer:
    """Return the peer of a connected unix socket; OSError on any other."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    who = Peer(*_UCRED.unpack(data))
    if who.uid == -1:  # the kernel's answer for a socket that has no peer
        raise OSError("cannot tell the peer: this is no connected unix socket")
    return who


def groups(sock: socket.socket) -> frozenset[int]:
    """Return the peer's supplementary groups, as they were when it connected."""
    data = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _ROOM)
    return frozenset(struct.unpack(f"{len(data) // 4}I", data))
