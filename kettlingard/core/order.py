"""Who waits for whom: order of starts, reverse order of stops, circles by name.

`after`, `requires` and `binds_to` all mean: wait until it is ready. `requires`,
`binds_to` and `wants` pull the other one in; the first two insist that it exists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .spec import DependencyKeys

Needs = Mapping[str, Collection[str]]  # service -> those that must be ready first


def waits_for(dependencies: DependencyKeys) -> list[str]:
    """All that must be ready first, each once."""
    return list(dict.fromkeys((*insists_on(dependencies), *dependencies.after)))


def pulls_in(dependencies: DependencyKeys) -> list[str]:
    """All that a start of this one starts too."""
    return list(dict.fromkeys((*insists_on(dependencies), *dependencies.wants)))


def insists_on(dependencies: DependencyKeys) -> list[str]:
    """All without which this one cannot start."""
    return list(dict.fromkeys((*dependencies.requires, *dependencies.binds_to)))


def start_order(needs: Needs) -> list[str]:
    """All services, each after what it needs; equals by name. Circles come last."""
    waiting = {name: set(of) & set(needs) - {name} for name, of in needs.items()}
    order: list[str] = []
    while waiting:
        free = sorted(name for name, of in waiting.items() if not of)
        if not free:
            return order + sorted(waiting)
        order += free
        waiting = {name: of - set(free) for name, of in waiting.items() if name not in free}
    return order


def circle(name: str, needs: Needs) -> list[str]:
    """The shortest way from `name` over its needs back to itself; [] if there is none."""
    paths = [[name]]
    seen = {name}
    while paths:
        path = paths.pop(0)
        for other in sorted(needs.get(path[-1], ())):
            if other == name:
                return [*path, name]
            if other not in seen:
                seen.add(other)
                paths.append([*path, other])
    return []


def pulled_in(names: Collection[str], pulls: Needs) -> list[str]:
    """`names` and all that they pull in, directly or not."""
    found = dict.fromkeys(names)
    todo = list(names)
    while todo:
        for other in pulls.get(todo.pop(), ()):
            if other not in found:
                found[other] = None
                todo.append(other)
    return list(found)


def dependents(name: str, requires: Needs) -> list[str]:
    """Those that require `name`, directly or not."""
    found: dict[str, None] = {}
    todo = [name]
    while todo:
        needed = todo.pop()
        for other, of in sorted(requires.items()):
            if needed in of and other not in found and other != name:
                found[other] = None
                todo.append(other)
    return list(found)


def blockers(
    dependencies: DependencyKeys, ready: Collection[str], wanted: Collection[str]
) -> list[str]:
    """Who must still become ready before a start; what is only `after` counts while it is wanted."""
    return [
        name
        for name in waits_for(dependencies)
        if name not in ready and (name in insists_on(dependencies) or name in wanted)
    ]
