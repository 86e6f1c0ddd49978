"""A copy of another process's descriptor (pidfd_getfd(2)), which Python has no function for."""

from __future__ import annotations

import ctypes
import os

_PIDFD_GETFD = 438  # the same number on all architectures
_libc = ctypes.CDLL(None, use_errno=True)


def pidfd_getfd(pidfd: int, number: int) -> int:
    """Return our own copy, close-on-exec. Raises OSError; who may is as for ptrace(2)."""
    result: int = _libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
