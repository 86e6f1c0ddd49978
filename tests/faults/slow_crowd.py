"""A thousand slow heads, bodies and readers as a program of its own: each drips, or reads nothing.

    python -m tests.faults.slow_crowd HOST PORT MANY KIND ...
    -> ready            a line on its standard input lets it begin
    <- {"head": {"closed": 1000, "least": 2.98, "most": 3.31, "told": 1000}, ...}

What it does is spread evenly over time, as it would be for clients that know nothing of each other.
"""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

OPENING = (
    2.5  # seconds in which all of them come: less than a deadline, so that all are there at once
)
DRIP = 0.5  # seconds between two bytes of one of them
GIVE_UP = 20.0  # seconds after which those that are still open count as such

FIRST = {
    "head": b"GET /seen HTTP/1.1\r\nHost: k\r\nX: ",
    "body": b"POST /seen HTTP/1.1\r\nHost: k\r\nContent-Length: 100000\r\n\r\n{",
    "reader": b"GET /pour HTTP/1.1\r\nHost: k\r\n\r\n",
    "json-reader": b"GET /flood?size=20000 HTTP/1.1\r\nHost: k\r\n\r\n",  # much work for each byte
}


@dataclass
class Kind:
    closed: list[float] = field(default_factory=list)
    told: int = 0  # that the request came too slowly


class Crowd:
    def __init__(self, host: str, port: int, many: int, kinds: list[str]) -> None:
        self._address = host, port
        self._selector = selectors.DefaultSelector()
        self._open: dict[socket.socket, tuple[str, float]] = {}
        now = time.monotonic()
        arrivals = [kind for _ in range(many) for kind in kinds]
        step = OPENING / len(arrivals)
        # (when, number, what): a kind that arrives, or a socket that drips or is looked at
        self._plan: list[tuple[float, int, str | socket.socket]] = [
            (now + number * step, number, kind) for number, kind in enumerate(arrivals)
        ]
        self._number = len(arrivals)
        self._end = now + GIVE_UP
        self.kinds = {kind: Kind() for kind in kinds}

    def run(self) -> None:
        while (self._plan or self._open) and time.monotonic() < self._end:
            pause = self._plan[0][0] - time.monotonic() if self._plan else 0.1
            for key, _ in self._selector.select(max(0.0, pause)):
                self._read(key.fileobj)
            while self._plan and self._plan[0][0] <= time.monotonic():
                _, _, what = heapq.heappop(self._plan)
                if isinstance(what, str):
                    self._arrive(what)
                elif what in self._open:
                    self._go_on(what)
        for sock in list(self._open):
            sock.close()

    def _arrive(self, kind: str) -> None:
        sock = socket.socket()
        if kind.endswith("reader"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(self._address)
        sock.sendall(FIRST[kind])
        sock.setblocking(False)
        self._open[sock] = kind, time.monotonic()
        if not kind.endswith("reader"):  # who reads nothing looks only whether it is over
            self._selector.register(sock, selectors.EVENT_READ)
        self._later(sock)

    def _later(self, sock: socket.socket) -> None:
        self._number += 1
        heapq.heappush(self._plan, (time.monotonic() + DRIP, self._number, sock))

    def _go_on(self, sock: socket.socket) -> None:
        if self._open[sock][0].endswith("reader"):
            established = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1
            if not established:
                self._gone(sock)
                return
        else:
            try:
                sock.send(b" ")
            except OSError:
                self._gone(sock)
                return
        self._later(sock)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if b" 408 " in data:
            self.kinds[self._open[sock][0]].told += 1
        if not data:
            self._selector.unregister(sock)
            self._gone(sock)

    def _gone(self, sock: socket.socket) -> None:
        kind, begun = self._open.pop(sock)
        self.kinds[kind].closed.append(time.monotonic() - begun)
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()


def main(host: str, port: str, many: str, *kinds: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    crowd = Crowd(host, int(port), int(many), list(kinds))
    crowd.run()
    told = {
        name: {
            "closed": len(kind.closed),
            "least": min(kind.closed, default=0.0),
            "most": max(kind.closed, default=0.0),
            "told": kind.told,
        }
        for name, kind in crowd.kinds.items()
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
