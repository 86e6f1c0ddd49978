"""Who may do what with a service: [access] against the one who asks.

The daemon's owner (its uid) and root may do everything; nobody else may do what
is not listed. A service that asks over its own channel is a service first: it
has its user's rights only where no rule was written, so that
`call = ["service:newsletter"]` means something although all services of a
`--user` daemon have one uid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum

from msgspec import Struct, field

ROOT = 0


class Verb(Enum):
    """The three verbs of [access]; the values are its keys."""

    STATUS = "status"  # look
    CALL = "call"  # call methods
    CONTROL = "control"  # start and stop


class Whom(Enum):
    """What a rule names; the values are what is written before the colon."""

    ANY = "any"
    UID = "uid"
    GID = "gid"
    SERVICE = "service"


class Rule(Struct, frozen=True):
    """One entry of a list: `uid:1000` is Rule(Whom.UID, number=1000)."""

    whom: Whom
    number: int = -1
    service: str = ""


class Asker(Struct, frozen=True):
    """Who asks, as the kernel says (SO_PEERCRED, SO_PEERGROUPS), or whose channel it came over."""

    uid: int
    gids: frozenset[int] = frozenset()
    service: str = ""  # empty: a process of its own, no service of ours

    def __str__(self) -> str:
        return f"service {self.service}" if self.service else f"uid {self.uid}"


class Rights(Struct, frozen=True):
    """[access] of one service, names of users and groups resolved."""

    owner: int  # the daemon's uid
    status: tuple[Rule, ...] = ()
    call: tuple[Rule, ...] = ()
    control: tuple[Rule, ...] = ()
    methods: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    def may(self, asker: Asker, verb: Verb) -> bool:
        """Is this verb allowed to the asker?"""
        rules: tuple[Rule, ...] = getattr(self, verb.value)
        return allowed(rules, asker, self.owner)

    def methods_for(self, asker: Asker, names: Collection[str]) -> frozenset[str] | None:
        """Which of the service's methods the asker may call. None: all, and those to come."""
        if not asker.service and asker.uid in (ROOT, self.owner):
            return None
        if not self.methods:
            return None if self.may(asker, Verb.CALL) else frozenset()
        return frozenset(
            name for name in names if allowed(self.methods.get(name, self.call), asker, self.owner)
        )


def allowed(rules: Sequence[Rule], asker: Asker, owner: int) -> bool:
    """Does one of the rules name the asker, or need none?"""
    judged_by_uid = not (asker.service and rules)
    if judged_by_uid and asker.uid in (ROOT, owner):
        return True
    return any(_names(rule, asker) for rule in rules)


def _names(rule: Rule, asker: Asker) -> bool:
    match rule.whom:
        case Whom.ANY:
            return True
        case Whom.UID:
            return rule.number == asker.uid
        case Whom.GID:
            return rule.number in asker.gids
        case Whom.SERVICE:
            return bool(asker.service) and rule.service == asker.service
