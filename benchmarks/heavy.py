"""A service that much goes through: `python -m benchmarks.heavy serve --app-state-dir=DIR`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kettlingar.websocket import WebSocket

from .kitten import Bench

PIECE = b"x" * 64 * 1024


class Heavy(Bench):
    """What the figures of memory and of growth call."""

    async def api_pour(self, _request, count: int) -> AsyncIterator[bytes]:
        """So many bytes, in pieces of 64 KiB at most."""
        for _ in range(count // len(PIECE)):
            yield PIECE
        if count % len(PIECE):
            yield PIECE[: count % len(PIECE)]

    async def api_swallow(self, _request, ws: WebSocket):
        """Whatever comes, until an empty message asks how much that was."""
        total = 0
        async for message in ws:
            total += len(message)
            if not message:
                await ws.send(str(total))


if __name__ == "__main__":
    Heavy.Main()
