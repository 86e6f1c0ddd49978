"""A request's path -> the name of a method, and whether a token stood in it.

Names are looked up in the method table and nowhere else: `__class__`, `a.b` or `../` are
just names that are not there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

ROOT = "web_root"  # the name of "/"
_MOST_KEPT: Final = 64  # characters of a path whose route is kept


class Route(Struct, frozen=True):
    """Where a path leads: `token` is true if its first segment was the service's secret.

    `path` is what follows prefix and token, undecoded, with its slash: what pages route by.
    A page's `arguments`, by place and by name, are what it took from path and query.
    """

    name: str
    token: bool
    path: str
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None


def route(path: str, is_token: Callable[[str], bool], prefix: str = "") -> Route | None:
    """Read `/TOKEN/purr`, `/purr` or `/` under `prefix`; None: the path lies outside of it.

    Segments are split before they are decoded (RFC 3986, section 2.4), so that an encoded
    slash is a part of a name.
    """
    rest = _below(_origin_form(path), prefix)
    if rest is None:
        return None
    first, slash, after = rest[1:].partition("/")
    if is_token(_decode(first)):
        return Route(_name(after), token=True, path="/" + after)
    if not slash:  # the usual case
        return _kept(rest) if len(rest) <= _MOST_KEPT else _named(rest)
    return Route(_name(rest[1:]), token=False, path=rest)


def _named(rest: str) -> Route:
    return Route(_decode(rest[1:]) or ROOT, token=False, path=rest)


_kept = lru_cache(maxsize=256)(_named)  # a service is asked for the same few methods


def normal_prefix(text: str) -> str:
    """A configured prefix as paths begin with it: "" or "/a/b"."""
    inner = text.strip("/")
    return f"/{inner}" if inner else ""


def _origin_form(path: str) -> str:
    """`http://host/x`, as sent to proxies, means `/x` here (RFC 9112, section 3.2.2)."""
    if path.startswith("/") or "://" not in path:
        return path
    _, slash, after = path.partition("://")[2].partition("/")
    return slash + after or "/"


def _below(path: str, prefix: str) -> str | None:
    if prefix:
        if path != prefix and not path.startswith(prefix + "/"):
            return None
        path = path[len(prefix) :] or "/"
    return path if path.startswith("/") else None


def _name(path: str) -> str:
    return "/".join(_decode(segment) for segment in path.split("/")) or ROOT


def _decode(segment: str) -> str:
    if "%" not in segment:
        return segment
    from urllib.parse import unquote

    return unquote(segment)
