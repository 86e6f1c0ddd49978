"""What a process gets of ours to keep: its folder, and copies of files with secrets in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kettlingard.errors import PathError

from .files import opened_folder, read_small
from .spawn import Ids

MAX_CREDENTIAL = 1 << 20  # bytes


def give_folder(path: Path, ids: Ids) -> Path:
    """Make a folder that only this user may enter, or see that it is one.

    Raises PathError if it is a link or somebody else's (ours is handed over), OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with opened_folder(path) as fd:
        found = os.fstat(fd)
        if found.st_uid not in (ids.uid, os.geteuid()):
            raise PathError(
                f"cannot use {path}: it belongs to uid {found.st_uid}, not to uid {ids.uid} "
                f"of the service; do: chown -R {ids.uid}:{ids.gid} {path}"
            )
        os.fchown(fd, ids.uid, ids.gid)
        os.fchmod(fd, 0o700)
    return path


def give_files(folder: Path, files: Mapping[str, str], ids: Ids | None) -> None:
    """Copy files (name -> path) to a new folder that only their reader may enter, as mode 0400.

    Raises PathError or OSError; then nothing of it is left.
    """
    folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    try:
        for name, source in files.items():
            _give(folder / name, read_small(Path(source), MAX_CREDENTIAL), ids)
        if ids is not None:
            os.chown(folder, ids.uid, ids.gid)
    except BaseException:
        take_back(folder)
        raise


def _give(path: Path, data: bytes, ids: Ids | None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        if ids is not None:
            os.fchown(fd, ids.uid, ids.gid)


def take_back(folder: Path) -> None:
    """Remove such a folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
