"""Commands from four clients at once while workers are killed: the last accepted one of each counts.

KETTLINGAR_LONG=1: 500 commands, and their table (40 else).
"""

import faulthandler
import os
from collections import Counter
from contextlib import closing
from statistics import median

import pytest

from kettlingar.sync import connect_control
from tests.faults.walk import walk
from tests.faults.walkbook import KITTEN, Book, first_texts
from tests.helpers import command_of, descendants, descriptors
from tests.helpers import wait_for as until

LONG = bool(os.environ.get("KETTLINGAR_LONG"))
STEPS = int(os.environ.get("KETTLINGAR_WALK_STEPS", "500" if LONG else "40"))
SEED = int(os.environ.get("KETTLINGAR_WALK_SEED", "3"))
PATIENCE = 3.0 if LONG else 0.3
CLIENTS = 4


@pytest.mark.timeout(60 + STEPS)
def test_a_random_walk_ends_where_the_last_commands_say(supervisor, service_module):
    faulthandler.cancel_dump_traceback_later()  # stacks of running threads have ended a long walk
    folder = service_module("walked", KITTEN)
    one = supervisor({name: str(text) for name, text in first_texts().items()})
    book = Book(one)
    with closing(connect_control(one.socket, timeout=30)) as control:
        settle(book, control)
        before = opened(one)
        walk(book, STEPS, CLIENTS, SEED, PATIENCE)
        settle(book, control)
        begin_again(book, control)
        until(lambda: len(opened(one)) <= len(before), 15, "no more descriptors than before")
    print(table(book, before, opened(one)))
    assert book.doubles == []
    log = (one.home / "log" / "kettlingard.log").read_text()
    told = (folder / "lock").read_text()
    assert not told, told + "".join(line for line in log.splitlines(True) if "alone" in line)


@pytest.mark.parametrize("ends", ["by kill -9", "to be the next version"])
@pytest.mark.timeout(120 + STEPS)
def test_a_random_walk_goes_on_when_the_supervisor_ends(supervisor, service_module, ends):
    faulthandler.cancel_dump_traceback_later()
    service_module("walked", KITTEN)
    one = supervisor({name: str(text) for name, text in first_texts().items()})
    book = Book(one)
    for turn in range(2):
        walk(book, STEPS // 2, CLIENTS, SEED + turn, PATIENCE)
        before = generations(one)
        if ends == "by kill -9":
            one.crash()
            one.start()
            book.begins_anew(before, generations(one))
        else:
            one.ctl("daemon", "upgrade")
        with closing(connect_control(one.socket, timeout=30)) as control:
            settle(book, control)


def generations(one):
    with closing(connect_control(one.socket, timeout=30)) as control:
        return {r["name"]: r["generation"] for r in control.call("status")["services"]}


def settle(book, control):
    """All is as the book says, and there is no process that the supervisor does not name."""
    differences = []

    def settled():
        differences[:] = book.differences(control.call("status")["services"])
        return not differences and not strangers(book.one, control)

    try:
        until(settled, 30)
    except AssertionError:
        raise AssertionError(
            f"{differences}\nnot known: {strangers(book.one, control)}\n{book.one.output()}"
        ) from None


def strangers(one, control):
    """Processes of its home that are no instances, no zygotes, and not its custodian."""
    answer = control.call("status")
    runs = [run for service in answer["services"] for run in service["instances"]]
    known = {one.pid, *(run["pid"] for run in runs), *answer["daemon"]["zygotes"]}
    others = {*one._processes(), *descendants(one.pid)} - known
    named = {pid: command_of(pid) for pid in others}
    return {pid: text for pid, text in named.items() if text != "kettlingard: custodian"}


def begin_again(book, control):
    """The definitions and numbers of the beginning."""
    for name, text in first_texts().items():
        page = book.pages[name]
        page.disk = page.text = text
        page.runs, page.enabled, page.held, page.scaled = True, True, set(), text.instances
        book.one.define(name, str(text))
    control.call("enable", list(book.pages))
    list(control.stream("restart", list(book.pages), wait=False))
    list(control.stream("scale", {n: p.scaled for n, p in book.pages.items()}, wait=False))
    settle(book, control)


def opened(one):
    return sorted(descriptors(one.pid).values())


def table(book, before, after):
    outcomes = Counter(book.outcomes)
    verbs = sorted({verb for verb, _ in outcomes})
    lines = [f"\n{STEPS} commands of {CLIENTS} clients, seed {SEED}, {book.killed} kills"]
    for verb in verbs:
        said = {how: n for (v, how), n in sorted(outcomes.items()) if v == verb}
        lines.append(f"{verb:18}" + ", ".join(f"{how} {n}" for how, n in said.items()))
    for what, seconds in {"accepted": book.seconds, "status of all": book.looks}.items():
        worst, usual = max(seconds) * 1000, median(seconds) * 1000
        lines.append(f"{what:18}median {usual:.1f} ms, worst {worst:.0f} ms")
    lines.append(f"descriptors       {len(before)} before, {len(after)} after")
    return "\n".join(lines)
