"""Open files as arguments and results: descriptors travel over the unix socket, contents don't.

    python3 -m examples.filecat start
    python3 -m examples.filecat show "$PWD/README.md"

From Python:

    kitty = await FileCat().connect()
    async for part in kitty.cat(open("README.md", "rb")):    # a descriptor goes there
        print(part["data"])
    (file,) = await kitty.borrow("/etc/hosts")               # and one comes back
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

from kettlingar import BadRequest, HttpResult, NotFound, RequestInfo, RPCKitten

BLOCK = 64 * 1024  # bytes read at a time


class FileCat(RPCKitten):
    """filecat - reads files that others have opened, and opens files for others"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "filecat"

    async def api_cat(self, _request: RequestInfo, file: Any) -> AsyncIterator[HttpResult | bytes]:
        """Send the contents of a file that the caller has open.

        The service needs no right to open it: the descriptor is the right.
        """
        yield HttpResult("application/octet-stream", b"")
        with _readable(file) as readable:
            while block := await _read(readable):
                yield block

    async def api_count(self, _request: RequestInfo, file: Any) -> dict[str, int | str]:
        """Count the lines, words and bytes of a file that the caller has open."""
        lines = words = size = 0
        in_word = False
        with _readable(file) as readable:
            while block := await _read(readable):
                lines += block.count(b"\n")
                size += len(block)
                words += len(block.split()) - (in_word and not block[:1].isspace())
                in_word = not block[-1:].isspace()
        shown = "%(lines)d lines, %(words)d words, %(bytes)d bytes"
        return {"lines": lines, "words": words, "bytes": size, "_format": shown}

    async def api_borrow(self, _request: RequestInfo, path: Path) -> Any:
        """Open a file here, and hand the open file to the caller."""
        return self.fds_result(_open(path))

    async def api_show(self, _request: RequestInfo, path: Path) -> HttpResult:
        """The text of a file, for callers that have a path and no descriptor."""
        with _open(path) as file:
            content = await asyncio.to_thread(file.read)
        return HttpResult("text/plain", content.decode(errors="replace"))


def _open(path: Path) -> BinaryIO:
    if not path.is_absolute():
        raise BadRequest(
            f"cannot open {path}: not an absolute path; the service has its own folder"
        )
    try:
        return path.open("rb")
    except OSError as error:
        raise NotFound(f"cannot open {path}: {error.strerror}") from error


def _readable(file: Any) -> BinaryIO:
    """The binary file beneath what was sent: text files have one inside."""
    file = getattr(file, "buffer", file)
    if not hasattr(file, "read"):
        raise BadRequest(f"cannot read {file!r}: not an open file; send one over the unix socket")
    readable: BinaryIO = file
    return readable


async def _read(file: BinaryIO) -> bytes:
    """Read a block in a thread: a slow disk must not stop the loop."""
    return await asyncio.to_thread(file.read, BLOCK)


if __name__ == "__main__":
    FileCat.Main()
