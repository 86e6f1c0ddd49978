"""The shell around one service's actor: stores its state, performs its effects.

All decisions are core.actor's. What happens to a worker comes in as an event;
after each event the actor is asked what follows, and one timer waits for the
next moment at which something is due.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import random
from typing import Any

from kettlingar.transport import messages
from kettlingar.transport.channel import Channel
from kettlingard.core import actor
from kettlingard.core.actor import Effect, Output
from kettlingard.core.contract import broken
from kettlingard.core.generations import Generations
from kettlingard.core.parse import Problem
from kettlingard.core.place import Standing
from kettlingard.core.policies import policies_of
from kettlingard.core.reconcile import next_wakeup
from kettlingard.core.snapshot import RunRecord
from kettlingard.core.spec import AccessKeys, ServiceSpec
from kettlingard.core.state import Circumstances, Load, Member, ServiceState, Wanted
from kettlingard.core.vocabulary import Action, BecameReady, Event, Reported, StopWanted
from kettlingard.core.wishes import NOBODY, renewed, started, stopped
from kettlingard.core.words import Word, service_word
from kettlingard.host import clock
from kettlingard.host.limits import OpenFiles
from kettlingard.host.reap import Reaper
from kettlingard.worker.launch import Launch
from kettlingard.worker.process import Listener, Worker
from kettlingard.worker.program import Program
from kettlingard.worker.start import Starter

from .demand import Demand
from .events import History
from .grants import Grants, owner, read_rights
from .ingress import Ingress
from .listening import Listening

log = logging.getLogger(__name__)

SECRET_BYTES = 18  # 144 bits
UP = frozenset({Word.READY, Word.HELD, Word.DEGRADED, Word.UPDATING, Word.UPDATE_PAUSED})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service needs of the daemon."""

    loop: asyncio.AbstractEventLoop
    reaper: Reaper
    starter: Starter
    ingress: Callable[[str], Ingress]
    meetings: Path  # where workers are found that have lost their supervisor
    folder: Path  # of states; the service has its own in it
    logs: Path
    open_files: OpenFiles  # a worker's limit where its definition says nothing
    circumstances: Callable[[Service], Circumstances]
    waits_for: Callable[[Service], list[str]]
    changed: Callable[[Service], None]
    asked: Callable[[Service, Worker, messages.Ask], None]


