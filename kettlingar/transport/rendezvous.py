"""The files by which local clients find a service: NAME.url in a private folder, and its start lock.

The URL holds the token, so the file is private from its first moment and gets
its name by a rename. All is done through the opened folder, so that nobody can
put another in its place meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from msgspec import Struct

from .unixpath import StrPath

MAX_URL = 4096  # bytes
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC


class Published(Struct, frozen=True):
    """A URL that this process has put in place, so that it can take away its own and no other."""

    folder: str
    name: str
    url: str
    inode: int

    def remove(self) -> bool:
        """Remove the file if it is still ours; True if it was."""
        try:
            with _opened(self.folder) as folder:
                found = os.stat(_file(self.name), dir_fd=folder, follow_symlinks=False)
                # The inode alone may be a new file's; the text alone a successor's on the same port.
                if found.st_ino != self.inode or _read(folder, self.name) != self.url:
                    return False
                os.unlink(_file(self.name), dir_fd=folder)
        except FileNotFoundError:
            return False
        return True


def publish(folder: StrPath, name: str, url: str) -> Published:
    """Write `url` for clients of the service `name`, replacing what was there.

    PermissionError if others could change the folder; OSError if it cannot be written.
    """
    with _opened(folder) as fd:
        temporary = f".{_checked(name)}.{os.urandom(8).hex()}"
        # 0600 whatever the umask, before there is anything to read
        out = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=fd)
        try:
            with open(out, "wb") as file:
                file.write(url.encode() + b"\n")
                inode = os.fstat(out).st_ino
            os.rename(temporary, _file(name), src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=fd)
            raise
    return Published(os.fspath(folder), name, url, inode)


def read(folder: StrPath, name: str) -> str | None:
    """Return the URL that was published for `name`, or None.

    PermissionError if somebody else wrote it, or could have.
    """
    try:
        with _opened(folder) as fd:
            return _read(fd, name)
    except FileNotFoundError:
        return None


class StartLock:
    """Held by a running service, so that two starts at once end in one service.

    The kernel frees it when its holder dies, however it dies. An orderly end
    removes the file too; so whoever has locked a file looks whether it is still
    the one of that name.
    """

    __slots__ = ("_fd", "_folder", "_name")

    def __init__(self, folder: StrPath, name: str) -> None:
        self._folder = folder
        self._name = f".{_checked(name)}.lock"
        self._fd = -1

    def acquire(self) -> bool:
        """Take the lock; False at once if another process holds it (it runs the same service)."""
        while self._fd < 0:
            with _opened(self._folder) as folder:
                fd = os.open(self._name, os.O_RDWR | os.O_CREAT | _OPEN, 0o600, dir_fd=folder)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found = os.stat(self._name, dir_fd=folder, follow_symlinks=False)
                    if os.path.samestat(found, os.fstat(fd)):
                        self._fd = fd
                        continue
                except BlockingIOError:
                    os.close(fd)
                    return False
                except FileNotFoundError:
                    pass
                os.close(fd)  # its holder removed it meanwhile: the next file is the lock
        return True

    def wait(self) -> None:
        """Wait until the process that holds it has ended, and take it."""
        while not self.acquire():
            with suppress(FileNotFoundError), _opened(self._folder) as folder:
                fd = os.open(self._name, os.O_RDWR | _OPEN, dir_fd=folder)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX)
                finally:
                    os.close(fd)

    def release(self) -> None:
        """Let the next one start; nothing if it is not held."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        with suppress(OSError), _opened(self._folder) as folder:
            os.unlink(self._name, dir_fd=folder)
        os.close(fd)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


@contextmanager
def _opened(folder: StrPath) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    try:
        _refuse_strangers(os.fstat(fd), os.fspath(folder))
        yield fd
    finally:
        os.close(fd)


def _read(folder: int, name: str) -> str:
    # O_NONBLOCK: a FIFO of that name must not make us wait
    fd = os.open(_file(name), os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=folder)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        _refuse_strangers(found, _file(name))
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError(f"cannot trust {_file(name)}: it is not a plain file; remove it")
        return file.read(MAX_URL).decode("utf-8", "replace").strip()


def _refuse_strangers(found: os.stat_result, what: str) -> None:
    if found.st_uid not in {os.geteuid(), 0}:
        raise PermissionError(f"cannot trust {what}: it belongs to uid {found.st_uid}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"cannot trust {what}: others may write to it (mode {found.st_mode & 0o7777:o}); chmod go-w it"
        )


def _file(name: str) -> str:
    return f"{_checked(name)}.url"


def _checked(name: str) -> str:
    if not name or "/" in name or "\0" in name or name.startswith("."):
        raise ValueError(f"cannot use {name!r} as the name of a service's files")
    return name
