"""The figures of what may happen to workers under load (`make chaos`: 100 times each)."""

import os
import signal
import time

import pytest

from tests.faults.clients import DEFINITION, KITTEN, Clients, compare, words
from tests.helpers import alive, wait_for

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
ROUNDS = 100
pytestmark = pytest.mark.skipif(not LONG, reason="minutes of load: KETTLINGAR_LONG=1, make chaos")


@pytest.fixture
def journal(supervisor, service_module):
    """A supervisor with the service that writes down what it does, and where."""
    folder = service_module("journal", KITTEN)
    one = supervisor({"journal": DEFINITION})
    one.ready("journal")
    return one, folder / "journal"


def some_answers(book, count=20):
    wanted = book.ok + count
    wait_for(lambda: book.ok >= wanted, within=20, what="answers")


def report(what, book, compared):
    print(
        f"\n{what}, {book.rate():.0f} requests/s: on new connections "
        f"{words(book.outcomes(reused=False).items())}; on kept ones "
        f"{words(book.outcomes(reused=True).items())}; done twice {compared.doubled}, worst "
        f"{book.worst() * 1000:.0f} ms, p99 {book.percentile(99) * 1000:.0f} ms"
    )


@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_rolling_restarts_are_not_noticed_on_new_and_kept_connections(journal):
    one, path = journal
    with Clients(one.port, kept=5, fresh=5) as book:
        for _ in range(ROUNDS):
            before = one.pids("journal")
            one.ctl("restart", "journal")
            assert not set(before) & set(one.pids("journal"))
            some_answers(book)
    compared = compare(book, path)
    report(f"{ROUNDS} rolling restarts", book, compared)
    assert book.outcomes(reused=False).keys() | book.outcomes(reused=True).keys() == {"ok"}
    assert (compared.doubled, compared.unasked, compared.undone) == (0, 0, 0)


@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_kill_9_of_a_worker_loses_no_request_of_a_new_connection(journal):
    one, path = journal
    with Clients(one.port, kept=0, fresh=8) as book:
        for _ in range(ROUNDS):
            [victim, _other] = one.ready("journal")
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda pid=victim: not alive(pid))
            some_answers(book)
    compared = compare(book, path)
    report(f"{ROUNDS} x kill -9 of a worker", book, compared)
    assert book.outcomes(reused=False).keys() <= {"ok", "503"}, "a 503 that arrives, or an answer"
    assert (compared.doubled, compared.unasked, compared.undone) == (0, 0, 0)


@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_scaling_up_and_down_is_not_noticed(journal):
    one, path = journal
    with Clients(one.port, kept=4, fresh=4) as book:
        for number in range(ROUNDS):
            one.ctl("scale", f"journal={1 + number % 4}")
            time.sleep(0.01)
            some_answers(book)
    compared = compare(book, path)
    report(f"{ROUNDS} x scale between 1 and 4", book, compared)
    assert book.outcomes(reused=False).keys() | book.outcomes(reused=True).keys() == {"ok"}
    assert compared.doubled == 0
