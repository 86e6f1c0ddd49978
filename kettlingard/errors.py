"""What can go wrong in the supervisor, as types that somebody acts on."""

from __future__ import annotations

import errno as errnos
import os


class SpawnError(Exception):
    """A process could not be started: the `step` that did not succeed, and its `errno`."""

    def __init__(self, step: str, errno: int, subject: str = "") -> None:
        name = errnos.errorcode.get(errno, str(errno))
        what = f" ({subject})" if subject else ""
        super().__init__(f"cannot start the process: {step}: {os.strerror(errno)}{what} [{name}]")
        self.step = step
        self.errno = errno
        self.subject = subject

    @property
    def reason(self) -> str:
        """`spawn:exec:ENOENT`, as a service's status shows it."""
        return f"spawn:{self.step}:{errnos.errorcode.get(self.errno, self.errno)}"


class ListenError(Exception):
    """An address cannot be listened on; the text says why and what to do."""

    def __init__(self, message: str, address: str, errno: int) -> None:
        super().__init__(message)
        self.address = address
        self.errno = errno

    @property
    def reason(self) -> str:
        """`listen:EADDRINUSE`, as a service's status shows it."""
        return f"listen:{errnos.errorcode.get(self.errno, self.errno)}"


class AlreadyRunningError(Exception):
    """Another supervisor holds the lock; `pid` is its process, 0 where that is unknown."""

    def __init__(self, message: str, pid: int = 0) -> None:
        super().__init__(message)
        self.pid = pid


class PathError(Exception):
    """A file or folder that must not be used as it is: the text says why and what to do."""
