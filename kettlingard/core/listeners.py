"""What a definition, or kettlingard.toml, may say of sockets and of what comes by them."""

from __future__ import annotations

from dataclasses import dataclass

from .addresses import ADDRESS, HOST, METHOD, NETWORK, PREFIX
from .amounts import DURATION, SIZE
from .keys import L, R, S, key_field
from .values import (
    BOOL,
    OCTAL,
    TEXT,
    at_least,
    choice,
    list_of,
)

OF_PATHS = ("socket_mode", "socket_user", "socket_group")
OF_ADDRESSES = ("freebind", "ipv6_only")
OF_PASSING = ("balance", "hold_timeout", "max_held")
URL_SOCKET = "url_file"  # the name of the listener of access.url_file
LISTENERS_KITTENS_ONLY = ("dispatch", "proxy_protocol", "proxy_from", *OF_PASSING)


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """[[listen]]: a socket that the supervisor owns from start to end."""

    name: str = key_field(TEXT, "", S, "its name", required=True)
    stream: str = key_field(ADDRESS, "", S, "host:port, [::]:port or /path.sock", required=True)
    backlog: int = key_field(at_least(1), 1024, S, "connections that the kernel keeps waiting")
    socket_mode: int = key_field(OCTAL, 0o660, S, "mode of a /path.sock")
    socket_user: str = key_field(TEXT, "", S, "owner of a /path.sock; default: kettlingard's")
    socket_group: str = key_field(TEXT, "", S, "group of a /path.sock; default: kettlingard's")
    freebind: bool = key_field(BOOL, False, S, "listen on an address that is not there yet")
    ipv6_only: bool = key_field(BOOL, False, S, "no IPv4 on [::]")
    dispatch: str = key_field(
        choice("pass", "share"),
        "pass",
        R,
        "who accepts: kettlingard, which passes connections on, or each worker by itself: a little "
        "faster, but nobody waits for one while none is ready, and they end with their worker",
    )
    balance: str = key_field(choice("least", "round-robin"), "least", L, "which worker")
    hold_timeout: float = key_field(DURATION, 10.0, L, "wait so long for a ready worker")
    max_held: int = key_field(at_least(0), 512, L, "and so many of them")
    proxy_protocol: bool = key_field(
        BOOL, False, R, "each connection begins with a PROXY header (1 or 2) that says who calls"
    )
    proxy_from: tuple[str, ...] = key_field(
        list_of(NETWORK),
        ("127.0.0.0/8", "::1/128"),
        R,
        "whose PROXY headers count; others are closed",
    )


@dataclass(frozen=True, slots=True)
class SharedListener(ListenerSpec):
    """[[listen]] of kettlingard.toml: a socket whose requests go to services by their [[route]]."""

    head_timeout: float = key_field(
        DURATION, 5.0, L, "for the head of a request, once it has begun"
    )
    max_head: int = key_field(SIZE, 16 << 10, L, "bytes of such a head")


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """[[route]]: requests of a listener of kettlingard.toml that are for this service."""

    listen: str = key_field(TEXT, "", L, "the name of that listener", required=True)
    host: str = key_field(HOST, "", L, "of this host only")
    path: str = key_field(PREFIX, "/", L, "of this path and what is below it; the longest wins")
    methods: tuple[str, ...] = key_field(list_of(METHOD), (), L, "with these HTTP methods only")

    def __str__(self) -> str:
        return f"{self.listen}: {' '.join(self.methods)} {self.host}{self.path}".replace(
            ":  ", ": "
        )
