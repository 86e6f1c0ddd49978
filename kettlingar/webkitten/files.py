"""Static files: opened below a folder and nowhere else, sent in parts."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from errno import EMFILE, ENFILE
from pathlib import Path
from typing import BinaryIO

from kettlingar.errors import NotFound
from kettlingar.request import HttpResult

from .ranges import Part, file_tag, has_tag, part_of
from .routes import plain_parts

CHUNK = 64 * 1024  # what is read on the loop; the rest is read by a thread
_DEEPER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# The table of Python itself: the same answer on every machine.
_TYPES = mimetypes.MimeTypes()


@dataclass(slots=True)
class OpenFile:
    """A file that may be sent; whoever has it closes it."""

    file: BinaryIO
    size: int
    tag: str
    mimetype: str


def open_below(folders: Iterable[Path], path: str) -> OpenFile:
    """Open `path`, decoded, in the first of the folders that has it.

    Symbolic links are not followed, and names that begin with a dot are not there: what
    is sent lies in the folder itself. NotFound for everything else.
    """
    parts = plain_parts(path.strip("/").split("/"))
    if parts and not any(part.startswith(".") for part in parts):
        for folder in folders:
            with suppress(FileNotFoundError):
                return _open(folder, parts)
    raise NotFound("there is no such file")


def _open(folder: Path, parts: list[str]) -> OpenFile:
    try:
        fd = _descend(folder, parts)
    except (OSError, ValueError) as problem:
        if isinstance(problem, OSError) and problem.errno in {EMFILE, ENFILE}:
            raise
        raise FileNotFoundError(parts[-1]) from problem
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise FileNotFoundError(parts[-1])
    return OpenFile(
        open(fd, "rb"),
        found.st_size,
        file_tag(found.st_mtime_ns, found.st_size, found.st_ino),
        mimetype_of(parts[-1]),
    )


def _descend(folder: Path, parts: list[str]) -> int:
    """Open one name after the other, each in the folder before it: no link can be slipped in."""
    at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _DEEPER, dir_fd=at)
            os.close(at)
            at = deeper
        return os.open(parts[-1], _FILE, dir_fd=at)
    finally:
        os.close(at)


def mimetype_of(name: str) -> str:
    """Return a file's MIME type by its name."""
    guessed, packed = _TYPES.guess_type(name)
    if packed or not guessed:
        return "application/gzip" if packed == "gzip" else "application/octet-stream"
    return guessed + "; charset=utf-8" if guessed.startswith("text/") else guessed


async def sent(
    opened: OpenFile, method: str, headers: Mapping[str, str]
) -> AsyncGenerator[object, None]:
    """Give the head of an answer, then the file or the part of it that is wanted; close it."""
    with opened.file as file:
        answer = {"ETag": opened.tag, "X-Content-Type-Options": "nosniff"}
        browser = method in {"GET", "HEAD"}  # the others are clients, who want all of it
        if browser and has_tag(headers.get("if-none-match", ""), opened.tag):
            yield HttpResult(None, None, http_code=304, headers=answer)
            return
        part = part_of(opened.size, _range(opened, headers) if method == "GET" else "")
        if browser:
            answer |= {"Accept-Ranges": "bytes", "Content-Length": str(part.length)}
        yield HttpResult(opened.mimetype, b"", http_code=part.status, headers=answer | part.headers)
        if method != "HEAD":
            async for data in _pieces(file, part):
                yield data


def _range(opened: OpenFile, headers: Mapping[str, str]) -> str:
    """A range of another version than the caller's is of no use (RFC 9110, 13.1.5)."""
    wanted = headers.get("if-range")
    return "" if wanted is not None and wanted.strip() != opened.tag else headers.get("range", "")


async def _pieces(file: BinaryIO, part: Part) -> AsyncIterator[bytes]:
    file.seek(part.start)
    left = part.length
    while left:
        wanted = min(left, CHUNK)
        # A file of one piece is not worth a thread; a long one shall not hold up the loop.
        one = part.length <= CHUNK
        data = file.read(wanted) if one else await asyncio.to_thread(file.read, wanted)
        if not data:
            raise OSError("the file became shorter while it was sent")
        left -= len(data)
        yield data
