"""Names of users and groups become numbers: once, when a definition is read."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterable

from kettlingard.core.rights import Rule, Whom

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
