"""The processes of one service: what is decided about them is done to them, what they say is told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct

from kettlingar.transport import messages
from kettlingard.core.state import Member
from kettlingard.core.vocabulary import Action, Event
from kettlingard.ingress import Ingress
from kettlingard.worker.kitten import Kitten
from kettlingard.worker.launch import Launch
from kettlingard.worker.process import Listener, Worker
from kettlingard.worker.program import Program

from .grants import Grants

log = logging.getLogger(__name__)

Make = Callable[[type[Worker], Launch, Listener], Worker]


class Ears(Struct, frozen=True):
    """Who hears of a run, known by its number."""

    event: Callable[[int, Event], None]
    asks: Callable[[Worker, messages.Ask], None]
    noted: Callable[[str], bool]


class Crew:
    """Owns the workers. `make` makes one of a kind; `launch` says what a run is made from."""

    def __init__(
        self,
        name: str,
        make: Make,
        launch: Callable[[Member], Launch],
        ears: Ears,
        *,
        ingress: Ingress,
        grants: Grants,
    ) -> None:
        self._name = name
        self._make = make
        self._launch = launch
        self._ears = ears
        self._ingress = ingress
        self._grants = grants
        self.workers: dict[int, Worker] = {}

    def hears(self, number: int) -> Listener:
        """What a worker says comes to us."""
        return Listener(
            event=lambda event: self._ears.event(number, event),
            progress=lambda said: self._progress(number, said),
            asks=lambda ask: self._ears.asks(self.workers[number], ask),
            moved=lambda said, fds: self._moved(number, said, fds),
            noted=self._ears.noted,
        )

    def _moved(self, number: int, said: messages.Moved, fds: list[int]) -> None:
        if said.listener:
            self._ingress.placed(number, said, fds)
        else:
            self._ingress.moved(number, said.ids, fds)

    def _progress(self, number: int, said: messages.Progress) -> None:
        self._ingress.progress(number, said)
        self._grants.progress(number, said)

    def perform(self, action: Action, member: Member, now: float, *, stays: bool) -> None:
        """Do what is decided; another run of a service that `stays` goes on with kept connections."""
        if action is Action.SPAWN:
            self._spawn(member)
        elif action is Action.DRAIN:
            left = (member.run.deadline or 0.0) - now
            self._of(member).say(messages.Drain(seconds=max(0.0, left), moves=stays))
        elif action is Action.QUIT:
            self._of(member).say(messages.Quit(seconds=max(0.0, member.run.stop_by - now)))
        else:
            self._SIMPLE[action](self, member)

    def _of(self, member: Member) -> Worker:
        return self.workers[member.number]

    def _spawn(self, member: Member) -> None:
        launch = self._launch(member)
        kind: type[Worker] = Kitten if launch.spec.is_kitten else Program
        worker = self._make(kind, launch, self.hears(member.number))
        self.workers[member.number] = worker
        worker.start()

    def _admit(self, member: Member) -> None:
        worker = self._of(member)
        if worker.launch.spec.is_kitten:
            self._ingress.admit(member.number, worker.channel)

    def _withdraw(self, member: Member) -> None:
        self._ingress.withdraw(member.number)

    def _signal(self, member: Member) -> None:
        worker = self._of(member)
        worker.signal(worker.launch.spec.service.kill_signal)

    def _dump_stacks(self, member: Member) -> None:
        self._of(member).dump_stacks()

    def _kill(self, member: Member) -> None:
        self._of(member).kill()

    def _report_stuck(self, member: Member) -> None:
        pid = self._of(member).pid
        log.error("worker stuck service=%s instance=%d pid=%s", self._name, member.place, pid)

    def _sweep(self, member: Member) -> None:
        worker = self.workers.pop(member.number)
        worker.sweep()
        self._ingress.gone(member.number)
        self._grants.gone(member.number)

    _SIMPLE: dict[Action, Callable[[Crew, Member], None]] = {  # noqa: RUF012  a table
        Action.ADMIT: _admit,
        Action.WITHDRAW: _withdraw,
        Action.SIGNAL: _signal,
        Action.DUMP_STACKS: _dump_stacks,
        Action.KILL: _kill,
        Action.REPORT_STUCK: _report_stuck,
        Action.SWEEP: _sweep,
    }
