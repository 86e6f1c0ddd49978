"""What is wrong with definitions that are right each by itself: names that are not there, circles."""

from __future__ import annotations

from collections.abc import Mapping

from .order import circle, insists_on, waits_for
from .parse import Problem
from .spec import ServiceSpec


def check_together(specs: Mapping[str, ServiceSpec]) -> dict[str, list[Problem]]:
    """Problems by service; a service that is not in the result has none."""
    needs = {name: waits_for(spec.dependencies) for name, spec in specs.items()}
    found: dict[str, list[Problem]] = {}
    for name, spec in specs.items():
        problems = [
            _missing(spec, other) for other in insists_on(spec.dependencies) if other not in specs
        ]
        around = circle(name, needs)
        if around:
            problems.append(_circle(spec, around))
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


def _at(spec: ServiceSpec, key: str, why: str, hint: str) -> Problem:
    file, (line, column) = spec.origins.get(key, (spec.file, (0, 0)))
    return Problem(file, why, line, column, key, hint=hint)
