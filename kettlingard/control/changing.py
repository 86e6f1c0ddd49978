"""plan, apply, scale, rollback, enable, reload: commands that change what a service is to be.

Decided as a whole before anything is done; a service whose file has problems
is left as it is, and the others go on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kettlingar.errors import BadRequest, Conflict, NotFound
from kettlingard.catalog import Definition
from kettlingard.core.plan import changes, needs_restart, softened
from kettlingard.core.spec import AccessKeys, ServiceSpec
from kettlingard.core.steps import Move, OnDisk, Planned, Running, steps
from kettlingard.daemon import Daemon
from kettlingard.services.grants import Grants, owner, read_rights
from kettlingard.services.service import Service

from .commands import READY, STOPPED, Goal, Item, item, problems_of

Goals = dict[Service, Goal]

MOST = 1000  # instances of one service


class Changing:
    """Commands that change definitions, or what holds instead of them."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    # --- plan and apply ---

    def plan(self, names: Collection[str] = ()) -> tuple[list[Planned], list[str]]:
        """What `apply` would do, and what is wrong with whole folders. NotFound for a name."""
        definitions, problems = self._daemon.catalog.read()
        known = {*definitions, *self._daemon.services}
        for name in names:
            if name not in known:
                self._daemon.find(name)  # raises
        running = {name: self._running(service) for name, service in self._daemon.services.items()}
        for name, one in definitions.items():
            fresh = name not in running and one.spec is not None
            if fresh and self._comes_up(name, one):
                running[name] = Running(None, comes_up=True)
        disk = {name: OnDisk(one.spec, one.problems) for name, one in definitions.items()}
        found = steps(running, disk)
        return [one for one in found if not names or one.name in names], problems

    def _comes_up(self, name: str, definition: Definition) -> bool:
        assert definition.spec is not None
        enabled = self._daemon.remembered.enabled(name)
        wanted = definition.spec.service.enabled if enabled is None else enabled
        return wanted and not self._daemon.remembered.is_stopped(name)

    def _running(self, service: Service) -> Running:
        runs = service.state.wanted.instances > 0
        untouched = service.intent == 0 and not runs
        comes_up = untouched and self._daemon.starts_by_itself(service)
        return Running(service.spec, runs, comes_up, live_settings(service))

    def grants_of(self, one: Planned) -> Grants:
        """Who may control it: as it is, or for a new one as its definition says."""
        service = self._daemon.services.get(one.name)
        if service is not None:
            return service.grants
        access = one.spec.access if one.spec is not None else AccessKeys()
        return Grants(one.name, read_rights(access, owner())[0])

    def apply(
        self, planned: Sequence[Planned], by: str, *, prune: bool
    ) -> tuple[Goals, list[Item]]:
        """Do it; what is to be waited for, and what is said at once."""
        goals: Goals = {}
        said: list[Item] = []
        for one in planned:
            if one.spec is not None:
                self._known(one)  # what pulls it in may be started before it
        for one in planned:
            if one.move is Move.REFUSE:
                service = self._daemon.learn(
                    Definition(one.name, one.problems[0].file, None, one.problems)
                )
                said += problems_of(service)
            elif one.move is Move.STOP:
                said += self._remove(one.name, by, goals) if prune else []
            elif one.move is Move.KEEP:
                self._known(one)  # and whatever was wrong with its file has been mended
            else:
                said += self._become(one, by, goals)
        return goals, said

    def _known(self, one: Planned) -> Service:
        assert one.spec is not None
        return self._daemon.learn(Definition(one.name, one.spec.file, one.spec))

    def _become(self, one: Planned, by: str, goals: Goals) -> list[Item]:
        assert one.spec is not None
        service = self._known(one)
        said = [item(service, f"{one.mark} {service.name}: {c}") for c in one.changes]
        if one.move is Move.START:
            if service.spec != one.spec:
                service.define(one.spec)
            said += self._start(service, by)
        elif one.move is Move.RESTART:
            service.restart(by, one.spec)
        else:
            service.adjust(one.spec, by)
        if service.state.wanted.instances:
            goals[service] = READY
        return said

    def _start(self, service: Service, by: str) -> list[Item]:
        """It, and what it pulls in, but for what somebody has stopped."""
        said = []
        for name in self._daemon.bonds.to_start(service.name):
            other = self._daemon.find(name)
            if other is service or self._daemon.may_start(other):
                other.start(by)
                why = "" if other is service else f" (pulled in by {service.name})"
                said.append(item(other, f"+ {name}{why}"))
        return said

    def _remove(self, name: str, by: str, goals: Goals) -> list[Item]:
        """Its file has gone: stop it, and forget it when it has ended."""
        service = self._daemon.find(name)
        self._daemon.leaving.add(name)
        service.stop(by)
        goals[service] = STOPPED
        return [item(service, f"- {name}")]

    # --- one service ---

    def reload(self, service: Service, by: str) -> list[Item]:
        """Take over what needs no new process; workers hear of their [config] again."""
        spec = self._daemon.reread(service.name).spec
        if spec is None:
            return problems_of(service)
        if service.spec is None or not service.state.members:
            raise Conflict(f"{service.name} does not run; start it: it reads its file then")
        found = softened(changes(service.spec, spec), live_settings(service))
        if needs_restart(found):
            keys = ", ".join(one.key for one in found if one.change.value == "restart")
            raise Conflict(f"cannot reload {service.name}: {keys} needs a restart")
        if found:
            service.adjust(spec, by)
        told = _tell(service, spec)
        said = [item(service, f"~ {service.name}: {one}") for one in found]
        number = len(service.ready_workers())
        what = f"{', '.join(told) or 'no settings'} told to {number} instance{'s'[: number != 1]}"
        return [*said, item(service, f"{service.name}: {what}")]

    def scale(self, wanted: dict[Service, int], by: str) -> Goals:
        """Other numbers of instances, until the definition's changes or the machine boots."""
        for service, number in wanted.items():
            if not 0 <= number <= MOST:
                raise BadRequest(f"cannot scale {service.name} to {number}: 0 to {MOST} can be")
            if service.spec is None:
                raise Conflict(f"cannot scale {service.name}: its definition has problems")
        for service, number in wanted.items():
            service.scale(by, number)
            self._daemon.remembered.stopped(service.name, yes=not number)
        return {service: READY if number else STOPPED for service, number in wanted.items()}

    def enable(self, service: Service, by: str, *, yes: bool) -> None:
        """Whether it starts with the daemon, from now on and whatever its definition says."""
        service.enabled_by = yes
        self._daemon.remembered.enable(service.name, yes=yes)
        service.note("enable" if yes else "disable", by)

    def roll_back(self, service: Service, by: str) -> list[Item]:
        """The last definition that served. NotFound if none is kept."""
        before = service.spec
        generation = service.roll_back(by)
        if generation is None or before is None:
            raise NotFound(f"{service.name} has no earlier generation that has served")
        assert service.spec is not None
        said = [f"{service.name}: {one}" for one in changes(before, service.spec)]
        said.append(
            f"{service.name}: the definition of generation {generation} again; its code is "
            "what is installed now, and its file is as it was: the next restart takes that"
        )
        return [item(service, text) for text in said]


def live_settings(service: Service) -> set[str]:
    """Keys of [config] that all its ready workers can take over."""
    heard = [set(w.ready.live_config) for w in service.ready_workers().values() if w.ready]
    return set.intersection(*heard) if heard else set()


def _tell(service: Service, spec: ServiceSpec) -> list[str]:
    live = live_settings(service)
    config = {name: value for name, value in spec.config.items() if name in live}
    if config:
        for worker in service.ready_workers().values():
            worker.configure(config)
    return sorted(config)
