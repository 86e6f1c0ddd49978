"""An honest client as a program of its own: one call at a time on a kept connection, each timed.

python -m tests.faults.honest HOST PORT
-> ready; each line on its standard input ends a stretch: <- its latencies in seconds, a list
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

PAUSE = 0.004  # seconds between two calls: of a person's clicks, not of a benchmark's
ASK = b"GET /seen HTTP/1.1\r\nHost: k\r\n\r\n"


def main(host: str, port: str) -> None:
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("ready", flush=True)
        times: list[float] = []
        while True:
            begun = time.perf_counter()
            sock.sendall(ASK)
            assert b" 200 " in sock.recv(1 << 16)
            times.append(time.perf_counter() - begun)
            if select.select([sys.stdin], [], [], PAUSE)[0]:
                if not sys.stdin.readline():
                    return
                print(json.dumps(times), flush=True)
                times = []


if __name__ == "__main__":
    main(*sys.argv[1:])
