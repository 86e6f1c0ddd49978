"""Kinds of value that speak of the network: where to listen, who may come, which requests."""

from __future__ import annotations

import ipaddress
import re

from .values import TEXT, Kind, matches, matching, show, wrong

_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
_PREFIX = re.compile(r"(?:/[^/\s?#%]+)+/?|/")
_METHOD = re.compile(r"[A-Z]+")


def _address(value: object) -> str:
    """host:port, [v6]:port or /path.sock, as it is."""
    text: str = TEXT.read(value)
    if text.startswith("/"):
        return text
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise wrong(value, '"host:port", "[::]:port" or "/path.sock"')
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{show(value)}: {show(port)} is not a port of 0 to 65535")
    return text


def _host(value: object) -> str:
    """A name or an address, as a client says it in its Host header."""
    text: str = TEXT.read(value).lower().removesuffix(".")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _HOST.fullmatch(bare):
        raise wrong(value, "the name or the address of a host, without a port")
    return bare


def _prefix(value: object) -> str:
    """A path without a slash at its end, but for "/" itself."""
    text: str = TEXT.read(value)
    if not _PREFIX.fullmatch(text) or {".", ".."} & {*text.split("/")}:
        raise wrong(value, 'a path such as "/" or "/api"')
    return text.rstrip("/") or "/"


def _network(value: object) -> str:
    """An address or a network; without a mask it is the one address."""
    try:
        return str(ipaddress.ip_network(TEXT.read(value)))
    except ValueError:
        raise wrong(value, 'an address or a network such as "10.0.0.0/8"') from None


ADDRESS = Kind('"host:port" or "/path.sock"', _address, form=TEXT.form)
HOST = Kind("host", _host, form=TEXT.form)
PREFIX = Kind("path of a URL", _prefix, form=matches(_PREFIX))
METHOD = Kind(
    "HTTP method",
    matching(_METHOD, 'a method in capital letters, such as "GET"'),
    form=matches(_METHOD),
)
NETWORK = Kind("address or network", _network, form=TEXT.form)
