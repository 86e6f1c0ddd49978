"""Names of users and groups become numbers: once, when a definition is read."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable

from msgspec import Struct

from kettlingard.core.rights import Rule, Whom

from .spawn import Ids

NOBODY = Rule(Whom.UID, number=-1)


def read_rules(texts: Iterable[str]) -> tuple[tuple[Rule, ...], list[str]]:
    """`any`, `uid:x`, `gid:x`, `service:x` -> rules, and a sentence for each that names nobody.

    A rule that names nobody allows nobody.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    for text in texts:
        try:
            rules.append(_rule(text))
        except (KeyError, ValueError):
            kind = "group" if text.startswith("gid:") else "user"
            problems.append(f'"{text}": this machine has no such {kind}')
            rules.append(NOBODY)  # still a rule: a list of unknown names is not an empty list
    return tuple(rules), problems


def _rule(text: str) -> Rule:
    kind, _, name = text.partition(":")
    whom = Whom(kind)
    if whom is Whom.ANY:
        return Rule(whom)
    if whom is Whom.SERVICE:
        return Rule(whom, service=name)
    return Rule(whom, number=_number(whom, name))


def _number(whom: Whom, name: str) -> int:
    if name.isascii() and name.isdecimal():
        return int(name)
    return pwd.getpwnam(name).pw_uid if whom is Whom.UID else grp.getgrnam(name).gr_gid


class Account(Struct, frozen=True):
    """A user as a process of theirs is to see itself."""

    name: str
    home: str
    ids: Ids

    @property
    def variables(self) -> dict[str, str]:
        """What says so in an environment."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}


def account(user: str, group: str = "", more: Iterable[str] = ()) -> Account:
    """A user by name or number, with the groups that they are in and `more`.

    Raises ValueError that names what this machine does not have.
    """
    entry = _user(user)
    gid = _gid(group) if group else entry.pw_gid
    groups = {*os.getgrouplist(entry.pw_name, gid), *map(_gid, more)}
    return Account(entry.pw_name, entry.pw_dir, Ids(entry.pw_uid, gid, tuple(sorted(groups))))


def owner_of(user: str, group: str) -> tuple[int, int]:
    """The numbers of a user and a group by their names; -1 where none is named.

    Raises ValueError that names what this machine does not have.
    """
    return _user(user).pw_uid if user else -1, _gid(group) if group else -1


def variables_of(uid: int) -> dict[str, str]:
    """How a process of this user is to see itself; nothing where nobody knows the user."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return {}
    return Account(entry.pw_name, entry.pw_dir, Ids(uid, entry.pw_gid)).variables


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise ValueError(f'this machine has no user "{name}"') from None


def _gid(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError(f'this machine has no group "{name}"') from None


def is_ours(ids: Ids) -> bool:
    """Do we have these rights, and no others, already?"""
    return (ids.uid, ids.gid) == (os.geteuid(), os.getegid()) and set(ids.groups) <= {
        ids.gid,
        *os.getgroups(),
    }
