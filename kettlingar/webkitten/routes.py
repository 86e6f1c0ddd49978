"""Paths of pages -> methods, by patterns such as `/pages/<slug:name>/`. Pure.

The first route of the list that fits is taken. Segments are split before they are
decoded, and what could lead out of a folder (`..`, an encoded slash, NUL) fits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from uuid import UUID

NOT_FOUND = "404"  # the path of the route that shows what is not there
_NEVER = frozenset({".", ".."})

# name: (what a segment looks like, how it is read)
CONVERTERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "slug": (r"[A-Za-z0-9_-]+", str),
    "int": (r"-?[0-9]{1,18}", int),
    "float": (r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?", float),
    "uuid": (r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", UUID),
}  # fmt: skip
_FIELD = re.compile(r"<(?:([a-z]+):)?([A-Za-z][A-Za-z0-9_]*)>")


@dataclass(frozen=True, slots=True)
class Route:
    """One page: where it is, which method makes it, and what shows it.

    `path` may hold `<name>` and `<converter:name>`: str, slug, int, float, uuid; "404" is
    the page for what is not there. `handler` is a method's name in the class; with a
    `template`, its result (a dict) is what the template shows. `public` pages need no
    credentials, whatever the handler's own access is. `methods` are those of HTTP (HEAD
    comes with GET). `subpaths` lets longer paths in: the rest is the argument of that name,
    or with True the first argument. `qs` lets the query string in: True, or names.
    """

    path: str
    handler: str
    template: str | None = None
    public: bool = False
    methods: Sequence[str] = ("GET",)
    subpaths: bool | str = False
    qs: bool | Collection[str] = False

    @property
    def http_methods(self) -> frozenset[str]:
        """The methods in capitals, HEAD with GET."""
        given = (self.methods,) if isinstance(self.methods, str) else self.methods
        methods = {method.upper() for method in given}
        return frozenset(methods | {"HEAD"} if "GET" in methods else methods)

    def query_allowed(self, name: str) -> bool:
        """Whether a field of the query string is an argument."""
        return self.qs if isinstance(self.qs, bool) else name in self.qs


@dataclass(frozen=True, slots=True)
class Match:
    """A route that fits a path, and the arguments that were in the path."""

    route: Route
    args: tuple[str, ...]
    values: dict[str, Any]


_Segment = tuple[re.Pattern[str], dict[str, Callable[[str], Any]]]


class Pattern:
    """A route's path, read."""

    __slots__ = ("_segments", "_slash", "route")

    def __init__(self, route: Route, prefix: str = "") -> None:
        """Raise ValueError if the path has a converter that does not exist, or a name twice."""
        path = f"{prefix.strip('/')}/{route.path.lstrip('/')}".lstrip("/")
        self.route = route
        self._slash = path.endswith("/") or not path or bool(route.subpaths)
        self._segments = [_segment(part, route) for part in path.rstrip("/").split("/") if part]
        names = [name for _, fields in self._segments for name in fields]
        if isinstance(route.subpaths, str):
            names.append(route.subpaths)
        if len(set(names)) < len(names):
            raise ValueError(f"route {route.path}: a name stands in it twice; rename one")

    def match(self, parts: Sequence[str], *, slash: bool) -> Match | None:
        """Return what the segments of a path, decoded, mean here."""
        own = len(self._segments)
        if len(parts) < own or (len(parts) > own and not self.route.subpaths):
            return None
        if slash and not self._slash:
            return None
        values: dict[str, Any] = {}
        for (pattern, fields), part in zip(self._segments, parts, strict=False):
            found = pattern.fullmatch(part)
            if found is None:
                return None
            for name, read in fields.items():
                values[name] = read(found[name])
        rest = parts[own:]
        return self._with_rest("/" + "/".join(rest) + "/" * slash if rest else "", values)

    def _with_rest(self, rest: str, values: dict[str, Any]) -> Match:
        subpaths = self.route.subpaths
        if rest and isinstance(subpaths, str):
            values[subpaths] = rest
        return Match(self.route, (rest,) if rest and subpaths is True else (), values)


def _segment(text: str, route: Route) -> _Segment:
    pattern, fields, end = "", {}, 0
    for field in _FIELD.finditer(text):
        kind, name = field[1] or "str", field[2]
        if kind not in CONVERTERS:
            known = ", ".join(CONVERTERS)
            raise ValueError(f"route {route.path}: {kind!r} is no converter; there are {known}")
        if name in fields:
            raise ValueError(f"route {route.path}: a name stands in it twice; rename one")
        shape, fields[name] = CONVERTERS[kind]
        pattern += re.escape(text[end : field.start()]) + f"(?P<{name}>{shape})"
        end = field.end()
    return re.compile(pattern + re.escape(text[end:])), fields


class Router:
    """All routes of a service under their prefix."""

    def __init__(self, routes: Iterable[Route], prefix: str = "") -> None:
        """Raise ValueError, one sentence, for a route that means nothing."""
        routes = list(routes)
        self.prefix = prefix.strip("/")
        self.not_found = next((r for r in routes if r.path == NOT_FOUND), None)
        self._patterns = [Pattern(r, prefix) for r in routes if r.path != NOT_FOUND]

    def match(self, path: str, method: str, *, private: bool) -> Match | None:
        """Return the first route that fits; without `private` only public ones do."""
        return next((m for m in self._fitting(path, private) if _takes(m.route, method)), None)

    def methods(self, path: str, *, private: bool) -> list[str]:
        """Return which HTTP methods a path has, for those who used another."""
        fitting = self._fitting(path, private)
        return sorted(frozenset().union(*(match.route.http_methods for match in fitting)))

    def _fitting(self, path: str, private: bool) -> Iterable[Match]:
        parts = split(path)
        if parts is None:
            return
        slash = path.endswith("/")
        for pattern in self._patterns:
            if private or pattern.route.public:
                match = pattern.match(parts, slash=slash)
                if match is not None:
                    yield match


def _takes(route: Route, method: str) -> bool:
    return method in route.http_methods


def split(path: str) -> list[str] | None:
    """Return a path's segments, decoded; None if one of them is no plain name."""
    inner = path.removeprefix("/").removesuffix("/")
    return plain_parts([unquote(part) for part in inner.split("/")]) if inner else []


def plain_parts(parts: list[str]) -> list[str] | None:
    """Return decoded segments if each is a name of its own, and leads nowhere else."""
    return parts if all(map(_is_plain, parts)) else None


def _is_plain(part: str) -> bool:
    return part != "" and part not in _NEVER and "/" not in part and "\0" not in part
