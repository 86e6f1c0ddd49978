"""The supervisor's heart: the map of services, and what they mean to each other.

It starts nothing itself: services do. It says which may (dependencies, the
storm brake over all of them), hears of their changes, and lets others look
again whom a change concerns.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from kettlingar.errors import NotFound
from kettlingar.transport import messages
from kettlingard.core.environment import worker_environment
from kettlingard.core.layout import Layout
from kettlingard.core.snapshot import Happening
from kettlingard.core.spec import DependencyKeys
from kettlingard.core.state import Circumstances
from kettlingard.host import clock
from kettlingard.host.handed import Handed
from kettlingard.host.limits import OpenFiles
from kettlingard.host.marks import Marks
from kettlingard.host.reap import Reaper
from kettlingard.host.refusal import Refusals
from kettlingard.zygote.choice import Kind
from kettlingard.zygote.herd import Zygotes

from .bell import Bell
from .catalog import Catalog, Definition
from .ingress import Ingress, Router
from .remembered import Remembered
from .services.bonds import QUIET, Bonds
from .services.brake import Brake
from .services.draining import Draining
from .services.recovery import Recovery
from .services.rounds import Rounds
from .services.running import Running
from .services.service import Service
from .services.sharing import Sharing
from .services.surroundings import Surroundings
from .worker.prepare import Prepared
from .worker.process import Worker
from .worker.pulse import Rhythms
from .worker.start import ByExec, ByZygote, kind_for

log = logging.getLogger(__name__)

OWN = frozenset({"boot", "shutdown"})  # who asks all at once: that is written when all have looked
_NOTHING: Mapping[str, Iterable[Happening]] = {}


class Daemon:
    """Owns the services. `on_ask` is told when a worker wants a connection to another service."""

    histories: Mapping[str, Iterable[Happening]] = _NOTHING  # what happened before us, by service

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        layout: Layout,
        catalog: Catalog,
        open_files: OpenFiles,
        handed: Handed | None = None,
    ) -> None:
        self.loop = loop
        self._open_files = open_files
        self._handed = handed or Handed([])
        self.layout = layout
        self.catalog = catalog
        self.cgroups = catalog.house.cgroups
        self.remembered = Remembered(Path(layout.state) / "remembered.json", clock.boot_id())
        self.leaving: set[str] = set()  # services to forget when they have ended
        self.services: dict[str, Service] = {}
        self.bonds = Bonds(self.services)
        self.recovery = Recovery(loop, self.services, self.bonds)
        self.started = clock.moment()
        self.state = "booting"
        self.timeout_stop = 60.0  # seconds for all services together
        self.bell = Bell(loop)
        self.reaper = Reaper(loop)
        self._refusals = Refusals(loop)
        self.marks = Marks()  # of all connections that services have accepted
        self.router = Router(loop, self._refusals, self._handed, self.marks)
        self.sharing = Sharing(loop, self.router, self.services)
        self._zygotes = Zygotes(
            loop,
            self.reaper,
            worker_environment(os.environ, (), (), {}, {}),
            Path(layout.log) / "zygote.log",
            self._kinds,
        )
        self._starter = Prepared(
            loop, self.reaper, ByZygote(loop, self.reaper, self._zygotes, ByExec(loop))
        )
        self._rounds = Rounds(loop, lambda: self.services, self._look, self._looked)
        self._brake = Brake(loop, self.services, self._rounds.begin)
        self._draining = Draining(loop, self.services, self.bonds)
        self.on_changed: Callable[[Collection[Service]], None] | None = None
        self.on_noted: Callable[[Service, str], bool] | None = None
        self._changes: set[str] = set()
        self.on_ask: Callable[[Service, Worker, messages.Ask], None] | None = None

    # --- definitions ---

    def boot(self, before: Mapping[str, bool]) -> None:
        """Read all definitions and start what is enabled, or ran `before` and lives no more.

        Those of before that are as they were to be (True) go on.
        """
        found, problems = self.catalog.read()
        for problem in problems:
            log.error("%s", problem)
        for definition in found.values():
            self.learn(definition)
        self.state = "running"
        self.sharing.place()
        self.sharing.keep()
        ended = {name for name, settled in before.items() if not settled}
        begin = [n for n, one in self.services.items() if self.starts_by_itself(one) or n in ended]
        pulled = set(self.bonds.pulled_in(begin))  # what they need too, if it is not enabled
        for name in self.bonds.start_order():
            service = self.services[name]
            if before.get(name):
                service.look()
            elif name in pulled and self.may_start(service):
                service.boot(self.remembered.held_back(name))
        self._handed.forget_kept()

    def starts_by_itself(self, service: Service) -> bool:
        """It is enabled, and nobody has stopped it since the machine's boot."""
        return service.enabled and self.may_start(service)

    def may_start(self, service: Service) -> bool:
        """It is defined, and nobody has stopped it since the machine's boot."""
        return service.spec is not None and not self.remembered.is_stopped(service.name)

    def learn(self, definition: Definition) -> Service:
        """Know a service, or what is wrong with it; nothing that runs changes."""
        service = self.add(definition.name)
        service.problems = list(definition.problems)
        for problem in definition.problems:
            log.error("%s", problem)
        if definition.spec is not None and service.spec is None:
            service.define(definition.spec)
        return service

    def add(self, name: str) -> Service:
        """The service of this name; a new one that nobody has defined yet, if need be."""
        if name not in self.services:
            self.services[name] = self.make(name)
        return self.services[name]

    def make(self, name: str) -> Service:
        """A new service of this name, which is no part of us yet."""
        service = Service(name, self._surroundings)
        service.enabled_by = self.remembered.enabled(name)
        service.scaled = self.remembered.scaled(name)
        service.history.resume(self.histories.get(name, ()))
        return service

    def forget(self) -> None:
        """Nothing runs any more: know no service, as at the beginning, but for those with orphans."""
        self.histories = {n: [r.kept for r in one.history] for n, one in self.services.items()}
        for name, service in list(self.services.items()):
            if not service.orphans:
                service.close()
                del self.services[name]
        self.ended.clear()
        self._handed.store.outlives = False
        self.state = "booting"

    def reread(self, name: str) -> Definition:
        """The definition of a service as it is on disk now. NotFound if there is neither."""
        definition = self.catalog.read_one(name)
        if definition is not None:
            self.learn(definition)
            return definition
        service = self.find(name)
        file = service.spec.file if service.spec is not None else ""
        return Definition(name, file, service.spec)  # its file has gone: as it was

    @cached_property
    def _surroundings(self) -> Surroundings:
        return Surroundings(
            loop=self.loop,
            reaper=self.reaper,
            starter=self._starter,
            rhythms=Rhythms(self.loop),
            ingress=lambda name: Ingress(
                self.loop, name, self._refusals, self._handed, self.marks, router=self.router
            ),
            meetings=Path(self.layout.meetings),
            folder=Path(self.layout.state),
            logs=Path(self.layout.log),
            open_files=self._open_files,
            cgroups=self.cgroups,
            url_files=self.layout.mode != "system",
            circumstances=self._circumstances,
            storm=self._brake.storm,
            waits_for=self.bonds.waits_for,
            changed=self._changed,
            remember=self._remember,
            asked=self._asked,
            noted=self._noted,
        )

    @property
    def zygotes(self) -> list[int]:
        """The pids of those that are there."""
        return self._zygotes.pids()

    def _kinds(self) -> set[Kind]:
        """The zygotes that definitions ask for now."""
        specs = [service.spec for service in self.services.values() if service.spec is not None]
        return {kind for spec in specs if (kind := kind_for(spec)) is not None}

    # --- services ---

    def find(self, name: str) -> Service:
        """A service by its name. NotFound names the nearest one."""
        service = self.services.get(name)
        if service is not None:
            return service
        near = ["--all"] if name == "all" else get_close_matches(name, self.services, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise NotFound(f"no such service: {name}{hint}")

    def _circumstances(self, service: Running) -> Circumstances:
        return Circumstances(
            may_start=not self.bonds.waits_for(service),
            tokens=self._brake.tokens(),
            rest=self.bonds.bound_to_rest(service),
        )

    def _remember(self, service: Service) -> None:
        """What is wanted of it now: written before anybody is told that it is."""
        self.remembered.scale(service.name, service.scaled)
        self.remembered.hold_back(service.name, service.state.wanted.held_back)
        if self.on_changed is not None and service.command[1] not in OWN:
            self.on_changed([service])

    def _noted(self, name: str, mark: str) -> bool:
        return self.on_noted is not None and self.on_noted(self.services[name], mark)

    def _asked(self, name: str, worker: Worker, ask: messages.Ask) -> None:
        if self.on_ask is not None:
            self.on_ask(self.services[name], worker, ask)

    # --- changes ---

    def _changed(self, name: str) -> None:
        self._changes.add(name)
        self.sharing.place()  # at once: whoever is told that routes have changed may ask for them
        self._rounds.begin()

    def _look(self, name: str) -> None:
        """Something changed: it may concern this service."""
        service = self.services.get(name)
        if service is not None:
            keys = service.spec.dependencies if service.spec is not None else DependencyKeys()
            if service.word not in QUIET or keys.binds_to:
                service.look()

    def _looked(self) -> None:
        """All have looked."""
        self.recovery.look()
        self._part()
        if self.state == "draining":
            self._draining.go_on()
        if self.on_changed is not None:
            changes, self._changes = self._changes, set()
            self.on_changed([self.services[name] for name in changes if name in self.services])
        self.bell.ring()

    def _part(self) -> None:
        """Forget services that have no definition any more and have ended."""
        for name in sorted(self.leaving):
            service = self.services.get(name)
            if service is None or service.state.wanted.instances:
                self.leaving.discard(name)
            elif not service.state.members:
                service.close()
                del self.services[name]
                self.histories = {n: one for n, one in self.histories.items() if n != name}
                self.leaving.discard(name)
                self.sharing.place()

    # --- the end ---

    @property
    def ended(self) -> asyncio.Event:
        """Set when all services have ended."""
        return self._draining.ended

    def drain(self, by: str) -> None:
        """Stop all services, those first that nobody needs; a second call hurries."""
        if self.state == "draining":
            self._draining.hurry(by)
            return
        log.info("draining services=%d by=%s", len(self.services), by)
        self.state = "draining"
        self._handed.store.outlives = True
        self._draining.begin(self.timeout_stop)

    def close(self) -> None:
        """All services have ended: let go of everything."""
        self._brake.close()
        self._rounds.close()
        self.recovery.close()
        self.sharing.close()
        self.router.close()
        for service in self.services.values():
            service.close()
        self._refusals.close()
        self._handed.close()
        self._zygotes.close()
        self.reaper.close()
        self.cgroups.close()
