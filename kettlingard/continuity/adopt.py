"""Workers whose supervisor has died go on under this one: nothing is restarted.

A run is proven by its pid and start time (the state file's), then by the kernel's
word that this very process listens at the meeting point, then by the mark that
only it and the state file know. What cannot be proven, or does not answer, is
an orphan: it is neither adopted nor signalled, its instance waits until it ends,
and it is asked again from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from random import random

from msgspec import Struct, field
from msgspec.structs import replace

from kettlingar.transport import messages
from kettlingard.core import actor
from kettlingard.core.rights import Asker
from kettlingard.core.snapshot import RunRecord, ServiceRecord, Snapshot
from kettlingard.core.state import Member, ServiceState
from kettlingard.core.vocabulary import COMING, Exited, StopWanted
from kettlingard.daemon import Daemon
from kettlingard.host import clock
from kettlingard.services.service import Service
from kettlingard.worker.adopted import AdoptedProgram, AdoptedWorker, AdoptionError, held

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds for a worker's answer
Adopted = AdoptedWorker | AdoptedProgram
AGAIN = 1.0  # seconds between two questions to an orphan


class _Found(Struct):
    """What became of a service's runs, by their numbers."""

    workers: dict[int, Adopted] = field(default_factory=dict)
    orphans: dict[int, str] = field(default_factory=dict)  # why
    gone: list[int] = field(default_factory=list)


class Adoption:
    """Owns the questions to orphans."""

    def __init__(self, daemon: Daemon) -> None:
        self.takes_in = True  # what an orphan was, when it proves itself; else it is ended
        self._daemon = daemon
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, left: Snapshot) -> dict[str, bool]:
        """Take over what lives; return each service, and whether it is as it was to be.

        Those that are not were to run, enabled or not, and nothing of them lives.
        """
        settled = await asyncio.gather(
            *(self._come_back(name, record) for name, record in left.services.items())
        )
        if left.daemon == "draining":
            return {}  # it was to end; now everything starts again
        return dict(zip(left.services, settled, strict=True))

    def close(self) -> None:
        """Ask nobody any more."""
        for task in self._tasks:
            task.cancel()

    async def _come_back(self, name: str, record: ServiceRecord) -> bool:
        """Has it nothing to be started for? A service without survivors begins anew."""
        members = record.state.members
        if not members:
            return not record.state.wanted.instances
        service = self._daemon.make(name)
        service.resume(replace(record.state, members={}), record.specs, record.good)
        found = await self._find_all(service, record)
        if not found.workers and not found.orphans:
            service.close()
            return not record.state.wanted.instances
        # In one step: until now our successor would have gone by what our predecessor wrote.
        self._daemon.services[name] = service
        service.command = record.command
        service.workers.update(found.workers)
        service.state = _without(record.state, found)
        self._take_listeners(service, found.workers.values())
        for number, worker in found.workers.items():
            _take_in(service, members[number], worker)
        for number, why in found.orphans.items():
            self.leave_alone(service, members[number], record.runs[number], why)
        log.info(
            "adopted service=%s pids=%s ended=%d orphans=%d",
            name,
            [worker.pid for worker in found.workers.values()],
            len(found.gone),
            len(found.orphans),
        )
        return True

    async def _find_all(self, service: Service, record: ServiceRecord) -> _Found:
        found = _Found()

        async def look_for(number: int, member: Member) -> None:
            try:
                worker = await _find(service, member, record.runs.get(number))
            except AdoptionError as why:
                found.orphans[number] = str(why)
                return
            if worker is None:
                found.gone.append(number)
            else:
                found.workers[number] = worker

        await asyncio.gather(*(look_for(n, m) for n, m in record.state.members.items()))
        return found

    @staticmethod
    def _take_listeners(service: Service, workers: Iterable[Adopted]) -> None:
        """All have copies of the same ones; one of each is enough."""
        listeners: dict[str, socket.socket] = {}
        for worker in workers:
            for stream, sock in worker.listeners.items():
                if listeners.setdefault(stream, sock) is not sock:
                    sock.close()
            worker.listeners = {}
        service.ingress.inherit(listeners)

    def leave_alone(self, service: Service, member: Member, run: RunRecord, why: str) -> None:
        """An orphan: ask it again from time to time."""
        log.error(
            "orphan left alone service=%s instance=%d pid=%d reason=%r; end it to have it replaced",
            service.name,
            member.place,
            run.pid,
            why,
        )
        service.orphans[member.number] = (member, run)
        self._tasks.append(self._daemon.loop.create_task(self._ask_again(service, member, run)))

    async def _ask_again(self, service: Service, member: Member, run: RunRecord) -> None:
        """Until it answers or has ended."""
        while True:
            await asyncio.sleep(AGAIN)
            try:
                worker = await _find(service, member, run)
            except AdoptionError:
                continue
            del service.orphans[member.number]
            if worker is not None:
                log.info("adopted service=%s pids=%s", service.name, [worker.pid])
                service.workers[member.number] = worker
                members = {**service.state.members, member.number: member}
                service.state = replace(service.state, members=members)
                for sock in worker.listeners.values():  # we have them, or others of our own
                    sock.close()
                _take_in(service, member, worker)
                if not self.takes_in:
                    service.feed(member.number, StopWanted(clock.now(), "--no-adopt"))
            service.look()
            return


