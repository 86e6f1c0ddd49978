"""What a definition asks for that this machine, or this supervisor's rights, cannot give."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from msgspec import Struct, field

from kettlingard.core import limits
from kettlingard.core.spec import ServiceSpec

from . import cgroup, journal
from .accounts import account, is_ours, owner_of
from .listeners import is_path

NOT_ROOT = (
    "with --system a service runs as a user other than root; "
    'write user = "NAME" (or allow_root = true in kettlingard.toml)'
)

Wrong = tuple[str, str]  # dotted key, and why it cannot be done here


class House(Struct, frozen=True):
    """The rules of one supervisor."""

    users_needed: bool = False  # nothing runs as root that does not say who it runs as
    cgroups: cgroup.Cgroups = field(default_factory=cgroup.machine)  # what a limit may use


def impossible(spec: ServiceSpec, house: House) -> list[Wrong]:
    """Everything of this definition that cannot be done here."""
    return [
        *_user(spec, house),
        *_journal(spec),
        *_limits(spec, house),
        *_url_file(spec),
        *_sockets(spec),
    ]


def _sockets(spec: ServiceSpec) -> Iterator[Wrong]:
    for number, one in enumerate(spec.listen):
        try:
            uid, gid = owner_of(one.socket_user, one.socket_group)
        except ValueError as why:
            yield f"listen[{number}].socket_{'user' if 'user' in str(why) else 'group'}", str(why)
            continue
        if os.geteuid() and uid not in {-1, os.geteuid()}:
            yield f"listen[{number}].socket_user", "only root can give a socket away"
        if os.geteuid() and gid not in {-1, os.getegid(), *os.getgroups()}:
            yield f"listen[{number}].socket_group", "we are not in this group"


def _url_file(spec: ServiceSpec) -> Iterator[Wrong]:
    """The socket is for services of our own user; others have nothing to be written but TCP."""
    keys = spec.service
    if not spec.access.url_file or not keys.user or any(not is_path(o.stream) for o in spec.listen):
        return
    with suppress(ValueError):  # said above
        if not is_ours(account(keys.user, keys.group, keys.supplementary_groups).ids):
            yield "access.url_file", "a service of another user needs a TCP listener for this"


def _limits(spec: ServiceSpec, house: House) -> Iterator[Wrong]:
    for name in limits.given(spec.resources):
        why = house.cgroups.lacks(limits.controllers([name]))
        if why:
            yield f"resources.{name}", f"{why}; remove it"


def _journal(spec: ServiceSpec) -> Iterator[Wrong]:
    why = journal.missing() if spec.log.target == "journal" else ""
    if why:
        yield "log.target", f"{why}; use file or inherit"


def _user(spec: ServiceSpec, house: House) -> Iterator[Wrong]:
    keys = spec.service
    if not keys.user:
        for name in ("group", "supplementary_groups"):
            if getattr(keys, name):
                yield f"service.{name}", "needs service.user beside it"
        if house.users_needed:
            yield "service.user", f"is missing: {NOT_ROOT}"
        return
    try:
        found = account(keys.user, keys.group, keys.supplementary_groups)
    except ValueError as why:
        yield "service.user", str(why)
        return
    if house.users_needed and found.ids.uid == 0:
        yield "service.user", NOT_ROOT
    if os.geteuid() != 0 and not is_ours(found.ids):
        yield "service.user", "only a kettlingard of root can start processes of other users"
