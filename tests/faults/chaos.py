"""Does to a supervisor and its workers, in an order that a seed fixes, what may happen to them.

Everything happens under load of new and of kept connections; afterwards the clients' book
is compared with the service's journal, and processes and descriptors with those of before.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.clients import Book, Clients, Compared, compare, words
from tests.helpers import alive, command_of, descendants, descriptors, wait_for
from tests.supervision import Supervisor

SERVICE = "journal"
ANSWERS = 10  # that must come after each fault before the next one
INSTANCES = 2  # at the beginning and at the end
MORE = 4  # descriptors: a zygote is there from time to time


@dataclass
class Chaos:
    """One run of it."""

    one: Supervisor
    journal: Path
    random: Random
    done: list[tuple[float, str]] = field(default_factory=list)  # when each fault began
    orphans: int = 0
    open: list[str] = field(default_factory=list)  # what the supervisor had open at the end

    def run(self, rounds: int) -> Result:
        """`rounds` faults, each followed by some answers."""
        before = self._quiet()
        faults = [*FAULTS]
        weights = [FAULTS[fault] for fault in faults]
        with Clients(self.one.port) as book:
            wait_for(lambda: book.ok > ANSWERS, within=20, what="answers")
            for _ in range(rounds):
                fault = self.random.choices(faults, weights)[0]
                self.done.append((time.monotonic(), fault.__name__.strip("_")))
                fault(self)
                self._answers(book)
            self.one.ctl("scale", f"{SERVICE}={INSTANCES}")
        after = self._quiet()
        return Result(self.done, book, compare(book, self.journal), before, after, self.orphans)

    def _answers(self, book: Book) -> None:
        wanted = book.ok + ANSWERS
        wait_for(lambda: book.ok >= wanted, within=30, what="answers after a fault")
        time.sleep(self.random.uniform(0, 0.05))  # the next one at any moment

    def _quiet(self) -> tuple[int, int]:
        """Processes and the supervisor's descriptors, when all has been done."""
        one = self.one
        one.ready(SERVICE)
        wait_for(lambda: one.status(SERVICE)["in_flight"] == 0, within=20, what="nothing in flight")
        try:
            wait_for(lambda: len(self._family()) == INSTANCES + 1, 40, "all others gone")
        except AssertionError:
            self._end_orphans()
        usual = len(self.open) + MORE if self.open else sys.maxsize
        with suppress(AssertionError):  # a refused client is waited for, some seconds
            wait_for(lambda: len(descriptors(one.pid)) <= usual, 5)
        self.open = sorted(descriptors(one.pid).values())
        return len(self._family()), len(self.open)

    def _end_orphans(self) -> None:
        """Workers that their supervisor does not know: counted, and told to end."""
        runs = self.one.status(SERVICE)["instances"]
        strangers = self._family() - {*(run["pid"] for run in runs), self.one.pid}
        for pid in strangers:
            print(f"nobody knows pid {pid}: {command_of(pid)}\n{self.one.output()}")
        self.orphans += len(strangers)
        for pid in strangers:
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not any(map(alive, strangers)), 30, "orphans gone")

    def _family(self) -> set[int]:
        """Workers (adopted ones are no descendants), and the zygote that is there from time to time."""
        return {*self.one._processes()} - {*self._zygotes()}

    def _zygotes(self) -> set[int]:
        workers = set(self.one.pids(SERVICE))
        return set(descendants(self.one.pid)) - workers

    # --- faults ---

    def _kill_worker(self) -> None:
        pids = self.one.pids(SERVICE)
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(pids), signal.SIGKILL)

    def _kill_all_workers(self) -> None:
        for pid in self.one.pids(SERVICE):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _crash_supervisor(self) -> None:
        self.one.crash()
        time.sleep(self.random.uniform(0, 0.3))
        self.one.start()

    def _restart(self) -> None:
        self.one.ctl("restart", SERVICE)

    def _scale(self) -> None:
        self.one.ctl("scale", f"{SERVICE}={self.random.randint(1, 4)}")

    def _upgrade(self) -> None:
        self.one.ctl("daemon", "upgrade")


FAULTS: dict[Callable[[Chaos], None], int] = {
    Chaos._kill_worker: 5,
    Chaos._kill_all_workers: 1,
    Chaos._crash_supervisor: 3,
    Chaos._restart: 4,
    Chaos._scale: 4,
    Chaos._upgrade: 2,
}


@dataclass(frozen=True)
class Result:
    """What it came to."""

    times: list[tuple[float, str]]
    book: Book
    compared: Compared
    before: tuple[int, int]
    after: tuple[int, int]
    orphans: int

    @property
    def done(self) -> Counter[str]:
        return Counter(name for _, name in self.times)

    def lost(self) -> Counter[str]:
        """Requests on new connections that had no answer."""
        return Counter(one.outcome for one in self.book.unanswered(reused=False))

    def ended(self) -> Counter[str]:
        """Kept connections that ended before an answer, by the fault before that."""
        return Counter(
            self._fault_before(one.began + one.seconds) for one in self.book.unanswered(reused=True)
        )

    def _fault_before(self, at: float) -> str:
        return max(((when, name) for when, name in self.times if when <= at), default=(0, "none"))[
            1
        ]

    def table(self) -> str:
        book, compared = self.book, self.compared
        rows = {
            "faults": words(self.done.items()),
            "requests": f"{len(book.asked)}, {book.rate():.0f} a second",
            "on new connections": words(book.outcomes(reused=False).items()),
            "on kept connections": words(book.outcomes(reused=True).items()),
            "lost": words(self.lost().items()),
            "kept ones that ended": words(self.ended().items()),
            "not answered, but done": str(compared.ran),
            "done twice": str(compared.doubled),
            "answered, not done": str(compared.undone),
            "done, not asked for": str(compared.unasked),
            "worst, p99": f"{book.worst() * 1000:.0f} ms, {book.percentile(99) * 1000:.0f} ms",
            "orphans": str(self.orphans),
            "processes, descriptors": f"{self.before} before, {self.after} after",
        }
        return "\n".join(f"{name:<24}{value}" for name, value in rows.items())
