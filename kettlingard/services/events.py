"""What has happened to a service lately: the last 50 transitions, for people."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import localtime, strftime
from typing import Any

from msgspec import Struct

from kettlingard.core.actor import Moved
from kettlingard.core.snapshot import KEPT, Happening
from kettlingard.core.vocabulary import Phase
from kettlingard.host.clock import Moment

log = logging.getLogger(__name__)


class Record(Struct, frozen=True):
    """One transition of a run, or a command (run 0)."""

    number: int  # grows by one with each record of the service
    at: Moment
    service: str
    instance: int
    run: int
    generation: int
    pid: int | None
    before: str
    after: str
    reason: str
    unasked: bool = False  # it ended, and nobody had wanted it to

    @property
    def line(self) -> str:
        """For people who watch the service: what comes after its name."""
        if not self.instance:
            return f": {self.after}" + (f" asked by {self.reason}" if self.reason else "")
        pid = f" (pid {self.pid})" if self.pid is not None and self.after == "starting" else ""
        why = f": {self.reason}" if self.reason else ""
        return f"/{self.instance} {self.after}{pid}{why}"

    @property
    def text(self) -> str:
        """A line of its own: when, who, what."""
        return f"{strftime('%F %T', localtime(self.at.wall))}  {self.service}{self.line}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data; `time` in seconds since 1970."""
        return {
            "number": self.number,
            "time": self.at.wall,
            "service": self.service,
            "instance": self.instance,
            "run": self.run,
            "generation": self.generation,
            "pid": self.pid,
            "from": self.before,
            "to": self.after,
            "reason": self.reason,
        }

    @property
    def kept(self) -> Happening:
        """As the state file has it."""
        at = (self.at.monotonic, self.at.wall)
        run = (self.instance, self.run, self.generation, self.pid)
        return self.number, *at, *run, self.before, self.after, self.reason, self.unasked


def record_of(service: str, kept: Happening) -> Record:
    """Raise ValueError or TypeError for what is none."""
    number, monotonic, wall, *rest = kept
    return Record(number, Moment(monotonic, wall), service, *rest)


class History:
    """The last records of one service; each is a line of the daemon's log too."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._records: deque[Record] = deque(maxlen=KEPT)
        self.last = 0  # number of the newest record

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def resume(self, kept: Iterable[Happening]) -> None:
        """Begin with what another supervisor has left."""
        with suppress(ValueError, TypeError):  # another version's
            self._records.extend([record_of(self._service, one) for one in kept])
            self.last = self._records[-1].number if self._records else 0

    def after(self, number: int) -> list[Record]:
        """The records that came after this one, as far as they are kept."""
        return [record for record in self._records if record.number > number]

    def moved(self, at: Moment, moved: Moved, pid: int | None) -> Record:
        """A run came into another phase."""
        member, run = moved.member, moved.member.run
        reason = str(run.end) if run.end is not None else run.reason
        before = moved.before.value if moved.before is not None else ""
        unasked = run.end is not None and not run.requested
        self.last += 1
        record = Record(
            self.last, at, self._service, member.place, member.number, member.generation,
            pid, before, moved.after.value, reason, unasked,
        )  # fmt: skip
        self._records.append(record)
        level = logging.WARNING if unasked or moved.after is Phase.UNRESPONSIVE else logging.INFO
        log.log(
            level,
            "worker %s service=%s instance=%d run=%d generation=%d pid=%s%s",
            moved.after.value,
            self._service,
            member.place,
            member.number,
            member.generation,
            pid if pid is not None else "-",
            f" reason={reason!r}" if reason else "",
        )
        return record

    def commanded(self, at: Moment, command: str, actor: str) -> None:
        """Somebody asked for something."""
        self.last += 1
        record = Record(self.last, at, self._service, 0, 0, 0, None, "", command, actor)
        self._records.append(record)
        log.info("%s asked service=%s by=%s", command, self._service, actor)

    def refused(self, at: Moment, what: str, actor: str) -> None:
        """Somebody asked for what they may not: [access] has no rule for it."""
        self.last += 1
        record = Record(self.last, at, self._service, 0, 0, 0, None, "", f"refused {what}", actor)
        self._records.append(record)

    def told(self, at: Moment, text: str) -> None:
        """Something that operators should know."""
        self.last += 1
        self._records.append(Record(self.last, at, self._service, 0, 0, 0, None, "", text, ""))
        log.warning("%s service=%s", text, self._service)
