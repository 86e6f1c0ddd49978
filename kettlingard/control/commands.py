"""What ctl asks for, as intents on services, and the progress of it as it comes.

A command changes what is wanted and then only watches: when its caller goes
away, it is done all the same. A later command for the same service supersedes
it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from kettlingar.errors import BadRequest, Conflict, NotFound
from kettlingard.core.goal import Outlook, until_ready, until_stopped
from kettlingard.core.plan import changes
from kettlingard.core.state import ServiceState
from kettlingard.core.words import Word, note
from kettlingard.daemon import Daemon
from kettlingard.services.service import Service

Goal = Callable[[ServiceState, Word, float], Outlook]
Item = dict[str, Any]

LOOK_AGAIN = 1.0  # seconds; some goals are reached by time alone
SLACK = 10.0  # seconds beyond what definitions allow for


class Target(Struct):
    """A service, or some of its instances, as `SVC` and `SVC/N` name them."""

    service: Service
    places: set[int] = field(default_factory=set)  # empty: all of it


def targets(daemon: Daemon, names: Sequence[str]) -> list[Target]:
    """Read names. NotFound for a service or instance that is not there."""
    found: dict[str, Target] = {}
    for name in names:
        service_name, slash, number = name.partition("/")
        if service_name not in daemon.services:
            daemon.reread(service_name)
        service = daemon.find(service_name)
        target = found.setdefault(service_name, Target(service))
        if slash:
            target.places.add(_place(service, number))
    if not found:
        raise BadRequest("say which services, or --all")
    return list(found.values())


def _place(service: Service, text: str) -> int:
    state = service.state
    known = {m.place for m in state.members.values()} | set(range(1, state.wanted.instances + 1))
    if not text.isdecimal() or int(text) not in known:
        numbers = ", ".join(map(str, sorted(known))) or "none"
        raise NotFound(f"no such instance: {service.name}/{text}; there are: {numbers}")
    return int(text)


class Commands:
    """start, stop and restart of one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def start(self, wanted: Sequence[Target], by: str, *, deps: bool = True) -> list[Item]:
        """Have them run, with all that they need; what is said about it at once."""
        self.refuse_while_draining()
        said: list[Item] = []
        for target in wanted:
            if target.places:
                target.service.start(by, target.places)
                continue
            name = target.service.name
            for one in self._daemon.bonds.to_start(name) if deps else [name]:
                self._daemon.remembered.stopped(one, yes=False)
                said += self._start_one(self._daemon.find(one), by)
        return said

    def _start_one(self, service: Service, by: str) -> list[Item]:
        idle = not service.state.members
        spec = self._daemon.reread(service.name).spec if idle else service.spec
        if service.problems:
            return problems_of(service)
        assert spec is not None
        if idle and service.spec != spec:
            service.define(spec)
        service.start(by)
        return []

    def stop(self, wanted: Sequence[Target], by: str, *, force: bool, drain: bool) -> list[Item]:
        """Have them end. Conflict if one is required by what goes on running."""
        wanted = self._with_parts(wanted)
        together = {target.service.name for target in wanted if not target.places}
        for name in sorted(together):
            needing = [
                n for n in self._daemon.bonds.needed_by(name, running=True) if n not in together
            ]
            if needing and not force:
                raise Conflict(
                    f"{name}: needed by {', '.join(needing)} (requires); "
                    f"stop {'both' if len(needing) == 1 else 'all'} with --with-dependents, or --force"
                )
        for target in wanted:
            if not target.places:
                self._daemon.remembered.stopped(target.service.name, yes=True)
            target.service.stop(by, target.places, drain=drain)
        return []

    def _with_parts(self, wanted: Sequence[Target]) -> list[Target]:
        """And those that are `part_of` one of them, as far as they run."""
        names = {target.service.name for target in wanted if not target.places}
        parts = [n for name in sorted(names) for n in self._daemon.bonds.parts_of(name)]
        more = [n for n in dict.fromkeys(parts) if n not in names]
        found = [self._daemon.find(name) for name in more]
        return [*wanted, *(Target(one) for one in found if one.state.wanted.instances)]

    def with_dependents(self, wanted: Sequence[Target]) -> list[Target]:
        """And those that run and require one of them."""
        names = [target.service.name for target in wanted if not target.places]
        needing = [n for name in names for n in self._daemon.bonds.needed_by(name, running=True)]
        more = [n for n in dict.fromkeys(needing) if n not in names]
        return [*wanted, *(Target(self._daemon.find(name)) for name in more)]

    def restart(
        self, wanted: Sequence[Target], by: str, *, now: bool = False, allow_break: bool = False
    ) -> list[Item]:
        """Replace what runs by new runs, with the definition that is on disk now.

        With `now` the old ones are cut at once, and nothing is served until the new ones are ready.
        """
        self.refuse_while_draining()
        said: list[Item] = []
        for target in self._with_parts(wanted):
            if now:
                target.service.cut(by, target.places)
            if target.places:
                target.service.renew(by, target.places)
            else:
                self._daemon.remembered.stopped(target.service.name, yes=False)
                said += self._restart_one(target.service, by, allow_break=allow_break)
        return said

    def _restart_one(self, service: Service, by: str, *, allow_break: bool) -> list[Item]:
        spec = self._daemon.reread(service.name).spec
        if spec is None:
            return problems_of(service)
        found = changes(service.spec, spec) if service.spec is not None else []
        said = [f"definition changed on disk: {', '.join(map(str, found))}"] if found else []
        service.restart(by, spec)
        if allow_break:
            service.break_allowed = service.state.wanted.generation
        update = spec.update
        said.append(
            f"generation {service.state.wanted.generation}, {update.order}, "
            f"{update.parallelism} at a time"
        )
        return [item(service, f"{service.name}: {text}") for text in said]

    def refuse_while_draining(self) -> None:
        """Raise Conflict if the daemon is about to end."""
        if self._daemon.state == "draining":
            raise Conflict("kettlingard is shutting down")

    # --- watching ---

    async def watch(
        self,
        goals: Mapping[Service, Goal],
        seconds: float | None,
        since: dict[str, int],
        *,
        whatever: bool = False,
    ) -> AsyncIterator[Item]:
        """Yield what happens until all have reached their goals; the last item says how it went.

        `seconds` None: as long as the definitions allow for. `since`: by service,
        the number of its last record that is not news. `whatever`: a new command
        changes nothing of what is waited for.
        """
        daemon, loop, services = self._daemon, self._daemon.loop, list(goals)
        deadline = loop.time() + (seconds if seconds is not None else _patience(services))
        intents = {service.name: service.intent for service in services}
        while True:
            for service in services:
                for record in service.history.after(since.get(service.name, 0)):
                    since[service.name] = record.number
                    yield item(service, f"  {service.name}{record.line}")
            if whatever:
                intents = {service.name: service.intent for service in services}
            looks = {s.name: self._outlook(s, goals[s], intents[s.name]) for s in services}
            timed_out = loop.time() >= deadline
            if timed_out or Outlook.GOING not in looks.values():
                for service in services:
                    if service.intent != intents[service.name]:
                        command, by = service.command
                        yield item(service, f"{service.name}: superseded by {command} ({by})")
                yield _result(services, looks, timed_out=timed_out)
                return
            await daemon.bell.wait(min(LOOK_AGAIN, deadline - loop.time()))

    def _outlook(self, service: Service, goal: Goal, intent: int) -> Outlook:
        if service.intent != intent:
            return Outlook.HOPELESS
        return goal(service.state, service.word, self._daemon.loop.time())


