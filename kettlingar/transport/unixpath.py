"""Paths of unix sockets, longer ones too: sockaddr_un holds 107 bytes, paths may have 4,095."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

MAX_SUN_PATH = 107  # bytes, without the closing NUL

StrPath = str | os.PathLike[str]


@contextmanager
def unix_address(path: StrPath) -> Iterator[str]:
    """Give an address for bind or connect that leads to `path`, valid inside the `with` only.

    `@name` and a leading NUL are the abstract namespace. OSError if the folder
    does not exist, or the name alone is too long.
    """
    text = os.fspath(path)
    if text.startswith("@"):
        text = "\0" + text[1:]
    if len(os.fsencode(text)) <= MAX_SUN_PATH or text.startswith("\0"):
        yield text
        return
    folder, name = os.path.split(text)
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)


def connect_unix(path: StrPath, *, timeout: float | None = None) -> socket.socket:
    """Return a blocking stream socket connected to `path`; OSError if nobody answers there.

    `timeout` seconds stay the socket's own afterwards, as `settimeout` has it.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        with unix_address(path) as address:
            sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
