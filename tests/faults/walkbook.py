"""What a random walk of commands should come to: a small model of its own, service by service."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from kettlingar.sync import BlockingClient
from tests.supervision import Supervisor

KITTEN = """
    import fcntl, os, time
    from kettlingar import RPCKitten

    class Cat(RPCKitten):
        async def init_servers(self, servers):
            with open(f"{os.environ['BOOK']}/{os.getpid()}", "w") as note:
                note.write(os.environ["VERSION"])
            return servers

    class Alone(Cat):
        async def init_servers(self, servers):
            self.lock = os.open(f"{os.environ['BOOK']}/lock", os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.write(self.lock, f"{time.time()} {os.getpid()} is not alone\\n".encode())
            return await super().init_servers(servers)
"""
SLEEP = 'type = "simple"\nexec = ["sleep", "600"]\n'
CAT = 'kitten = "walked:Cat"\npython_path = ["{src}"]\n'
KINDS = {
    "one": SLEEP,
    "many": SLEEP,
    "base": SLEEP,
    "top": SLEEP,  # requires base
    "cat": CAT + 'listen = ["{src}/cat.sock"]\n',
    "alone": CAT.replace("Cat", "Alone"),  # never two at once
    "few": CAT + 'listen = ["127.0.0.1:{port}"]\n',  # as many as are visited, or none
    "bad": 'type = "simple"\nexec = ["false"]\n',
}
MORE = {
    "top": '[dependencies]\nrequires = ["base"]\n',
    "alone": '[update]\norder = "stop-first"\nmonitor = 0\n',
    "bad": "",
}
INSTANCES = {"many": 3, "cat": 2, "few": 2}
UP = {"ready", "update-paused"}
QUICK = 'restart_delay = "20ms"\nrestart_max_delay = "100ms"\ntimeout_stop = "10s"\n'


@dataclass(frozen=True, slots=True)
class Text:
    """A definition: the version is in the environment of its processes."""

    name: str
    version: int = 0
    instances: int = 1
    keep: int = 10

    def __str__(self) -> str:
        burst = 3 if self.name == "bad" else 100000
        return (
            f"[service]\n{KINDS[self.name]}{QUICK}start_limit_burst = {burst}\n"
            f"{MORE.get(self.name, '[update]' + chr(10) + 'monitor = 0' + chr(10))}"
            f"[pool]\n{self._pool}[log]\nkeep = {self.keep}\n"
            f'[environment]\nVERSION = "{self.version}"\nBOOK = "{{src}}"\n'
        )

    @property
    def _pool(self) -> str:
        if self.name != "few":
            return f"instances = {self.instances}\n"
        return f'min_instances = 0\nmax_instances = {self.instances}\nidle_timeout = "200ms"\n'


@dataclass
class Page:
    """What is wanted of one service."""

    disk: Text
    text: Text  # that counts
    texts: dict[int, Text]  # by generation
    runs: bool = True
    scaled: int | None = None
    held: set[int] = field(default_factory=set)
    enabled: bool = True

    @property
    def places(self) -> list[int]:
        number = self.text.instances if self.scaled is None else self.scaled
        return [n for n in range(1, number + 1) if n not in self.held] if self.runs else []

    def counts(self, text: Text) -> None:
        """Another definition: a new number of instances overrules a scale."""
        if text.instances != self.text.instances:
            self.scaled = None
        self.text = text


class Book:
    """All services' pages, and what came of each command."""

    def __init__(self, one: Supervisor) -> None:
        self.one = one
        self.pen = threading.Lock()
        self.pages = {name: Page(t, t, {1: t}) for name, t in first_texts().items()}
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.seconds: list[float] = []  # each acceptance took
        self.looks: list[float] = []  # each status of all took
        self.killed = 0
        self.doubles: list[str] = []

    def learn(self, control: BlockingClient) -> None:
        """Which definition counts now; called with the pen in hand."""
        for record in control.call("status")["services"]:
            page, number = self.pages[record["name"]], record["generation"]
            page.counts(page.texts.setdefault(number, page.disk))

    def begins_anew(self, before: dict[str, int], after: dict[str, int]) -> None:
        """Another supervisor has started, with what is on disk, those of which nothing lived."""
        for name, page in self.pages.items():
            if before[name] != after[name]:
                page.texts = {after[name]: page.disk}
                page.counts(page.disk)

    def differences(self, services: list[dict[str, Any]]) -> list[str]:
        """In what the supervisor's services are not as the book says."""
        found: list[str] = []
        for record in services:
            found += self._differences(self.pages[record["name"]], record)
        return found

    def _differences(self, page: Page, record: dict[str, Any]) -> list[str]:
        name, state = record["name"], record["state"]
        runs = [run for run in record["instances"] if run["pid"] is not None]
        if not page.places:
            right = "inactive" if page.enabled else "disabled"
            return [f"{name}: {state}, not {right}; {runs}"] if state != right or runs else []
        if name == "bad":
            return [] if state == "failed" else [f"{name}: {state}, not failed"]
        places = sorted(run["instance"] for run in runs)
        if name == "top" and not self.pages["base"].runs and set(places) <= set(page.places):
            return []  # its base was stopped by force, or scaled to nothing: who ends now waits
        found = [] if state in UP or (name, state) == ("few", "held") else [f"{name}: {state}"]
        if not set(places) <= set(page.places) or (name != "few" and places != page.places):
            found.append(f"{name}: runs of {places}, not of {page.places}")
        versions = {self._version(run["pid"]) for run in runs}
        if state == "ready" and versions != {str(page.text.version)}:
            found.append(f"{name}: version {versions}, not {page.text.version}")
        return found

    def _version(self, pid: int) -> str:
        with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as environ:
            for line in environ.read().split(b"\0"):
                if line.startswith(b"VERSION="):
                    return line[8:].decode()
        try:  # a fork of the zygote has the zygote's
            return (self.one.src / str(pid)).read_text()
        except OSError:
            return "none"


def most(name: str) -> int:
    """Instances of it that a walk asks for."""
    return 1 if name == "alone" else 4


def first_texts() -> dict[str, Text]:
    return {name: Text(name, instances=INSTANCES.get(name, 1)) for name in KINDS}
