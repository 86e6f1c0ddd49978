"""Files of the supervisor: written whole or not at all, in folders that are its own; and its lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from kettlingard.errors import AlreadyRunningError, PathError

from .procid import read_stat

PATIENCE = 5.0  # seconds for the lock of somebody who has ended


@contextlib.contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """A descriptor of a folder that is not a symbolic link. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def private_dir(path: Path, mode: int = 0o700) -> Path:
    """Make a folder that only we may write to, or see that it is one; tighten its mode.

    Raises PathError if it is a link, another user's, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=mode)
        with opened_folder(path) as fd:
            _own(path, os.fstat(fd))
            os.fchmod(fd, mode)
    except OSError as why:
        raise _unusable(path, why) from why
    return path


def _own(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise PathError(
            f"cannot use {path}: it belongs to uid {found.st_uid}, not to us (uid {os.geteuid()}); "
            "remove it or choose another folder"
        )


def _unusable(path: Path, why: OSError) -> PathError:
    if why.errno == errno.ELOOP or path.is_symlink():
        return PathError(f"cannot use {path}: it is a symbolic link; make it a folder")
    if why.errno in (errno.ENOTDIR, errno.EEXIST):
        return PathError(f"cannot use {path}: {why.filename or path} is no folder; move it away")
    return PathError(f"cannot use {path}: {os.strerror(why.errno or 0)} ({why.filename or path})")


def write_atomic(
    path: Path,
    data: bytes,
    mode: int = 0o600,
    *,
    durable: bool = True,
    owner: tuple[int, int] | None = None,
) -> None:
    """Replace a file: readers see the old or the new content, if `durable` also after a power failure.

    It has its mode from birth. Raises OSError; the old file then is as it was.
    """
    with opened_folder(path.parent) as folder:
        name = f".{path.name}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, mode, dir_fd=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, mode)  # whatever the umask
                if owner is not None:
                    os.fchown(fd, *owner)
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(fd)
            os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
            raise
        if durable:
            os.fsync(folder)


def read_small(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises PathError if it is larger or no regular file, OSError if it cannot be read.
    """
    # Not blocking: somebody may have put a FIFO there.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise PathError(f"cannot read {path}: it is no regular file")
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(fd)
    if len(data) > limit:
        raise PathError(f"cannot read {path}: it has more than {limit} bytes")
    return data


class Lock:
    """That only one supervisor uses a folder. The kernel lets go of it when we end."""

    def __init__(self, path: Path, fd: int = -1) -> None:
        """Take it at once; `fd` is the descriptor if this process has had it before an exec.

        Raises AlreadyRunningError if somebody else has it, OSError.
        """
        self.path = path
        self._fd = fd if fd >= 0 else _locked(path)
        os.set_inheritable(self._fd, False)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def fileno(self) -> int:
        """The descriptor that holds it, to be kept over an exec."""
        return self._fd

    def release(self) -> None:
        """Remove the file and let go."""
        if self._fd >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def _locked(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    deadline = time.monotonic() + PATIENCE
    while True:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, fd):
                return fd
        except BlockingIOError as why:
            if time.monotonic() < deadline and not _lives(fd):
                os.close(fd)
                time.sleep(0.01)
                continue
            raise _taken(path, fd) from why
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # its owner removed it between our open and our lock: again


def _lives(fd: int) -> bool:
    """Does its holder? A custodian of one that was killed lets go of it in a moment."""
    pid = _holder(fd)
    found = read_stat(pid) if pid else None
    return found is not None and found.state not in "ZX"


def _holder(fd: int) -> int:
    digits = os.pread(fd, 32, 0).decode(errors="replace").strip()
    return int(digits) if digits.isdecimal() else 0


def _taken(path: Path, fd: int) -> AlreadyRunningError:
    pid = _holder(fd)
    os.close(fd)
    who = f"pid {pid}" if pid else "another process"
    return AlreadyRunningError(
        f"cannot use {path.parent}: a kettlingard is running there already ({who} holds {path}); "
        "stop it, or choose another --home",
        pid,
    )


def _is_still(path: Path, fd: int) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))
