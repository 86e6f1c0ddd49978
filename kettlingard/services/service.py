"""What people want of a service: another definition, a start, a stop, another size.

Each command changes what is wanted; what follows from that is Running's.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Mapping

from msgspec.structs import replace

from kettlingard.core import actor
from kettlingard.core.generations import Generations
from kettlingard.core.place import Hastened, Mended
from kettlingard.core.policies import policies_of
from kettlingard.core.spec import ServiceSpec
from kettlingard.core.state import ServiceState, Wanted
from kettlingard.core.vocabulary import StopWanted
from kettlingard.core.wishes import NOBODY, redefined, renewed, started, stopped
from kettlingard.host import clock

from .grants import owner, read_rights
from .running import SECRET_BYTES, Running
from .surroundings import Surroundings

log = logging.getLogger(__name__)


class Service(Running):
    """One service, as commands see it."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        self.intent = 0  # number of the last command
        self.command = ("", "")  # the last command, and who gave it
        self.scaled: int | None = None  # instances that somebody wants instead of the definition's

    # --- definitions ---

    def define(self, spec: ServiceSpec) -> None:
        """A definition: the first one, or a new generation of what runs."""
        generation = self._add(spec)
        self.state = actor.renew(self.state, generation, policies_of(spec), self._now())
        self._become(spec)
        in_use = {generation, self.state.fallback}
        in_use |= {member.generation for member in self.state.members.values()}
        self.generations = self.generations.kept(in_use)

    def resume(
        self, state: ServiceState, specs: Mapping[int, ServiceSpec], good: tuple[int, ...] = ()
    ) -> None:
        """Be what another supervisor has left. Its workers come one by one."""
        self.state = state
        known = tuple(number for number in good if number in specs)
        self.generations = Generations(specs, known, prepared=frozenset(specs))
        self.spec = specs[state.wanted.generation]
        self._become(self.spec)

    def _become(self, spec: ServiceSpec) -> None:
        self.ingress.leave_to_others(not spec.is_kitten)
        rights, unknown = read_rights(spec.access, owner())
        for sentence in unknown:
            log.warning("%s service=%s", sentence, self.name)
        self.grants.become(rights, self.ready_channels(), self.method_names())

    def _add(self, spec: ServiceSpec, *, prepared: bool = False) -> int:
        """A number that no definition has had."""
        number = self.generations.next_number(self.state.wanted.generation)
        self._overrule(spec)
        self.generations = self.generations.with_new(number, spec, prepared=prepared)
        return number

    def _overrule(self, spec: ServiceSpec) -> None:
        """This definition counts from now on; its `pool.instances`, if new, instead of a scale."""
        if self.spec is not None:
            before, pool = self.spec.pool, spec.pool
            if (before.instances, before.bounds) != (pool.instances, pool.bounds):
                self.scaled = None
        self.spec = spec

    def adjust(self, spec: ServiceSpec, by: str) -> None:
        """A definition whose changes need no new process."""
        assert self.spec is not None
        before = self.spec
        # A crash later is no reason to prepare again.
        prepared = spec.service.exec_start_pre == before.service.exec_start_pre
        generation = self._add(spec, prepared=prepared)
        self.state = actor.adjust(self.state, generation, policies_of(spec))
        self._become(spec)
        for worker in self.workers.values():
            worker.adjust(spec, before)
        self.want(redefined(self.state.wanted, self.instances), "apply", by)

    def roll_back(self, by: str) -> int | None:
        """The last definition that served comes back; return its generation, None: there is none."""
        fallback = self.state.fallback
        good = self.generations.before(self.state.wanted.generation)
        if fallback is not None:
            good, spec = fallback, self.generations.specs[fallback]
            self._overrule(spec)
            self.state = actor.retreat(self.state, policies_of(spec), self._now())
            self._become(spec)
        elif good is not None:
            spec = self.generations.specs[good]
            self.generations = self.generations.returned_to(good)
            self.define(spec)
        if good is not None:
            self.want(redefined(self.state.wanted, self.instances), "rollback", by)
        return good

    def update_failed(self, reason: str) -> None:
        """Go back, where the definition says so."""
        assert self.spec is not None
        if self.spec.update.failure_action == "rollback":
            log.error("update failed, rolled back service=%s: %s", self.name, reason)
            self.roll_back("update.failure_action")

    @property
    def instances(self) -> int:
        """How many there are to be when it runs; of an elastic pool, at most."""
        assert self.spec is not None
        return self.spec.pool.bounds[1] if self.scaled is None else self.scaled

    # --- commands ---

    def want(self, wanted: Wanted, command: str, by: str) -> None:
        """Somebody wants something else; what failed before is tried again."""
        self.intent += 1
        self.command = (command, by)
        self.history.commanded(clock.moment(), command, by)
        self.state = actor.want(self.state, wanted, forgive=True, now=self._now())
        self.around.remember(self)
        self.look()
        self.around.changed(self.name)

    def boot(self, held_back: frozenset[int]) -> None:
        """All instances but those that somebody has stopped before."""
        wanted = started(self.state.wanted, self.instances)
        self.want(replace(wanted, held_back=held_back), "start", "boot")

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
        self._publish()

    def send(self, signal: int, places: Collection[int]) -> list[int]:
        """Send a signal to all its processes, or to those of some instances; return their pids."""
        members = self.state.members.values()
        runs = [m.number for m in members if not places or m.place in places]
        workers = [self.workers[number] for number in runs if number in self.workers]
        for worker in workers:
            worker.signal(signal)
        return [worker.pid for worker in workers if worker.pid is not None]

    def note(self, command: str, by: str) -> None:
        """A command that changes nothing of what runs."""
        self.history.commanded(clock.moment(), command, by)
        self.around.changed(self.name)

    def forgive(self, by: str) -> None:
        """What failed before is tried again; what is wanted stays."""
        self.want(self.state.wanted, "reset-failed", by)

    def hasten(self, why: str, *, mended: bool = False) -> None:
        """What has failed is tried now, though nobody asked; what was given up too, if `mended`."""
        event = Mended(self._now()) if mended else Hastened(self._now())
        state = actor.hasten(self.state, event)
        if state != self.state:
            self.state = state
            self.history.told(clock.moment(), f"tried again: {why}")
            self.look()

    def renew_log(self, instance: int) -> None:
        """Its log has been renamed: whoever writes to it gets the new one."""
        for worker in self.workers.values():
            if worker.launch.instance == instance:
                worker.renew_log()
