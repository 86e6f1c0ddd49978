"""Clients that write down what became of each request, and a service that writes down what it did.

Both by the request's own id: compared, they say what was lost and what was done twice.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# Seconds between two requests of one client.
PAUSE = 0.006 if os.environ.get("KETTLINGAR_LONG") else 0.02
LATE = 20.0  # seconds after which nobody waits any more

KITTEN = """
    import asyncio, os
    from kettlingar import RPCKitten

    class Journal(RPCKitten):
        async def init_servers(self, servers):
            self.journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            return servers

        async def public_api_do(self, _request, id: str = "", wait: int = 0):
            os.write(self.journal, f"{id}\\n".encode())
            await asyncio.sleep(wait / 1000)
            return "text/plain", f"{os.getpid()} {id}"
"""
DEFINITION = """
    [service]
    kitten = "journal:Journal"
    python_path = ["{src}"]
    listen = ["127.0.0.1:{port}"]
    restart_delay = "20ms"
    restart_max_delay = "100ms"
    start_limit_burst = 100000
    [update]
    monitor = 0
    [pool]
    instances = 2
    [environment]
    JOURNAL = "{src}/journal"
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its end."""

    id: str
    outcome: str  # ok, 503, refused, reset, closed (no byte of an answer), cut, late, wrong
    reused: bool  # on a connection that had an answer before
    began: float
    seconds: float


@dataclass
class Book:
    """All requests of all clients."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def ok(self) -> int:
        return sum(one.outcome == "ok" for one in list(self.asked))

    def outcomes(self, *, reused: bool) -> Counter[str]:
        return Counter(one.outcome for one in self.asked if one.reused is reused)

    def worst(self) -> float:
        return max((one.seconds for one in self.asked), default=0.0)

    def percentile(self, percent: float) -> float:
        return sorted(one.seconds for one in self.asked)[int(len(self.asked) * percent / 100)]

    def rate(self) -> float:
        """Requests in a second."""
        first = min(one.began for one in self.asked)
        return len(self.asked) / (max(one.began + one.seconds for one in self.asked) - first)

    def unanswered(self, *, reused: bool) -> list[Asked]:
        return [
            one for one in self.asked if one.reused is reused and one.outcome not in {"ok", "503"}
        ]


@dataclass(frozen=True, slots=True)
class Compared:
    """The book of the clients beside the journal of the service."""

    doubled: int  # done more than once
    unasked: int  # done, and never asked for
    undone: int  # answered with 200, and never done
    ran: int  # not answered, but done


def compare(book: Book, journal: Path) -> Compared:
    """By id."""
    done = Counter(journal.read_text().split())
    asked = {one.id: one for one in book.asked}
    return Compared(
        doubled=sum(count > 1 for count in done.values()),
        unasked=len(done.keys() - asked.keys()),
        undone=sum(one.outcome == "ok" and one.id not in done for one in book.asked),
        ran=sum(one.outcome not in {"ok", "503"} and one.id in done for one in book.asked),
    )


class Clients:
    """`with Clients(port) as book:` requests go on until the block ends."""

    def __init__(self, port: int, *, kept: int = 4, fresh: int = 4, pause: float = PAUSE) -> None:
        self._port, self._pause = port, pause
        self._stop = threading.Event()
        self.book = Book()
        self._threads = [
            threading.Thread(target=self._run, args=(number, number < kept))
            for number in range(kept + fresh)
        ]

    def __enter__(self) -> Book:
        for thread in self._threads:
            thread.start()
        return self.book

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        number = 0
        while not self._stop.wait(self._pause):
            number += 1
            reused = connection is not None
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LATE)
            began = time.monotonic()
            name = f"{client}-{number}"
            path = f"/do?id={name}&wait={number % 8}"
            outcome, stays = _ask(connection, name, path, keep)
            seconds = time.monotonic() - began
            self.book.asked.append(Asked(name, outcome, reused, began, seconds))
            if not stays:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def _ask(
    connection: http.client.HTTPConnection, name: str, path: str, keep: bool
) -> tuple[str, bool]:
    """What became of it, and whether the connection can be used again."""
    try:
        connection.request("GET", path, headers={} if keep else {"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    except http.client.RemoteDisconnected:
        return "closed", False
    except ConnectionRefusedError:
        return "refused", False
    except ConnectionError:
        return "reset", False
    except TimeoutError:
        return "late", False
    except (http.client.HTTPException, OSError):
        return "cut", False
    if answer.status != 200:
        return str(answer.status), False
    right = body.split()[1:] == [name.encode()]
    return "ok" if right else "wrong", keep and not answer.will_close


def words(outcomes: Iterable[tuple[str, int]]) -> str:
    """`ok 512, 503 2`."""
    return ", ".join(f"{name} {count}" for name, count in sorted(outcomes)) or "none"
