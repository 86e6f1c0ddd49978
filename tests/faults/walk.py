"""A random walk of commands from several clients at once, while workers are killed.

Commands are accepted one after the other (one pen for all clients, who write into one book),
but carried out side by side: each client waits for its own, while others supersede it.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from random import Random
from typing import Any

from kettlingar.errors import HttpError
from kettlingar.sync import connect_control
from tests.faults.walkbook import KINDS, Book, Text, most
from tests.helpers import alive, descendants, http_get


class Walker:
    """One client: a random command, again and again."""

    def __init__(self, book: Book, seed: int, patience: float) -> None:
        self.book, self.random, self.patience = book, Random(seed), patience
        self.control = connect_control(book.one.socket, timeout=30)
        self.commands = [command for command, weight in WEIGHTS.items() for _ in range(weight)]

    def step(self) -> None:
        command = self.random.choice(self.commands)
        try:
            outcome = command(self) or "done"
        except (HttpError, ValueError, KeyError, OSError) as why:
            outcome = f"refused: {type(why).__name__}"
        self.book.outcomes[command.__name__.strip("_"), outcome] += 1

    def _name(self) -> str:
        return self.random.choice(list(KINDS))

    def _change(
        self, verb: str, what: Any, note: Callable[[], None], check: Any = None, **options: Any
    ) -> str:
        """Ask, write down what is wanted now, then watch it without the pen."""
        wait = self.random.random() < 0.6
        with self.book.pen:
            if check is not None and not check():
                return "not tried"
            began = time.monotonic()
            stream = self.control.stream(
                verb, what, wait=wait, timeout=self.patience, call_timeout=15, **options
            )
            self.book.seconds.append(time.monotonic() - began)
            note()
            self.book.learn(self.control)
        return _how(list(stream))

    # --- intents ---

    def _start(self) -> str:
        name, pages = self._name(), self.book.pages

        def note() -> None:
            for one in ("base", name) if name == "top" and not pages["base"].runs else (name,):
                pages[one].runs, pages[one].held = True, set()

        return self._change("start", [name], note)

    def _stop(self) -> str:
        name, pages = self._name(), self.book.pages
        how = self.random.choice(["", "now", "force", "with_dependents"])

        def note() -> None:
            both = how == "with_dependents" and name == "base" and pages["top"].runs
            for one in (name, "top") if both else (name,):
                pages[one].runs, pages[one].held = False, set()

        return self._change("stop", [name], note, **({how: True} if how else {}))

    def _stop_instance(self) -> str:
        page = self.book.pages["many"]
        return self._change("stop", ["many/2"], lambda: page.held.add(2), lambda: page.runs)

    def _restart(self) -> str:
        name, pages = self._name(), self.book.pages
        now = self.random.random() < 0.2

        def note() -> None:
            pages[name].runs, pages[name].held = True, set()

        return self._change("restart", [name], note, now=now)

    def _restart_instance(self) -> str:
        page = self.book.pages["many"]
        return self._change(
            "restart", ["many/2"], lambda: page.held.discard(2), lambda: 2 in page.places
        )

    def _scale(self) -> str:
        name = self._name()
        number = self.random.randint(0, most(name))
        page = self.book.pages[name]

        def note() -> None:
            page.runs, page.scaled, page.held = number > 0, number or None, set()

        return self._change("scale", {name: number}, note)

    def _apply(self) -> str:
        """Some definitions have changed, one is broken for a moment."""
        book, one = self.book, self.book.one
        changed = self.random.sample(list(KINDS), self.random.randint(0, 3))
        broken = self.random.choice([*KINDS, None, None])
        how = {name: self.random.choice(["version", "instances", "keep"]) for name in changed}

        def edit() -> bool:
            for name in changed:
                page = book.pages[name]
                page.disk = self._edited(page.disk, how[name])
                one.define(name, str(page.disk))
            if broken is not None:
                one.define(broken, "[service]\nautorestart = true\n")
                said = list(self.control.stream("apply", [broken], wait=False))
                assert _how(said) == "bad definition", said
                one.define(broken, str(book.pages[broken].disk))
            return True

        def note() -> None:
            for page in book.pages.values():
                if page.runs and page.disk.version != page.text.version:
                    page.held = set()  # a restart, which is of all instances

        return self._change("apply", [], note, edit)

    def _edited(self, text: Text, what: str) -> Text:
        version, instances, keep = text.version, text.instances, text.keep
        if what == "version":
            version += 1
        elif what == "instances":
            instances = self.random.randint(1, most(text.name))
        else:
            keep = self.random.randint(1, 50)
        return Text(text.name, version, instances, keep)

    def _rollback(self) -> str:
        name, patience = self._name(), self.patience
        with self.book.pen:
            page = self.book.pages[name]
            stream = self.control.stream("rollback", name, timeout=patience, call_timeout=15)
            items = [next(stream)]
            while "the definition of generation" not in items[-1].get("text", ""):
                items.append(next(stream))
            number = int(items[-1]["text"].partition("of generation ")[2].split()[0])
            [record] = self.control.call("status", [name])["services"]
            page.texts[record["generation"]] = page.texts[number]
            page.counts(page.texts[number])
        return _how([*items, *stream])

    def _enable(self) -> str:
        return self._enabled(yes=True)

    def _disable(self) -> str:
        return self._enabled(yes=False)

    def _enabled(self, *, yes: bool) -> str:
        name = self._name()
        with self.book.pen:
            self.control.call("enable" if yes else "disable", [name])
            self.book.pages[name].enabled = yes
        return "done"

    def _reload(self) -> str:
        name = self._name()
        with self.book.pen:
            items = list(self.control.stream("reload", name))
            self.book.learn(self.control)
        return _how(items)

    def _reset_failed(self) -> None:
        self.control.call("reset_failed")

    def _kill(self) -> None:
        self.control.call("kill", [self._name()], signal=self.random.choice(["TERM", "KILL"]))

    def _visit(self) -> str:
        """Whoever comes starts an instance of what runs on demand; nobody may be there, too."""
        try:
            return str(http_get(f"http://127.0.0.1:{self.book.one.port}/ping").status)
        except (OSError, HTTPException):
            return "nobody there"

    # --- looks ---

    def _status(self) -> None:
        self.control.call("status")

    def _logs(self) -> None:
        list(self.control.stream("logs", lines=5))

    def _wait(self) -> str:
        for_ = self.random.choice(["ready", "stopped", "updated"])
        said = self.control.call("wait", self._name(), for_=for_, timeout=self.patience)
        return "done" if said["ok"] else "not reached"

    def _other_look(self) -> None:
        verb = self.random.choice(["plan", "deps", "sockets", "metrics", "events"])
        said = self.control.call(verb)
        if verb == "events":
            list(said)


WEIGHTS: dict[Callable[[Walker], Any], int] = {
    Walker._start: 8,
    Walker._stop: 6,
    Walker._stop_instance: 2,
    Walker._restart: 8,
    Walker._restart_instance: 2,
    Walker._scale: 6,
    Walker._apply: 8,
    Walker._rollback: 3,
    Walker._enable: 1,
    Walker._disable: 1,
    Walker._reload: 3,
    Walker._reset_failed: 2,
    Walker._kill: 2,
    Walker._visit: 4,
    Walker._status: 2,
    Walker._logs: 1,
    Walker._wait: 2,
    Walker._other_look: 3,
}


def _how(items: list[dict[str, Any]]) -> str:
    texts = " ".join(item.get("text", "") for item in items)
    last = items[-1]
    if last.get("ok"):
        return "done"
    if "superseded" in texts:
        return "superseded"
    if last.get("timed_out"):
        return "timed out"
    return "bad definition" if any(item.get("refused") for item in items) else "not reached"


class Nuisance:
    """Kills processes of the supervisor at random, and watches that there is never one too many."""

    def __init__(self, book: Book, seed: int, stop: threading.Event) -> None:
        self.book, self.random, self.stop = book, Random(seed), stop
        self.control = connect_control(book.one.socket, timeout=30)

    def run(self) -> None:
        while not self.stop.wait(self.random.uniform(0.01, 0.08)):
            began = time.monotonic()
            services = self.control.call("status")["services"]
            self.book.looks.append(time.monotonic() - began)
            self._watch(services)
            family = descendants(self.book.one.pid)
            if family and self.random.random() < 0.7:
                with suppress(ProcessLookupError):
                    os.kill(self.random.choice(family), signal.SIGKILL)
                    self.book.killed += 1

    def _watch(self, services: list[dict[str, Any]]) -> None:
        for record in services:
            ready = Counter(run["instance"] for run in _living(record) if run["state"] == "ready")
            if max(ready.values(), default=0) > 2:
                self.book.doubles.append(f"{record['name']}: {ready}")


def _living(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (run for run in record["instances"] if run["pid"] is not None and alive(run["pid"]))


def walk(book: Book, steps: int, clients: int, seed: int, patience: float) -> None:
    """All clients at once, `steps` commands together; killing goes on meanwhile."""
    stop, numbers, lock = threading.Event(), itertools.count(), threading.Lock()
    walkers = [Walker(book, seed * 100 + number, patience) for number in range(clients)]
    nuisance = Nuisance(book, seed, stop)

    def run(walker: Walker) -> None:
        while True:
            with lock:
                if next(numbers) >= steps:
                    return
            walker.step()

    killing = threading.Thread(target=nuisance.run)
    threads = [threading.Thread(target=run, args=(walker,)) for walker in walkers]
    for thread in (killing, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    killing.join()
    for one in (nuisance, *walkers):
        one.control.close()
