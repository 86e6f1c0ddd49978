"""Lets local clients reach a service: each gets a connected, already authorised socket.

The other end goes to a ready worker with the caller's name beside it. No secret
leaves the supervisor, and it sees nothing of what is said. When [access] changes,
the worker is told to close the connections of those who lost a right.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count

from msgspec import Struct

from kettlingar.errors import Unavailable
from kettlingar.transport.channel import Channel
from kettlingar.transport.messages import Caller, Progress, Revoke
from kettlingar.transport.peercred import groups, peer
from kettlingard.core.balance import least
from kettlingard.core.passage import PassedCaller
from kettlingard.core.rights import Asker, Rights, Rule, Verb
from kettlingard.core.spec import AccessKeys
from kettlingard.host.accounts import read_rules

log = logging.getLogger(__name__)


def asker_of(sock: socket.socket) -> tuple[Asker, int]:
    """Who is at the other end of a connection to a unix socket, and its pid. Raises OSError."""
    who = peer(sock)
    return Asker(who.uid, groups(sock) | {who.gid}), who.pid


def read_rights(access: AccessKeys, owner: int) -> tuple[Rights, list[str]]:
    """[access] with names of users and groups looked up, and sentences about those unknown."""
    problems: list[str] = []

    def rules(key: str, texts: Collection[str]) -> tuple[Rule, ...]:
        found, unknown = read_rules(texts)
        problems.extend(f"access.{key}: {sentence}" for sentence in unknown)
        return found

    rights = Rights(
        owner=owner,
        status=rules("status", access.status),
        call=rules("call", access.call),
        control=rules("control", access.control),
        methods={name: rules(f"methods.{name}", texts) for name, texts in access.methods.items()},
    )
    return rights, problems


class Grant(Struct, frozen=True):
    """One caller's connection to one worker."""

    number: int
    run: int
    asker: Asker
    methods: frozenset[str] | None


class Grants:
    """The local clients of one service."""

    def __init__(
        self, service: str, rights: Rights, refused: Callable[[str, str], None] | None = None
    ) -> None:
        self.rights = rights
        self._refused = refused
        self._service = service
        self._grants: dict[int, Grant] = {}
        self._last: int | None = None
        # Below zero: no number of a caller is that of an accepted connection.
        self._numbers = count(-1, -1)

    def check(self, asker: Asker, verb: Verb, pid: int = 0) -> None:
        """Raise PermissionError, and say so in the log, if the asker may not do this."""
        if not self.rights.may(asker, verb):
            raise self._denied(asker, verb, pid)

    def check_call(self, asker: Asker, pid: int) -> None:
        """Raise PermissionError if the asker may call no method at all: nobody is to wake it so."""
        methods = self.rights.methods_for(asker, [*self.rights.methods, ""])  # "": any other one
        if methods is not None and not methods:
            raise self._denied(asker, Verb.CALL, pid)

    def connect(
        self,
        asker: Asker,
        pid: int,
        runs: Mapping[int, Channel],
        names: Collection[str] = (),
    ) -> socket.socket:
        """Connect the asker to one of the ready `runs`; its end is the caller's to close.

        `names` are the service's methods, for rules about single ones.
        Raises PermissionError, and Unavailable if there is no run.
        """
        methods = self.rights.methods_for(asker, names)
        if methods is not None and not methods:
            raise self._denied(asker, Verb.CALL, pid)
        run = least({run: self.of(run) for run in runs}, self._last)
        if run is None:
            raise Unavailable(f"no instance of {self._service} is ready; please try again")
        self._last = run
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        grant = Grant(next(self._numbers), run, asker, methods)
        self._grants[grant.number] = grant
        runs[run].send(
            Caller(
                id=grant.number,
                uid=asker.uid,
                pid=pid,
                service=asker.service,
                methods=None if methods is None else sorted(methods),
            ),
            [theirs.detach()],
        )
        return ours

    def _denied(self, asker: Asker, verb: Verb, pid: int) -> PermissionError:
        if self._refused is not None:
            self._refused(verb.value, f"{asker} pid {pid}")
        log.warning(
            "access refused service=%s verb=%s uid=%d pid=%d asker=%s",
            self._service,
            verb.value,
            asker.uid,
            pid,
            asker.service or "-",
        )
        return PermissionError(
            f"{asker} may not {_SAID[verb]} {self._service}; "
            f"its definition can allow it: access.{verb.value}"
        )

    def become(
        self, rights: Rights, runs: Mapping[int, Channel], names: Collection[str] = ()
    ) -> int:
        """New rights: close the connections of callers whose rights changed; say how many.

        `runs` are all that live, draining ones too.
        """
        self.rights = rights
        changed = [
            grant
            for grant in self._grants.values()
            if rights.methods_for(grant.asker, names) != grant.methods
        ]
        by_run: dict[int, list[int]] = {}
        for grant in changed:
            by_run.setdefault(grant.run, []).append(grant.number)
            del self._grants[grant.number]
        for run, numbers in by_run.items():
            if run in runs:
                runs[run].send(Revoke(numbers))
        return len(changed)

    def adopt(self, run: int, callers: Sequence[tuple[int, Asker, Collection[str] | None]]) -> None:
        """Callers that another supervisor has connected, by their numbers. Their groups are not known."""
        for number, asker, methods in callers:
            allowed = None if methods is None else frozenset(methods)
            self._grants[number] = Grant(number, run, asker, allowed)
        lowest = min((number for number, _, _ in callers), default=0)
        self._numbers = count(min(next(self._numbers), lowest - 1), -1)

    def pack(self) -> list[PassedCaller]:
        """All, as they are passed on to our next version."""
        return [
            PassedCaller(
                one.number,
                one.run,
                one.asker.uid,
                one.asker.gids,
                one.asker.service,
                one.methods,
            )
            for one in self._grants.values()
        ]

    def progress(self, run: int, said: Progress) -> None:
        """A worker said which connections are done; callers' are below zero."""
        for number in said.done:
            grant = self._grants.get(number)
            if grant is not None and grant.run == run:
                del self._grants[number]

    def gone(self, run: int) -> None:
        """The worker has ended, its connections with it."""
        for number in [one.number for one in self._grants.values() if one.run == run]:
            del self._grants[number]

    def __len__(self) -> int:
        return len(self._grants)

    def of(self, run: int) -> int:
        """How many callers are connected to this run."""
        return sum(grant.run == run for grant in self._grants.values())


_SAID = {Verb.STATUS: "see the status of", Verb.CALL: "call", Verb.CONTROL: "control"}


def owner() -> int:
    """The uid that may do everything: the daemon's own."""
    return os.geteuid()
