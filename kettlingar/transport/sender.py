"""The writing half of a stream: straight to the socket while that takes it, a queue when not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from .fdpass import MAX_FDS, Bytes, check_message, close_all, copies, fits, rights
from .sendqueue import MAX_BUFFERS, SendQueue

JOIN_BELOW = 16 * 1024  # bytes: copying these costs less than a vector of buffers
HIGH_WATER = 256 * 1024  # bytes


def without_frames(error: OSError) -> OSError:
    """Return the error without what led to it: frames that hold us, and a request with its files.

    Kept on a stream they would be a cycle, and open files would stay so until it is collected.
    """
    error.__context__ = None
    return error.with_traceback(None)


class ReaderGoneError(ConnectionError):
    """What was written cannot arrive: nobody's fault here."""


class Sender:
    """Writes to a stream socket, which it makes non-blocking; `stream.SocketStream` adds reading and the end.

    Nothing here calls back from inside `write`: the two hooks below are called
    by the loop, or decide only what the loop does next.
    """

    __slots__ = (
        "_error",
        "_fd",
        "_finished",
        "_idle",
        "_loop",
        "_queue",
        "_send",
        "_sock",
        "_waiters",
        "high_water",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        if sock.gettimeout() != 0:
            sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._send = sock.send
        self._queue = SendQueue()
        self._idle = True  # nothing waits and nothing is wrong: write straight to the socket
        self._finished = False  # what waits still goes, nothing more is taken
        self._error: OSError | None = None  # why something that was written cannot arrive
        self._waiters: list[asyncio.Future[None]] = []
        self.high_water = HIGH_WATER  # bytes; `drained` waits until a quarter of it is left

    # --- hooks ---

    def _all_sent(self) -> None:
        """The last waiting byte went after `_finish_sending`."""
        raise NotImplementedError

    def _sending_broke(self, error: OSError) -> None:
        """The socket takes no more; nothing waits any longer."""
        raise NotImplementedError

    # --- for everybody ---

    @property
    def buffered(self) -> int:
        """How many bytes wait to be sent."""
        return self._queue.size

    def write(self, data: Bytes, fds: Sequence[int] = ()) -> bool:
        """Send at once what the socket takes, and the rest when it can. False: there is a rest.

        `fds` travel with the first byte; they are owned here from now on, and
        closed once sent. ValueError if they are more than 253, or without data.
        On a stream that is closing or broken the data is dropped, and
        `drained` says so.
        """
        if not self._idle or (fds and not fits(data, fds)):
            self._write_queued(data, fds)
            return not self._queue
        try:
            sent = self._sock.sendmsg((data,), rights(fds)) if fds else self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            close_all(fds)
            self._broken(error)
            return True
        if fds and sent:
            close_all(fds)
            fds = ()
        if sent == len(data):
            return True
        self._queue.add(data, fds, skip=sent)
        self._wait()
        return False

    def lend(self, data: Bytes, fds: Sequence[int]) -> None:
        """Send as `write` does, with one descriptor or more that stay the caller's.

        Only where they must wait copies are made: OSError if there can be none.
        """
        if not self._idle or not data or len(fds) > MAX_FDS:
            self.write(data, copies(fds))
            return
        try:
            sent = self._sock.sendmsg((data,), rights(fds))
        except BlockingIOError:
            self.write(data, copies(fds))
        except OSError as error:
            self._broken(error)
        else:
            if sent < len(data):
                self.write(memoryview(data)[sent:])

    def writelines(self, buffers: Sequence[Bytes]) -> None:
        """Send many pieces as one."""
        total = sum(map(len, buffers))
        if total < JOIN_BELOW or len(buffers) > MAX_BUFFERS or not self._idle:
            self.write(b"".join(buffers))
            return
        for data in buffers:
            self._queue.add(data)
        self._flush_or_wait()

    async def drained(self) -> None:
        """Return when at most a quarter of `high_water` waits to be sent.

        ConnectionError if something that was written cannot arrive any more.
        """
        if self._error is None and self._queue.size > self.high_water // 4:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        if self._error is not None:
            raise ReaderGoneError(f"cannot send: {self._error}") from self._error

    # --- for the other half ---

    def _finish_sending(self) -> None:
        """Take nothing more; `_all_sent` follows, at once if nothing waits."""
        self._idle = False
        self._finished = True
        if not self._queue:
            self._all_sent()

    def _stop_sending(self, error: OSError | None = None) -> None:
        """Drop what waits; `error` is then why it will not arrive."""
        self._idle = False
        self._finished = True
        if self._queue:
            self._error = self._error or error
            self._loop.remove_writer(self._fd)
            self._queue.clear()
        self._wake()

    # --- within ---

    def _write_queued(self, data: Bytes, fds: Sequence[int]) -> None:
        """With descriptors, or behind others, or too late."""
        if self._error or self._finished:
            close_all(fds)
            self._error = self._error or ConnectionAbortedError("the stream was closed before this")
            return
        try:
            check_message(data, fds)
        except ValueError:
            close_all(fds)
            raise
        first = not self._queue
        self._queue.add(data, fds)
        if first:
            self._flush_or_wait()

    def _flush_or_wait(self) -> None:
        self._flush()
        if self._queue:
            self._wait()

    def _wait(self) -> None:
        self._idle = False
        self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        self._flush()
        if self._queue or self._fd < 0:
            return
        self._loop.remove_writer(self._fd)
        if self._finished:
            self._all_sent()
        else:
            self._idle = self._error is None

    def _flush(self) -> None:
        """Send what waits until the socket is full."""
        while self._queue:
            buffers, fds = self._queue.head()
            try:
                sent = self._sock.sendmsg(buffers, rights(fds))
            except BlockingIOError:
                break
            except OSError as error:
                self._broken(error)
                return
            self._queue.sent(sent)
        if self._waiters and self._queue.size <= self.high_water // 4:
            self._wake()

    def _broken(self, error: OSError) -> None:
        self._error = self._error or without_frames(error)
        self._idle = False
        if self._queue:
            self._loop.remove_writer(self._fd)
            self._queue.clear()
        self._wake()
        self._sending_broke(error)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
