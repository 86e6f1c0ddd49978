"""Keeps the file by which the next supervisor finds what this one started."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kettlingar._version import __version__
from kettlingard.core.snapshot import (
    Happening,
    RunRecord,
    ServiceRecord,
    Snapshot,
    SnapshotError,
    dump,
    forgotten,
    joined,
    load,
    read_lines,
    written_service,
    written_spec,
)
from kettlingard.core.spec import ServiceSpec
from kettlingard.daemon import Daemon
from kettlingard.errors import PathError
from kettlingard.host import clock
from kettlingard.host.files import read_small
from kettlingard.host.ledger import Ledger
from kettlingard.services.service import Service

log = logging.getLogger(__name__)

MAX_SIZE = 64 << 20  # bytes
COMING = ("booting", "adopting")  # states in which we have not taken over all that was left


class Keeper:
    """Writes down whatever has changed; removes the file at an end in order."""

    def __init__(self, daemon: Daemon, path: Path) -> None:
        self._daemon = daemon
        self.path = path
        self._ledger = Ledger(path)
        self._boot = clock.boot_id()
        self._pieces: dict[str, bytes] = {}  # of services
        self._marks: dict[str, frozenset[str]] = {}  # of their runs
        self._specs: dict[str, dict[int, tuple[ServiceSpec, str]]] = {}  # of theirs, and as text
        self._told: dict[str, int] = {}  # number of the last event of a service that is written
        self._state = ""  # of the daemon, as it is written
        self._trouble = ""
        self._left: Snapshot | None = None

    def begin(self, left: Snapshot | None) -> None:
        """From now on. What was `left` to us is what we leave, until it changes."""
        self._left = left
        if left is not None:
            for name, record in left.services.items():
                self._take(name, record)
            self._daemon.histories = left.events
        self._daemon.on_changed, self._daemon.on_noted = self.changed, self.noted

    def noted(self, service: Service, mark: str) -> bool:
        """Would our successor know this run?"""
        if not self._names(service.name, mark):
            self._write(self._taken([service]), self._news([service]))
        return self._names(service.name, mark) and not self._trouble

    def _names(self, service: str, mark: str) -> bool:
        return mark in self._marks.get(service, ())

    def changed(self, services: Collection[Service]) -> None:
        """Write, if these have really changed."""
        lines = self._taken(services)
        if self._daemon.state not in COMING:
            for name in self._pieces.keys() - self._daemon.services.keys():
                del self._pieces[name], self._marks[name], self._specs[name]
                self._told.pop(name, None)
                lines.append(forgotten(name))
        self._write(lines, self._news(services))

    def _news(self, services: Collection[Service]) -> dict[str, list[Happening]]:
        """What has happened to them that is not written yet."""
        found = {}
        for service in services:
            if service.history.last > self._told.get(service.name, 0):
                records = service.history.after(self._told.get(service.name, 0))
                found[service.name] = [record.kept for record in records]
                self._told[service.name] = service.history.last
        return found

    def _taken(self, services: Collection[Service]) -> list[bytes]:
        """The pieces of those that differ from what is written."""
        known = [service for service in services if service.spec is not None]
        changed = [one.name for one in known if self._take(one.name, record_of(one))]
        return [self._pieces[name] for name in changed]

    def _take(self, name: str, record: ServiceRecord) -> bool:
        before = self._specs.get(name, {})
        self._specs[name] = {
            number: before[number]
            if number in before and before[number][0] is spec
            else (spec, written_spec(spec))
            for number, spec in record.specs.items()
        }
        texts = {number: text for number, (_, text) in self._specs[name].items()}
        old, new = self._pieces.get(name), written_service(name, record, texts)
        self._pieces[name] = new
        self._marks[name] = frozenset(run.mark for run in record.runs.values())
        return new != old

    def _write(self, changed: list[bytes], news: dict[str, list[Happening]]) -> None:
        before, self._state = self._state, self._daemon_state()
        if not (changed or news or self._trouble or before != self._state):
            return
        try:
            if self._trouble or self._ledger.is_full:
                self._ledger.renew(self._written())
            else:
                self._ledger.add(joined({"daemon": self._state, "events": news}, changed))
        except OSError as why:
            if str(why) != self._trouble:
                log.error(  # noqa: TRY400  the text says it all
                    "cannot write %s: %s; a crash would end the services", self.path, why
                )
            self._trouble = str(why)
            return
        self._trouble = ""

    def document(self) -> dict[str, Any]:
        """All of it, as plain data."""
        found: dict[str, Any] = json.loads(self._written())
        return found

    def _written(self) -> bytes:
        here = Snapshot(
            boot=self._boot,
            daemon=self._daemon_state(),
            written_by=__version__,
            events={name: self._events_of(name) for name in self._pieces},
        )
        return joined(dump(here, {}), self._pieces.values())

    def _events_of(self, name: str) -> tuple[Happening, ...]:
        service = self._daemon.services.get(name)
        if service is None:
            return tuple(self._daemon.histories.get(name, ()))
        return tuple(record.kept for record in service.history)

    def _daemon_state(self) -> str:
        state = self._daemon.state
        return self._left.daemon if self._left is not None and state in COMING else state

    def end(self) -> None:
        """Nothing runs any more: there is nothing to adopt, but for what we could not end."""
        self._daemon.on_changed = self._daemon.on_noted = None
        self._ledger.close()
        if not any(service.orphans for service in self._daemon.services.values()):
            self.path.unlink(missing_ok=True)


def record_of(service: Service) -> ServiceRecord:
    """One service as the next supervisor must know it."""
    runs = {
        number: RunRecord(worker.identity.pid, worker.identity.start, worker.launch.mark)
        for number, worker in service.workers.items()
        if worker.identity is not None
    }
    members = dict(service.state.members)
    for member, run in service.orphans.values():
        members[member.number], runs[member.number] = member, run
    state = replace(service.state, members=members)
    return ServiceRecord(
        state, service.generations.specs, runs, service.command, service.generations.good
    )


def _read(path: Path) -> bytes:
    if path.lstat().st_uid != os.geteuid():
        raise PathError("it belongs to somebody else")
    return read_small(path, MAX_SIZE)


def left_behind(path: Path) -> Snapshot | None:
    """What a supervisor of this boot has left that did not end in order."""
    try:
        if not path.exists():
            return None
        found = load(read_lines(_read(path)))
    except (OSError, PathError, SnapshotError, ValueError, KeyError, TypeError) as why:
        log.error("state of the last supervisor not used: %s: %s", path, why)  # noqa: TRY400  no defect
        return None
    if found.boot != clock.boot_id():
        log.info("state of another boot not used: %s", path)
        return None
    for name, why_not in found.problems.items():
        log.error("state of a service not understood service=%s: %s", name, why_not)
    return found
