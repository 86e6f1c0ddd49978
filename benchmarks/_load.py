"""A client that keeps many HTTP requests in flight: one thread, plain sockets, epoll."""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Outcome:
    """What became of the requests."""

    statuses: Counter = field(default_factory=Counter)  # status -> how many; 0 = broken
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 200)

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds


class _Slot:
    """One request at a time; with keep-alive all of them, or `each`, on one connection."""

    def __init__(self, run):
        self.run = run
        self.left = run.each
        self.sock = None
        self.data = b""

    def begin(self):
        if self.sock is None:
            self.sock = socket.create_connection(self.run.address)
            self.sock.setblocking(False)
            self.run.poll.register(self.sock, select.EPOLLIN)
            self.run.slots[self.sock.fileno()] = self
        self.data = b""
        self.sock.send(self.run.request)

    def readable(self):
        """True when the answer is whole, or will never be."""
        try:
            more = self.sock.recv(65536)
        except ConnectionError:
            more = b""
        self.data += more
        head, found, body = self.data.partition(b"\r\n\r\n")
        whole = found and len(body) >= int(_LENGTH.search(head)[1])
        if self.run.keep_alive and whole:
            return self._done(head)
        if not more:
            self.close()
            return self._done(head if whole else b"HTTP/1.1 0")
        return False

    def _done(self, head):
        self.left -= 1
        if not self.left:
            self.close()
            self.left = self.run.each
        self.run.outcome.statuses[int(head.split(b" ")[1])] += 1
        return True

    def close(self):
        if self.sock is not None:
            self.run.poll.unregister(self.sock)
            del self.run.slots[self.sock.fileno()]
            self.sock.close()
            self.sock = None


class Load:
    """`count` GETs of `path`, `in_flight` at a time, and `each` on a connection (0: any number)."""

    def __init__(self, port, path, *, count=2000, in_flight=32, keep_alive=True, each=0):
        self.address = ("127.0.0.1", port)
        self.each = each
        self.keep_alive = keep_alive
        self.left = count
        self.in_flight = in_flight
        last = "" if keep_alive else "Connection: close\r\n"
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode()
        self.poll = select.epoll()
        self.slots: dict[int, _Slot] = {}
        self.outcome = Outcome()

    def run(self, within=60.0) -> Outcome:
        began = time.perf_counter()
        all_slots = [_Slot(self) for _ in range(self.in_flight)]
        waiting = sum(self._next(slot) for slot in all_slots)
        while waiting:
            events = self.poll.poll(within)
            assert events, f"no answer for {within} s, {waiting} requests wait"
            for fd, _ in events:
                slot = self.slots[fd]
                if slot.readable() and not self._next(slot):
                    waiting -= 1
        self.outcome.seconds = time.perf_counter() - began
        for slot in all_slots:
            slot.close()
        self.poll.close()
        return self.outcome

    def _next(self, slot) -> bool:
        if not self.left:
            return False
        self.left -= 1
        slot.begin()
        return True
