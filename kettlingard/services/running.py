"""What a service is and does: its state, moved by what happens and by time.

All decisions are core.actor's. What happens to a worker comes in as an event;
after each event the actor is asked what follows, and one timer waits for the
next moment at which something is due.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from random import random
from typing import Any

from msgspec.structs import replace

from kettlingar.transport.channel import Channel
from kettlingard.core import actor
from kettlingard.core.actor import Effect, Output
from kettlingard.core.contract import broken
from kettlingard.core.generations import Generations
from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.parse import Problem
from kettlingard.core.place import Standing
from kettlingard.core.reconcile import next_wakeup
from kettlingard.core.snapshot import RunRecord
from kettlingard.core.spec import AccessKeys, ServiceSpec
from kettlingard.core.state import Circumstances, Load, Member, ServiceState
from kettlingard.core.vocabulary import BecameReady, Event, Exited, Reported, SpawnFailed
from kettlingard.core.words import Word, service_word
from kettlingard.host import clock
from kettlingard.worker.launch import Launch
from kettlingard.worker.process import Worker

from .crew import Crew, Ears
from .demand import Demand
from .events import History
from .grants import Grants, owner, read_rights
from .listening import Listening
from .surroundings import Surroundings
from .urlfile import UrlFile

SECRET_BYTES = 18  # 144 bits
UP = frozenset({Word.READY, Word.HELD, Word.DEGRADED, Word.UPDATING, Word.UPDATE_PAUSED})


class Running:
    """Owns a service's state, processes and listeners; what people want of it is Service's."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self.around = around
        self.state = ServiceState()
        self.spec: ServiceSpec | None = None  # of the wanted generation
        self.generations = Generations()
        self.problems: list[Problem] = []  # of the file on disk
        self.enabled_by: bool | None = None  # what somebody wants instead of the definition
        self.break_allowed = 0  # a generation that may have fewer methods
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self.history = History(name)
        self.ingress = around.ingress(name)
        self.grants = Grants(name, read_rights(AccessKeys(), owner())[0], self._refused)
        self.listening = Listening(name, self.ingress)
        self.url_file = UrlFile(around.folder / name, name, default=around.url_files)
        self.demand = Demand(around.loop, self.look, lambda: self.ingress.load)
        self.ingress.on_load = lambda: self.demand.noted(self.state)
        self.crew = Crew(
            name,
            lambda kind, launch, listener: kind(
                around.loop, around.reaper, around.starter, launch, listener
            ),
            lambda member: self.launch(member, secrets.token_hex(8)),
            Ears(
                self.feed,
                lambda worker, ask: around.asked(name, worker, ask),
                lambda mark: around.noted(name, mark),
            ),
            ingress=self.ingress,
            grants=self.grants,
        )
        self.workers = self.crew.workers
        self.orphans: dict[int, tuple[Member, RunRecord]] = {}  # by run: not to be adopted
        self.idle_since: clock.Moment | None = None  # of a service that is held
        self._timer: asyncio.TimerHandle | None = None
        self._last_word = Word.INACTIVE

    def _refused(self, what: str, who: str) -> None:
        self.history.refused(clock.moment(), what, who)
        self.around.changed(self.name)

    # --- the actor ---

    def feed(self, number: int, event: Event) -> None:
        """Something happened to a run."""
        if isinstance(event, BecameReady):
            event = self._gate(number, event)
        ends = isinstance(event, Exited | SpawnFailed)
        self.state, output = actor.happen(
            self.state,
            number,
            event,
            random(),  # noqa: S311  spread
            storm=ends and self.around.storm(),
        )
        self._perform(output)
        self.look()

    def _gate(self, number: int, event: Event) -> Event:
        """A new generation whose methods are fewer may be refused: then it has not become ready."""
        member, fallback = self.state.members.get(number), self.state.fallback
        if member is None or fallback is None or member.generation == fallback:
            return event
        update = self.generations.specs[member.generation].update
        ready = self.ready_workers().items()
        before = [w for n, w in ready if self.state.members[n].generation == fallback]
        old, new = before[-1].ready if before else None, self.workers[number].ready
        found = broken(old.methods, new.methods) if old is not None and new is not None else []
        if not found or update.api_break == "allow" or self.break_allowed == member.generation:
            return event
        text = f"API BREAK: {'; '.join(found)}"
        self.history.told(clock.moment(), text)
        if update.api_break == "warn":
            return event
        self.workers[number].kill()
        return Reported(event.at, f"{text} (update.api_break = refuse)")

    def look(self) -> None:
        """Do what is due, and wait for what will be."""
        now = self._now()
        self.listening.keep(self.listeners, now)
        self._publish()
        before, around = self.state, self._circumstances(now)
        self.state, output = actor.tick(self.state, now, around, random)
        self.demand.decided(before, self.state)
        self._perform(output)
        self._wait(now)
        word = self.word
        if word is Word.READY:
            self.generations = self.generations.proved(self.state.wanted.generation)
        if output or word is not self._last_word:
            if word is not self._last_word:
                self.idle_since = clock.moment() if word is Word.HELD else None
            self._last_word = word
            self.around.changed(self.name)
        if self.state.paused:
            self.update_failed(self.state.paused)

    @property
    def lives(self) -> bool:
        """It is wanted, or not gone yet."""
        return bool(self.state.wanted.instances or self.state.members)

    @property
    def listeners(self) -> tuple[ListenerSpec, ...]:
        """Those that are to be open now."""
        if self.spec is None or not self.lives:
            return ()
        return (*self.spec.listen, *self.url_file.listeners(self.spec))

    def _publish(self) -> None:
        addresses = [str(one["address"]) for one in self.ingress.describe()]
        self.url_file.keep(self.spec if self.lives else None, self.secret, addresses)

    def update_failed(self, reason: str) -> None:
        """A new generation cannot be rolled out."""

    def _circumstances(self, now: float) -> Circumstances:
        load: Load | None = self.demand.load()
        if len(self.grants) and self.demand.must_ask(self.state, now):
            self.demand.ask(self.ready_workers())
            load = None
        around = replace(
            self.around.circumstances(self),
            occupied=frozenset(member.place for member, _ in self.orphans.values()),
            load=load,
            wear=self.demand.wear(self.spec.pool, self.ready_workers) if self.spec else {},
        )
        return replace(around, may_start=False) if self.listening.problem else around

    def _wait(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at = next_wakeup(self.state, now)
        if self.listening.problem:
            at = min(at or self.listening.again, self.listening.again)
        self._timer = None if at is None else self.around.loop.call_at(at, self.look)

    def _now(self) -> float:
        return self.around.loop.time()

    def _perform(self, output: list[Output]) -> None:
        now, stays = self._now(), bool(self.state.wanted.instances)
        for one in output:
            if isinstance(one, Effect):
                self.crew.perform(one.action, one.member, now, stays=stays)
            else:
                worker = self.workers.get(one.member.number)
                pid = worker.pid if worker is not None else None
                self.history.moved(clock.moment(), one, pid)

    def launch(self, member: Member, mark: str) -> Launch:
        """All that a run is made from; `mark` is its own."""
        spec = self.generations.specs[member.generation]
        return Launch(
            service=self.name,
            instance=member.place,
            run=member.number,
            spec=spec,
            secret=self.secret,
            state_dir=self.around.folder / self.name,
            log_file=self.log_file(member.place),
            open_files=self.around.open_files,
            cgroups=self.around.cgroups,
            mark=mark,
            rhythms=self.around.rhythms,
            meetings=self.around.meetings,
            listeners=self.ingress.copies,
            generation=0 if member.generation in self.generations.prepared else member.generation,
        )

    # --- what others see ---

    @property
    def word(self) -> Word:
        """Its state in one word."""
        return service_word(
            self.state,
            enabled=self.enabled,
            waits=self.around.waits_for(self),
            unbound=self.listening.problem,
            invalid=bool(self.problems),
        )

    @property
    def enabled(self) -> bool:
        """It starts with the daemon."""
        if self.enabled_by is not None:
            return self.enabled_by
        return self.spec is None or self.spec.service.enabled

    @property
    def has_failed(self) -> bool:
        """It, or one of its instances, is not tried again before long."""
        standings = {place.standing for place in self.state.places.values()}
        return bool(self.state.paused) or bool(standings & {Standing.FAILED, Standing.BACKOFF})

    @property
    def is_up(self) -> bool:
        """Others that need it may start."""
        return service_word(self.state) in UP

    def log_file(self, instance: int) -> Path:
        """The log of one instance."""
        return self.around.logs / f"{self.name}-{instance}.log"

    def ready_workers(self) -> dict[int, Worker]:
        """Those that get traffic, by number of run."""
        members = self.state.members.values()
        return {m.number: self.workers[m.number] for m in members if m.run.dispatchable}

    def ready_channels(self, instance: int = 0) -> dict[int, Channel]:
        """The channels of its ready workers (of one instance), by number of run."""
        return {
            number: worker.channel
            for number, worker in self.ready_workers().items()
            if instance in {0, worker.launch.instance} and worker.launch.spec.is_kitten
        }

    def method_names(self) -> list[str]:
        """Their names."""
        return [str(method["name"]) for method in self.methods()]

    def methods(self) -> list[dict[str, Any]]:
        """What the newest ready worker offers."""
        newest = max(self.ready_workers().items(), default=None)
        ready = newest[1].ready if newest is not None else None
        return ready.methods if ready is not None else []

    def urls(self) -> list[str]:
        """Where its methods are called by TCP, with the secret."""
        addresses = [str(one["address"]) for one in self.ingress.describe()]
        return [f"http://{one}/{self.secret}/" for one in addresses if not one.startswith("/")]

    def close(self) -> None:
        """Nothing runs any more: let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
        self.demand.close()
        self.ingress.close()
        self.url_file.keep(None, "", ())