class Service:
    """One service: what is wanted of it, its workers, its listeners."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self.state = ServiceState()
        self.spec: ServiceSpec | None = None  # of the wanted generation
        self.problems: list[Problem] = []  # of the file on disk
        self.workers: dict[int, Worker] = {}
        self.orphans: dict[int, tuple[Member, RunRecord]] = {}  # by instance: not to be adopted
        self.history = History(name)
        self.ingress = around.ingress(name)
        self.grants = Grants(name, read_rights(AccessKeys(), owner())[0], self._refused)
        self.listening = Listening(name, self.ingress)
        self.demand = Demand(around.loop, self.look, lambda: self.ingress.load)
        self.ingress.on_load = lambda: self.demand.noted(self.state)
        self.intent = 0  # number of the last command
        self.command = ("", "")  # the last command, and who gave it
        self.generations = Generations()
        self.break_allowed = 0  # a generation that may have fewer methods
        self.enabled_by: bool | None = None  # what somebody wants instead of the definition
        self.scaled: int | None = None  # likewise
        self.around = around
        self.specs: dict[int, ServiceSpec] = {}  # by generation
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self._resumed: frozenset[int] = frozenset()  # generations of another supervisor
        self._timer: asyncio.TimerHandle | None = None
        self._last_word = Word.INACTIVE
        self.idle_since: clock.Moment | None = None  # of a service that is held

    # --- what is wanted ---

    def define(self, spec: ServiceSpec) -> None:
        """A definition: the first one, or a new generation of what runs."""
        generation = self._next_generation(spec)
        self.spec = self.specs[generation] = spec
        self.state = actor.renew(self.state, generation, policies_of(spec), self._now())
        self._become(spec)
        in_use = {generation, self.state.fallback, *self.generations.good}
        in_use |= {member.generation for member in self.state.members.values()}
        self.specs = {n: spec for n, spec in self.specs.items() if n in in_use}

    def resume(
        self, state: ServiceState, specs: Mapping[int, ServiceSpec], good: tuple[int, ...] = ()
    ) -> None:
        """Be what another supervisor has left. Its workers come one by one."""
        self.state, self.specs = state, dict(specs)
        self._resumed = frozenset(specs)
        self.generations = Generations(tuple(number for number in good if number in specs))
        self.spec = self.specs[state.wanted.generation]
        self._become(self.spec)

    def _become(self, spec: ServiceSpec) -> None:
        self.ingress.leave_to_others(not spec.is_kitten)
        rights, unknown = read_rights(spec.access, owner())
        for sentence in unknown:
            log.warning("%s service=%s", sentence, self.name)
        self.grants.become(rights, self.ready_channels(), self.method_names())

    def _next_generation(self, spec: ServiceSpec) -> int:
        """A number that no definition has had; a new `pool.instances` overrules a scale."""
        if self.spec is None:
            return 1
        before, pool = self.spec.pool, spec.pool
        if (before.instances, before.bounds) != (pool.instances, pool.bounds):
            self.scaled = None
        return max(self.state.wanted.generation, *self.specs) + 1

    def adjust(self, spec: ServiceSpec, by: str) -> None:
        """A definition whose changes need no new process."""
        assert self.spec is not None
        before, generation = self.spec, self._next_generation(spec)
        self.spec = self.specs[generation] = spec
        self.state = actor.adjust(self.state, generation, policies_of(spec))
        self._become(spec)
        if spec.service.exec_start_pre == before.service.exec_start_pre:
            self._resumed |= {generation}  # a crash later is no reason to prepare again
        for worker in self.workers.values():
            worker.adjust(spec, before)
        wanted = self.state.wanted
        if wanted.instances:
            wanted = replace(wanted, instances=self.instances)
        self.want(wanted, "apply", by)

    def roll_back(self, by: str) -> int | None:
        """The last definition that served comes back; return its generation, None: there is none."""
        fallback = self.state.fallback
        if fallback is not None:
            self.spec = self.specs[fallback]
            self.state = actor.retreat(self.state, policies_of(self.spec), self._now())
            self.want(self.state.wanted, "rollback", by)
            return fallback
        good = self.generations.before(self.state.wanted.generation)
        if good is not None:
            spec = self.specs[good]
            self.generations = self.generations.returned_to(good)
            self.define(spec)
            self.want(self.state.wanted, "rollback", by)
        return good

    @property
    def instances(self) -> int:
        """How many there are to be when it runs; of an elastic pool, at most."""
        assert self.spec is not None
        return self.spec.pool.bounds[1] if self.scaled is None else self.scaled

    @property
    def enabled(self) -> bool:
        """It starts with the daemon."""
        if self.enabled_by is not None:
            return self.enabled_by
        return self.spec is None or self.spec.service.enabled

    def want(self, wanted: Wanted, command: str, by: str) -> None:
        """Somebody wants something else; what failed before is tried again."""
        self.intent += 1
        self.command = (command, by)
        self.history.commanded(clock.moment(), command, by)
        self.state = actor.want(self.state, wanted, forgive=True, now=self._now())
        self.look()
        self.around.changed(self)

    def start(self, by: str, places: Collection[int] = NOBODY) -> None:
        """All instances, or some that were stopped one by one."""
        assert self.spec is not None
        self.want(started(self.state.wanted, self.instances, places), "start", by)

    def stop(
        self,
        by: str,
        places: Collection[int] = NOBODY,
        *,
        drain: bool = True,
        within: float = float("inf"),
    ) -> None:
        """All instances, or some of them; `within` seconds hurry those that end already."""
        reason = f"stop ({by})"
        wanted = stopped(self.state.wanted, reason, places, drain=drain, within=within)
        self.want(wanted, "stop", by)
        if not drain or within < float("inf"):
            for member in list(self.state.members.values()):
                if not member.active and (not places or member.place in places):
                    self.feed(member.number, StopWanted(self._now(), reason, drain, within))

    def restart(self, by: str, spec: ServiceSpec) -> None:
        """A new generation, rolled in."""
        self.define(spec)
        self.want(started(self.state.wanted, self.instances), "restart", by)

    def cut(self, by: str, places: Collection[int]) -> None:
        """End these at once, without letting them finish; what is wanted stays."""
        for member in list(self.state.members.values()):
            if not places or member.place in places:
                self.feed(member.number, StopWanted(self._now(), f"restart --now ({by})", False))

    def renew(self, by: str, places: Collection[int]) -> None:
        """New runs of some instances."""
        self.state = replace(self.state, paused="")
        self.want(renewed(self.state, places), "restart", by)

    def scale(self, by: str, instances: int) -> None:
        """So many instances, whatever the definition says."""
        self.scaled = instances or None
        if instances:
            self.state = replace(self.state, size=instances)  # an elastic pool goes on from there
            self.want(started(self.state.wanted, instances), "scale", by)
        else:
            self.want(stopped(self.state.wanted, f"scale ({by})"), "scale", by)

    def change_secret(self) -> None:
        """What opened every method until now opens none."""
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        for worker in self.workers.values():
            worker.configure({}, self.secret)

    def urls(self) -> list[str]:
        """Where its methods are called by TCP, with the secret."""
        addresses = [str(one["address"]) for one in self.ingress.describe()]
        return [f"http://{one}/{self.secret}/" for one in addresses if not one.startswith("/")]

    def send(self, signal: int, places: Collection[int]) -> list[int]:
        """Send a signal to all its processes, or to those of some instances; return their pids."""
        members = self.state.members.values()
        runs = [m.number for m in members if not places or m.place in places]
        workers = [self.workers[number] for number in runs if number in self.workers]
        for worker in workers:
            worker.signal(signal)
        return [worker.pid for worker in workers if worker.pid is not None]

    @property
    def has_failed(self) -> bool:
        """It, or one of its instances, is not tried again before long."""
        standings = {place.standing for place in self.state.places.values()}
        return bool(self.state.paused) or bool(standings & {Standing.FAILED, Standing.BACKOFF})

    def _refused(self, what: str, who: str) -> None:
        self.history.refused(clock.moment(), what, who)
        self.around.changed(self)

    def note(self, command: str, by: str) -> None:
        """A command that changes nothing of what runs."""
        self.history.commanded(clock.moment(), command, by)
        self.around.changed(self)

    def forgive(self, by: str) -> None:
        """What failed before is tried again; what is wanted stays."""
        self.want(self.state.wanted, "reset-failed", by)

    # --- the actor ---

    def feed(self, number: int, event: Event) -> None:
        """Something happened to a run."""
        if isinstance(event, BecameReady):
            event = self._gate(number, event)
        self.state, output = actor.happen(self.state, number, event, random())  # noqa: S311  spread
        self._perform(output)
        self.look()

    def _gate(self, number: int, event: Event) -> Event:
        """A new generation whose methods are fewer may be refused: then it has not become ready."""
        member, fallback = self.state.members.get(number), self.state.fallback
        if member is None or fallback is None or member.generation == fallback:
            return event
        update = self.specs[member.generation].update
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
        lives = self.state.wanted.instances or self.state.members
        self.listening.keep(self.spec.listen if self.spec is not None and lives else (), now)
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
            self.around.changed(self)
        rolls_back = self.spec is not None and self.spec.update.failure_action == "rollback"
        if self.state.paused and rolls_back:
            log.error("update failed, rolled back service=%s: %s", self.name, self.state.paused)
            self.roll_back("update.failure_action")

    def _circumstances(self, now: float) -> Circumstances:
        load: Load | None = self.demand.load()
        if len(self.grants) and self.demand.must_ask(self.state, now):
            self.demand.ask(self.ready_workers())
            load = None
        around = replace(
            self.around.circumstances(self),
            occupied=frozenset(self.orphans),
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

    # --- effects ---

    def _perform(self, output: list[Output]) -> None:
        for one in output:
            if isinstance(one, Effect):
                self._EFFECTS[one.action](self, one.member)
            else:
                worker = self.workers.get(one.member.number)
                pid = worker.pid if worker is not None else None
                self.history.moved(clock.moment(), one, pid)

    def _spawn(self, member: Member) -> None:
        around, number = self.around, member.number
        launch = self.launch(member, secrets.token_hex(8))
        kind = Worker if launch.spec.is_kitten else Program
        worker = kind(around.loop, around.reaper, around.starter, launch, self.hears(number))
        self.workers[number] = worker
        worker.start()

    def hears(self, number: int) -> Listener:
        """What a worker says comes to us."""
        return Listener(
            event=lambda event: self.feed(number, event),
            progress=lambda said: self._progress(number, said),
            asks=lambda ask: self.around.asked(self, self.workers[number], ask),
            moved=lambda said, fds: self.ingress.moved(number, said.ids, fds),
        )

    def launch(self, member: Member, mark: str) -> Launch:
        """All that a run is made from; `mark` is its own."""
        spec = self.specs[member.generation]
        return Launch(
            service=self.name,
            instance=member.place,
            run=member.number,
            spec=spec,
            secret=self.secret,
            state_dir=self.around.folder / self.name,
            log_file=self.log_file(member.place),
            open_files=self.around.open_files,
            mark=mark,
            meetings=self.around.meetings,
            listeners=self.ingress.copies,
            generation=0 if member.generation in self._resumed else member.generation,
        )

    def _admit(self, member: Member) -> None:
        worker = self.workers[member.number]
        if worker.launch.spec.is_kitten:
            self.ingress.admit(member.number, worker.channel)

    def _withdraw(self, member: Member) -> None:
        self.ingress.withdraw(member.number)

    def _drain(self, member: Member) -> None:
        left = (member.run.deadline or 0.0) - self._now()
        stays = bool(self.state.wanted.instances)  # another run goes on with kept connections
        self.workers[member.number].say(messages.Drain(seconds=max(0.0, left), moves=stays))

    def _quit(self, member: Member) -> None:
        left = member.run.stop_by - self._now()
        self.workers[member.number].say(messages.Quit(seconds=max(0.0, left)))

    def _signal(self, member: Member) -> None:
        self.workers[member.number].signal(self.specs[member.generation].service.kill_signal)

    def _dump_stacks(self, member: Member) -> None:
        self.workers[member.number].dump_stacks()

    def _kill(self, member: Member) -> None:
        self.workers[member.number].kill()

    def _report_stuck(self, member: Member) -> None:
        pid = self.workers[member.number].pid
        log.error("worker stuck service=%s instance=%d pid=%s", self.name, member.place, pid)

    def _sweep(self, member: Member) -> None:
        worker = self.workers.pop(member.number)
        worker.sweep()
        self.ingress.gone(member.number)
        self.grants.gone(member.number)

    def _progress(self, number: int, said: messages.Progress) -> None:
        self.ingress.progress(number, said)
        self.grants.progress(number, said)

    _EFFECTS: dict[Action, Callable[[Service, Member], None]] = {  # noqa: RUF012  a table
        Action.SPAWN: _spawn,
        Action.ADMIT: _admit,
        Action.WITHDRAW: _withdraw,
        Action.DRAIN: _drain,
        Action.QUIT: _quit,
        Action.SIGNAL: _signal,
        Action.DUMP_STACKS: _dump_stacks,
        Action.KILL: _kill,
        Action.REPORT_STUCK: _report_stuck,
        Action.SWEEP: _sweep,
    }

    # --- what others ask ---

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
    def is_up(self) -> bool:
        """Others that need it may start."""
        return service_word(self.state) in UP

    def log_file(self, instance: int) -> Path:
        """The log of one instance."""
        return self.around.logs / f"{self.name}-{instance}.log"

    def renew_log(self, instance: int) -> None:
        """Its log has been renamed: whoever writes to it gets the new one."""
        for worker in self.workers.values():
            if worker.launch.instance == instance:
                worker.renew_log()

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

    def close(self) -> None:
        """Nothing runs any more: let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
        self.demand.close()
        self.ingress.close()
