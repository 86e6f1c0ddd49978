"""What services mean to each other: who needs whom, who waits, stops and rests with whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kettlingard.core.order import blockers, dependents, pulled_in, pulls_in, start_order, waits_for
from kettlingard.core.spec import DependencyKeys
from kettlingard.core.words import Word

from .running import Running

QUIET = frozenset({Word.READY, Word.HELD, Word.INACTIVE, Word.DISABLED, Word.INVALID})
RESTING = frozenset({Word.FAILED, Word.STOPPING, *(QUIET - {Word.READY, Word.HELD})})


class Bonds:
    """Reads the definitions of all services as they are now."""

    def __init__(self, services: Mapping[str, Running]) -> None:
        self._services = services

    def start_order(self) -> list[str]:
        """All services; those that others wait for come first."""
        return start_order(self.needs())

    def needs(self) -> dict[str, Collection[str]]:
        """For each service, who must be ready before it."""
        return {name: waits_for(keys) for name, keys in self._dependencies().items()}

    def pulled_in(self, names: Collection[str]) -> list[str]:
        """Services and all that they pull in."""
        pulls = {n: pulls_in(keys) for n, keys in self._dependencies().items()}
        return [n for n in pulled_in(names, pulls) if n in self._services]

    def to_start(self, name: str) -> list[str]:
        """A service and all that it pulls in and that does not run, in order of their start."""
        names = self.pulled_in([name])
        resting = [n for n in names if n == name or not self._services[n].state.wanted.instances]
        return [n for n in self.start_order() if n in resting]

    def required(self) -> set[str]:
        """All that others require: the rest is `needed_by` nobody."""
        specs = [one.spec for one in self._services.values() if one.spec is not None]
        return {name for spec in specs for name in spec.dependencies.requires}

    def required_by(self, name: str) -> list[str]:
        """Those that name it in their `requires`."""
        return [n for n, keys in self._dependencies().items() if name in keys.requires]

    def needed_by(self, name: str, *, running: bool = False) -> list[str]:
        """Those that require it; with `running`, only those that are wanted now."""
        requires = {n: keys.requires for n, keys in self._dependencies().items()}
        found = dependents(name, requires)
        return [n for n in found if not running or self._services[n].state.wanted.instances]

    def parts_of(self, name: str) -> list[str]:
        """Those that are stopped and restarted with it, directly or not."""
        return dependents(name, {n: keys.part_of for n, keys in self._dependencies().items()})

    def waits_for(self, service: Running) -> list[str]:
        """Who must be ready before this service may start."""
        if service.spec is None:
            return []
        needs = service.spec.dependencies
        # Asked of each service at each change: only those that it names are looked at.
        if not waits_for(needs):
            return []
        named = {name: self._services[name] for name in waits_for(needs) if name in self._services}
        ready = {name for name, other in named.items() if other.is_up}
        wanted = {name for name, other in named.items() if other.state.wanted.instances}
        return blockers(needs, ready, wanted)

    def _dependencies(self) -> dict[str, DependencyKeys]:
        return {
            name: one.spec.dependencies if one.spec is not None else DependencyKeys()
            for name, one in self._services.items()
        }

    def bound_to_rest(self, service: Running) -> str:
        """Why it cannot go on: what it binds to has failed or was stopped."""
        bound = service.spec.dependencies.binds_to if service.spec is not None else ()
        for name in bound:
            other = self._services.get(name)
            if other is None or (not other.is_up and other.word in RESTING):
                return f"bound to {name}"
        return ""