def _patience(services: Collection[Service]) -> float:
    """How long the definitions allow for, in seconds."""
    seconds = SLACK
    for service in services:
        if service.spec is not None:
            keys = service.spec.service
            one = keys.timeout_start + keys.timeout_stop + service.spec.update.monitor
            seconds += one * max(1, service.spec.pool.instances)
    return seconds


def problems_of(service: Service) -> list[Item]:
    """What is wrong with its definition, as items."""
    return [{**item(service, f"! {one}"), "refused": True} for one in service.problems]


def item(service: Service, text: str) -> Item:
    """One line of progress."""
    return {"service": service.name, "text": text, "_format": "%(text)s"}


def _result(services: Collection[Service], looks: dict[str, Outlook], *, timed_out: bool) -> Item:
    reached = all(look is Outlook.DONE for look in looks.values())
    return {
        "ok": reached,
        "timed_out": timed_out and Outlook.GOING in looks.values(),
        "services": {service.name: _how(service, looks[service.name]) for service in services},
    }


def _how(service: Service, look: Outlook) -> Item:
    command, by = service.command
    return {
        "state": service.word.value,
        "done": look is Outlook.DONE,
        "note": note(service.state, unbound=service.listening.problem),
        "last_command": f"{command} ({by})",
    }


READY: Goal = until_ready
STOPPED: Goal = until_stopped


def marks(services: Collection[Service]) -> dict[str, int]:
    """Where each history stands now, for `watch`."""
    return {service.name: service.history.last for service in services}


def refused(said: Collection[Item]) -> set[str]:
    """The services whose definitions kept them from being started."""
    return {item["service"] for item in said if item.get("refused")}
