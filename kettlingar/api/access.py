"""Who calls, and may they? Decided from values; sockets and files are others' business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hmac import compare_digest

from msgspec import Struct

from .methods import Method

# Browsers and proxies send these on their own: what a page can plant there is no credential.
_NO_CREDENTIALS = frozenset({"referer", "user-agent", "cookie", "origin", "host", "authorization"})


class Caller(Struct, frozen=True):
    """A local client, as the kernel or the supervisor names it; `methods` None = all."""

    uid: int | None = None
    pid: int | None = None
    service: str = ""
    methods: frozenset[str] | None = None


class Identity(Struct, frozen=True):
    """What is known about a request's origin."""

    authorised: bool = False
    caller: Caller | None = None


NOBODY = Identity()


def same_secret(given: str, secret: str) -> bool:
    """Compare in a time that tells nothing but the length; any characters, an empty one never."""
    if len(given) != len(secret) or not secret:
        return False
    return compare_digest(
        given.encode("utf-8", "surrogatepass"), secret.encode("utf-8", "surrogatepass")
    )


def token_in_headers(headers: Mapping[str, str], secret: str) -> bool:
    """Is the token in `Authorization: Bearer`, or the whole value of a header of no other use?

    Names are lower case. Lengths are compared first: a token's length is no secret, and most
    headers are settled by it.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same_secret(given.strip(), secret):
        return True
    length = len(secret)
    for name, value in headers.items():
        if len(value) == length and name not in _NO_CREDENTIALS and same_secret(value, secret):
            return True
    return False


def host_allowed(headers: Mapping[str, str], allowed: Sequence[str]) -> bool:
    """Do Host and Origin (RFC 6454, section 7) name a host that the service answers to?

    `allowed` has names (any port) or `name:port`; none means that everything is. For TCP only:
    on a unix socket there is no browser to protect against.
    """
    if not allowed:
        return True
    wanted = {_plain(name) for name in allowed}
    if not _host_in(headers.get("host", ""), wanted):
        return False
    origin = headers.get("origin")
    return origin is None or _host_in(origin.partition("://")[2], wanted)


def may_call(identity: Identity, method: Method) -> bool:
    """Public methods are everybody's; the others need credentials that reach so far."""
    if method.public:
        return True
    caller = identity.caller
    return identity.authorised and (
        caller is None or caller.methods is None or method.name in caller.methods
    )


def _plain(host: str) -> str:
    return host.strip().lower().rstrip(".")


def _host_in(authority: str, wanted: set[str]) -> bool:
    authority = _plain(authority)
    if not authority or "@" in authority:
        return False
    if authority in wanted:
        return True
    name, colon, port = authority.rpartition(":")
    if not colon or not port.isdecimal():
        return authority.strip("[]") in wanted
    return _plain(name) in wanted or name.strip("[]") in wanted
