"""Where a service keeps its state and data, and folders that nobody else can look into."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def state_dir(app: str) -> Path:
    """The user's folder for what an application must remember while it runs."""
    from platformdirs import user_state_path

    return user_state_path(app, appauthor=False)


def data_dir(app: str) -> Path:
    """The user's folder for an application's data and its settings."""
    from platformdirs import user_data_path

    return user_data_path(app, appauthor=False)


def make_private_dir(path: Path | str) -> Path:
    """Make a folder 0700 and its parents, or check that it is one; return it.

    Raises PermissionError if somebody else owns it or can write to it, or it is a symbolic
    link; NotADirectoryError if it is something else. An own folder that is too open is closed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except OSError as problem:
        if path.is_symlink():
            raise PermissionError(
                f"cannot use {path}: it is a symbolic link; name the folder itself"
            ) from problem
        raise
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise PermissionError(
                f"cannot use {path}: it belongs to uid {found.st_uid}, not to uid {os.geteuid()};"
                " remove it or choose another"
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            os.fchmod(fd, 0o700)
    finally:
        os.close(fd)
    return path
