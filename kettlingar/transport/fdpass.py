"""Descriptors beside the bytes: SCM_RIGHTS, and what a descriptor is on the other side.

Whoever is given descriptors here owns them; whoever hands them in keeps none.
"""

from __future__ import annotations

import fcntl
import io
import os
import socket
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from io import DEFAULT_BUFFER_SIZE, BufferedReader
from typing import IO, Any

from kettlingar.errors import BadRequest
from kettlingar.wire.fdtags import FdTag

MAX_FDS = 253  # SCM_MAX_FD: the kernel refuses more in one message
FDS_SPACE = socket.CMSG_SPACE(MAX_FDS * array("i").itemsize)

# As plain numbers: with the enum's members an & costs more than the rest of a receive.
MSG_CMSG_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)
MSG_CTRUNC = int(socket.MSG_CTRUNC)

MODES = {access + plus + binary for access in "rwa" for plus in ("", "+") for binary in ("", "b")}
MODES |= {access + "b+" for access in "rwa"}  # as FileIO spells them

_ONE = array("i").itemsize
BINARY = {mode for mode in MODES if "b" in mode}

Bytes = bytes | bytearray | memoryview
Ancillary = list[tuple[int, int, bytes]]


class DescriptorsLostError(OSError):
    """The kernel dropped descriptors (MSG_CTRUNC): this process is at its limit, or they were too many."""


def close_all(fds: Iterable[int]) -> None:
    """Close every one of them; one that is closed already is no reason to keep the others."""
    for fd in fds:
        try:  # noqa: SIM105  a third of what suppress() takes
            os.close(fd)
        except OSError:
            pass


def close_left(fds: Sequence[int]) -> None:
    """Close those of some descriptors that nobody has taken: the others are -1."""
    if max(fds) >= 0:
        close_all([fd for fd in fds if fd >= 0])


def fits(data: Bytes, fds: Sequence[int]) -> bool:
    """Whether `fds` can go with `data` in one message."""
    return len(data) > 0 and len(fds) <= MAX_FDS


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
    if len(ancillary) == 1 and len(ancillary[0][2]) == _ONE:  # the kernel passes nothing else here
        return [int.from_bytes(ancillary[0][2], sys.byteorder)]
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
    data, ancillary, flags, _ = sock.recvmsg(size, FDS_SPACE, MSG_CMSG_CLOEXEC)
    return data, received_fds(ancillary, flags)


def received_fds(ancillary: Ancillary, flags: int) -> list[int]:
    """Return the descriptors that came; DescriptorsLostError if not all did, which are closed then."""
    fds = fds_in(ancillary) if ancillary else []
    if flags & MSG_CTRUNC:
        close_all(fds)
        raise DescriptorsLostError(
            "cannot take descriptors: the kernel dropped some (MSG_CTRUNC); "
            "is this process at its limit of open files?"
        )
    return fds


def take(thing: Any, index: int = 0) -> tuple[FdTag, int] | None:
    """Return the placeholder for an open file or socket, and its descriptor, which stays its own.

    None if `thing` is neither. What a file has buffered for writing is written first.
    """
    try:
        fd = thing.fileno()
    except (AttributeError, OSError, ValueError, TypeError):  # io.BytesIO; what is closed; a class
        return None
    # What open() gives to most: decided here, since each function on the way costs.
    if type(thing) is BufferedReader and (mode := getattr(thing, "mode", None)) in BINARY:
        return _file_tag(index, mode), fd
    if type(fd) is not int or fd < 0:
        return None
    return _tag_of(thing, index, fd), fd


def tagging(fds: list[int]) -> Callable[[object], FdTag]:
    """A `default=` for the encoders: replaces open files by placeholders, adds their descriptors to `fds`."""

    def tag(thing: object) -> FdTag:
        taken = take(thing, len(fds))
        if taken is None:
            raise TypeError(
                f"cannot send a {type(thing).__name__}: it has no form in JSON or msgpack;"
                " send plain data, a dataclass, or an open file or socket"
            )
        fds.append(taken[1])
        return taken[0]

    return tag


def copies(fds: Sequence[int]) -> list[int]:
    """Copies of descriptors, which are the caller's. Raises OSError."""
    made: list[int] = []
    try:
        for fd in fds:
            made.append(os.dup(fd))  # noqa: PERF401  those that were made are closed
    except OSError:
        close_all(made)
        raise
    return made


def _tag_of(thing: object, index: int, fd: int) -> FdTag:
    if hasattr(thing, "getsockopt"):
        sock = socket.socket(fileno=fd)  # whoever made the thing may not say what it is
        try:
            return FdTag(index, "socket", "", None, sock.family, sock.type, sock.proto)
        finally:
            sock.detach()
    if hasattr(thing, "flush"):
        thing.flush()
    return _file_tag(index, _mode_of(thing, fd), getattr(thing, "encoding", None))


@lru_cache(maxsize=64)
def _file_tag(index: int, mode: str, encoding: str | None = None) -> FdTag:
    return FdTag(index, "file", mode, encoding)


def give(tag: FdTag, fd: int) -> IO[Any] | socket.socket:
    """Return the file or socket that `fd` is according to `tag`; it owns `fd` from now on.

    BadRequest if it is nothing of the kind; the descriptor is closed then.
    """
    try:
        if tag.mode in BINARY and tag.kind == "file":
            # From the number, not through an opener, and without asking for a terminal.
            return open(fd, tag.mode, DEFAULT_BUFFER_SIZE)
        if tag.kind == "socket":
            return _as_socket(fd)
        return _as_text_file(fd, tag.mode, tag.encoding)
    except (OSError, ValueError, LookupError) as error:
        close_all((fd,))
        raise BadRequest(
            f"cannot use the descriptor as a {tag.kind} ({tag.mode}): {error}"
        ) from error


def _mode_of(thing: object, fd: int) -> str:
    mode = getattr(thing, "mode", None)
    if isinstance(mode, str):
        if mode in MODES:
            return mode
        mode = mode.replace("x", "w").replace("t", "")
        if mode in MODES:
            return mode
    binary = "" if isinstance(thing, io.TextIOBase) else "b"
    return {os.O_RDONLY: "r", os.O_WRONLY: "w"}.get(_access(fd), "r+") + binary


def _access(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE


def _as_socket(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)  # the kernel knows what it is, whatever the tag says
    # O_NONBLOCK came with the descriptor: Python's socket must know of it.
    sock.settimeout(None if os.get_blocking(fd) else 0.0)
    return sock


def _as_text_file(fd: int, mode: str, encoding: str | None) -> IO[Any]:
    if mode not in MODES:
        raise ValueError(f"{mode!r} is no mode of a file")
    return open(fd, mode, encoding=encoding)
