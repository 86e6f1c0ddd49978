"""What is wrong with definitions that are right each by itself: names that are not there, circles,
requests that two want."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from . import routes
from .order import circle, insists_on, waits_for
from .parse import Problem
from .spec import ServiceSpec


def check_together(
    specs: Mapping[str, ServiceSpec], shared: Collection[str] | None = None
) -> dict[str, list[Problem]]:
    """Problems by service; a service that is not in the result has none.

    `shared` are the names of kettlingard.toml's listeners; None: nobody knows them here.
    """
    needs = {name: waits_for(spec.dependencies) for name, spec in specs.items()}
    found: dict[str, list[Problem]] = {}
    for name, spec in specs.items():
        problems = [
            _missing(spec, other) for other in insists_on(spec.dependencies) if other not in specs
        ]
        around = circle(name, needs)
        if around:
            problems.append(_circle(spec, around))
        problems += _lost_routes(spec, shared)
        problems += _claimed_routes(spec, specs)
        if problems:
            found[name] = problems
    return found


def _missing(spec: ServiceSpec, other: str) -> Problem:
    why = f'there is no service "{other}"'
    key = "requires" if other in spec.dependencies.requires else "binds_to"
    return _at(spec, f"dependencies.{key}", why, "add its definition, or remove it here")


def _circle(spec: ServiceSpec, around: list[str]) -> Problem:
    key = (
        "dependencies.requires" if around[1] in spec.dependencies.requires else "dependencies.after"
    )
    why = f"the services wait for each other in a circle: {' -> '.join(around)}"
    return _at(spec, key, why, "remove one of these dependencies")


def _lost_routes(spec: ServiceSpec, shared: Collection[str] | None) -> Iterator[Problem]:
    for number, route in enumerate(spec.route):
        if shared is not None and route.listen not in shared:
            why = f'kettlingard.toml has no [[listen]] with the name "{route.listen}"'
            there = f"there are: {', '.join(shared)}" if shared else "there are none"
            yield _at(spec, f"route[{number}].listen", why, there)


def _claimed_routes(spec: ServiceSpec, specs: Mapping[str, ServiceSpec]) -> Iterator[Problem]:
    for number, route in enumerate(spec.route):
        for name, other in specs.items():
            if name != spec.name and any(routes.clash(route, theirs) for theirs in other.route):
                where = f"{route.host or 'any host'}, {route.path}"
                why = f"{name} claims the same requests of {route.listen} ({where})"
                yield _at(
                    spec, f"route[{number}]", why, "let one of them have another host or path"
                )


def _at(spec: ServiceSpec, key: str, why: str, hint: str) -> Problem:
    file, (line, column) = spec.origins.get(key, (spec.file, (0, 0)))
    return Problem(file, why, line, column, key, hint=hint)
