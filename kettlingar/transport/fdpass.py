"""Descriptors beside the bytes: SCM_RIGHTS, and what a descriptor is on the other side.

Whoever is given descriptors here owns them; whoever hands them in keeps none.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress

MAX_FDS = 253  # SCM_MAX_FD: the kernel refuses more in one message
FDS_SPACE = socket.CMSG_SPACE(MAX_FDS * array("i").itemsize)

Bytes = bytes | bytearray | memoryview
Ancillary = list[tuple[int, int, bytes]]


class DescriptorsLostError(OSError):
    """The kernel dropped descriptors (MSG_CTRUNC): this process is at its limit, or they were too many."""


def close_all(fds: Iterable[int]) -> None:
    """Close every one of them; one that is closed already is no reason to keep the others."""
    for fd in fds:
        with suppress(OSError):
            os.close(fd)


def check_message(data: Bytes, fds: Sequence[int]) -> None:
    """Raise ValueError if `fds` cannot go with `data` in one message."""
    if len(fds) > MAX_FDS:
        raise ValueError(f"cannot send {len(fds)} descriptors in one message: {MAX_FDS} at most")
    if fds and not data:
        raise ValueError("cannot send descriptors alone: they travel with a byte of data")


def rights(fds: Sequence[int]) -> list[tuple[int, int, array[int]]]:
    """Return the ancillary data that carries `fds`."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []


def fds_in(ancillary: Ancillary) -> list[int]:
    """Return the descriptors that came with a message; the caller owns them."""
    fds = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return fds.tolist()


def send_fds(sock: socket.socket, data: Bytes, fds: Sequence[int]) -> int:
    """Send `data`, with `fds` at its first byte; return how many bytes went.

    Any number of bytes above zero means that all the descriptors went. The
    caller still owns its copies. BlockingIOError: nothing was sent.
    """
    check_message(data, fds)
    return sock.sendmsg([data], rights(fds))


def recv_fds(sock: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Receive up to `size` bytes and the descriptors that came with them, close-on-exec.

    DescriptorsLostError if the kernel dropped any; those that came are closed then.
    """
    # socket.recv_fds would give inheritable ones (it ignores its flags before 3.14).
    data, ancillary, flags, _ = sock.recvmsg(size, FDS_SPACE, socket.MSG_CMSG_CLOEXEC)
    fds = fds_in(ancillary) if ancillary else []
    if flags & socket.MSG_CTRUNC:
        close_all(fds)
        raise DescriptorsLostError(
            "cannot take descriptors: the kernel dropped some (MSG_CTRUNC); "
            "is this process at its limit of open files?"
        )
    return data, fds
