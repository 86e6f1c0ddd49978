"""Which service gets a request that came by a shared listener: the longest path wins, then the host.

A path is matched by whole segments: "/api" is "/api" and what is below it, not
"/apis". A route that names methods is stronger than one of the same host and
path that takes any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from .listeners import RouteSpec
from .spec import ServiceSpec


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request's head decides where it goes."""

    method: str
    host: str  # as the client wrote it
    path: str  # percent-encoded, without the query


@dataclass(frozen=True, slots=True)
class Route:
    """One [[route]] of a service."""

    service: str
    spec: RouteSpec

    def takes(self, method: str, host: str, path: str) -> bool:
        """Is this request, whose host and path are in their plain form, one of its own?"""
        spec = self.spec
        return (
            spec.host in {"", host}
            and (not spec.methods or method in spec.methods)
            and _is_below(path, spec.path)
        )

    @property
    def strength(self) -> tuple[int, bool, bool]:
        """Of two that take a request, the one with more of it has it."""
        return len(self.spec.path), bool(self.spec.host), bool(self.spec.methods)


Table = Mapping[str, Sequence[Route]]  # by listener, the strongest first


def table(specs: Iterable[ServiceSpec]) -> dict[str, list[Route]]:
    """All routes of these services."""
    found: dict[str, list[Route]] = {}
    for spec in specs:
        for one in spec.route:
            found.setdefault(one.listen, []).append(Route(spec.name, one))
    for routes in found.values():
        routes.sort(key=lambda route: route.strength, reverse=True)
    return found


def choose(routes: Iterable[Route], request: Request) -> str | None:
    """The service; None where none has said that it takes this."""
    host, path = plain_host(request.host), plain_path(request.path)
    return next((one.service for one in routes if one.takes(request.method, host, path)), None)


def clash(one: RouteSpec, other: RouteSpec) -> bool:
    """Could nobody say which of these two a request belongs to?"""
    same = (one.listen, one.host, one.path) == (other.listen, other.host, other.path)
    either = bool(one.methods) is not bool(other.methods)  # the one with methods is stronger
    return same and not either and (not one.methods or bool({*one.methods} & {*other.methods}))


def clashes(routes: Sequence[RouteSpec]) -> list[int]:
    """The numbers of those that repeat what another one before them says."""
    pairs = combinations(range(len(routes)), 2)
    return sorted({late for early, late in pairs if clash(routes[early], routes[late])})


def plain_host(host: str) -> str:
    """Without a port, in small letters; an address of IPv6 without its brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def plain_path(path: str) -> str:
    """Percent-encoded letters are the letters themselves, "." and ".." are gone over."""
    kept: list[str] = []
    parts = _decoded(path).split("/")
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part not in {"", "."}:
            kept.append(part)
    return "/" + "/".join(kept)


def _decoded(path: str) -> str:
    first, *rest = path.split("%")
    text = first
    for part in rest:
        try:
            text += bytes.fromhex(part[:2]).decode("latin-1") + part[2:]
        except ValueError:
            text += f"%{part}"
    return text


def _is_below(path: str, top: str) -> bool:
    return top in {"/", path} or path.startswith(f"{top}/")