async def _find(service: Service, member: Member, run: RunRecord | None) -> Adopted | None:
    """The worker of a run, proven; None if it has ended. Raise AdoptionError."""
    child = held(run) if run is not None else None
    if child is None or run is None:
        return None
    around = service.around
    launch = service.launch(member, run.mark)
    try:
        kind = AdoptedWorker if launch.spec.is_kitten else AdoptedProgram
        worker: Adopted = kind(
            around.loop,
            around.reaper,
            around.starter,
            launch,
            service.crew.hears(member.number),
            child=child,
            record=run,
        )
    except AdoptionError:
        child.close()
        raise
    if isinstance(worker, AdoptedProgram):
        return worker
    try:
        async with asyncio.timeout(PATIENCE):
            await worker.found
    except (AdoptionError, TimeoutError) as why:
        worker.leave()
        raise AdoptionError(str(why) or f"it has not answered in {PATIENCE:g} s") from why
    return worker


def _take_in(service: Service, member: Member, worker: Adopted) -> None:
    """It is the service's again; its member is in the service's state."""
    if isinstance(worker, AdoptedProgram):
        worker.begin(member.run.phase)
        return
    said, number = worker.found.result(), member.number
    service.secret = said.secret
    service.ingress.adopt(number, worker.channel, said.connections, said.highest)
    service.grants.adopt(number, [(one.id, _asker(one), one.methods) for one in said.callers])
    if member.run.dispatchable and not said.ending:
        service.ingress.admit(number, worker.channel)
    worker.begin(member.run.phase)
    if said.ending:
        service.feed(number, StopWanted(clock.now(), "it was told to end"))


def _asker(caller: messages.Caller) -> Asker:
    return Asker(caller.uid, service=caller.service)


def _without(state: ServiceState, found: _Found) -> ServiceState:
    """Orphans are no members; those that ended meanwhile did so in a way that nobody can know.

    Those that were still starting ended since their supervisor did: no fault of theirs, nor
    of a new generation that they were the first of.
    """
    members = {n: member for n, member in state.members.items() if n not in found.orphans}
    for number in found.gone:
        if members[number].run.phase in COMING:
            run = replace(members[number].run, requested=True, reason="kettlingard was killed")
            members[number] = replace(members[number], run=run)
    state = replace(state, members=members)
    for number in found.gone:
        state, _ = actor.happen(state, number, Exited(clock.now(), None, None), random())  # noqa: S311  spread
    return state
