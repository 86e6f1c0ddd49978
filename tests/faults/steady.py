"""Steady clients on threads, half of them with keep-alive, that write down what became of each request."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

PAUSE = 0.01  # seconds between two requests of one client


@dataclass
class Ledger:
    """What happened, by name: ok, refused, reset, cut, late, status 503, ..."""

    outcomes: Counter[str] = field(default_factory=Counter)
    answered_by: Counter[int] = field(default_factory=Counter)  # pids
    seconds: list[float] = field(default_factory=list)  # of each that was answered
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ok(self) -> int:
        return self.outcomes["ok"]

    @property
    def worst(self) -> float:
        return max(self.seconds, default=0.0)

    def percentile(self, percent: float) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * percent / 100)]

    def errors(self) -> dict[str, int]:
        return {name: count for name, count in self.outcomes.items() if name != "ok"}

    def note(self, name: str, seconds: float = 0.0, pid: int = 0) -> None:
        with self.lock:
            self.outcomes[name] += 1
            if name == "ok":
                self.seconds.append(seconds)
                self.answered_by[pid] += 1


class Steady:
    """`with Steady(port) as ledger:` requests go on until the block ends."""

    def __init__(self, port: int, *, kept: int = 4, fresh: int = 4, pause: float = PAUSE) -> None:
        self._port, self._pause = port, pause
        self._stop = threading.Event()
        self.ledger = Ledger()
        self._threads = [
            threading.Thread(target=self._run, args=(number < kept,))
            for number in range(kept + fresh)
        ]

    def __enter__(self) -> Ledger:
        for thread in self._threads:
            thread.start()
        return self.ledger

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, keep: bool) -> None:
        client: http.client.HTTPConnection | None = None
        while not self._stop.wait(self._pause):
            if client is None:
                client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            if not self._ask(client, keep) or not keep:
                client.close()
                client = None
        if client is not None:
            client.close()

    def _ask(self, client: http.client.HTTPConnection, keep: bool) -> bool:
        began = time.monotonic()
        try:
            client.request("GET", "/pid", headers={} if keep else {"Connection": "close"})
            answer = client.getresponse()
            body = answer.read()
        except ConnectionRefusedError:
            self.ledger.note("refused")
        except ConnectionResetError:
            self.ledger.note("reset")
        except TimeoutError:
            self.ledger.note("late")
        except (http.client.HTTPException, OSError) as why:
            self.ledger.note(f"cut ({type(why).__name__})")
        else:
            if answer.status != 200:
                self.ledger.note(f"status {answer.status}")
                return False
            with suppress(ValueError):
                self.ledger.note("ok", time.monotonic() - began, int(body))
            return not answer.will_close
        return False
