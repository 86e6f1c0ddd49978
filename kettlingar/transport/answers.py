"""The writing half of a server's connection: answers go out, and their reader must keep up."""

from __future__ import annotations

from collections.abc import Sequence

from .duplex import Stream
from .timers import Timers


class Answers:
    """Writes to a stream for as long as its reader takes something; `connection.Connection` reads."""

    __slots__ = ("_answered", "_behind", "_closed", "_progress", "_timers", "stream", "written")

    def __init__(self, stream: Stream, timers: Timers) -> None:
        self.stream = stream
        self.written = 0  # bytes handed to the stream
        self._timers = timers
        self._progress = 0  # bytes that the reader had taken when `send` was last looked at
        self._answered = False
        self._behind = False  # bytes waited for the reader, when some were last sent
        self._closed = False

    # --- hooks ---

    def _first_byte(self) -> None:
        """The first byte of the first answer goes out."""
        raise NotImplementedError

    def abort(self) -> None:
        """End it at once."""
        raise NotImplementedError

    # --- for everybody ---

    def send(self, data: bytes | bytearray, fds: Sequence[int] = ()) -> None:
        """Write; `fds` travel with the first byte and belong to the stream from now on."""
        if not self._answered:
            self.answering()
        self.written += len(data)
        self._behind = False
        if not self.stream.write(data, fds):
            self._fell_behind()

    def _fell_behind(self) -> None:
        """Not all of what was written is on its way: its reader has some time for it."""
        self._behind = True
        if not self._closed and self not in self._timers.send:
            # Not started anew by each write: some go on writing for a reader that is gone.
            self._progress = self.written - self.stream.buffered
            self._timers.send.add(self)

    def answering(self) -> None:
        """Tell the server that the first byte of the first answer goes out; once."""
        if not self._answered:
            self._answered = True
            self._first_byte()

    async def drained(self) -> None:
        """Wait until the reader has taken enough; ConnectionError if it is gone."""
        await self.stream.drained()

    def stuck(self) -> None:
        """Look whether the reader has taken anything since last time."""
        taken = self.written - self.stream.buffered
        if not self.stream.buffered:
            return
        if taken == self._progress:
            self.abort()
        else:
            self._progress = taken
            self._timers.send.add(self)
