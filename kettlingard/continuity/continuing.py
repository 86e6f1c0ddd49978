"""The next version of this very process takes up where the last one was, in one step of the loop."""

from __future__ import annotations

import logging
import socket

from msgspec.structs import replace

from kettlingard.core.passage import PassedRun, PassedService
from kettlingard.core.rights import Asker
from kettlingard.core.snapshot import RunRecord, ServiceRecord
from kettlingard.core.state import Member
from kettlingard.daemon import Daemon
from kettlingard.services.service import Service
from kettlingard.worker.continued import unpack
from kettlingard.worker.kitten import Kitten
from kettlingard.worker.process import Worker
from kettlingard.worker.program import Program

from .adopt import Adoption
from .upgrade import Upgraded

log = logging.getLogger(__name__)


def go_on(daemon: Daemon, adoption: Adoption, before: Upgraded) -> None:
    """Have all services as they were."""
    daemon.router.inherit(before.passage.shared)
    daemon.sharing.keep()
    for name, record in before.snapshot.services.items():
        passed = before.passage.services.get(name, PassedService(secret=""))
        _resume(daemon.add(name), record, passed, adoption)
    daemon.sharing.place()
    daemon.router.unpack(before.passage.shared)


def _resume(
    service: Service, record: ServiceRecord, passed: PassedService, adoption: Adoption
) -> None:
    members = record.state.members
    service.resume(replace(record.state, members={}), record.specs, record.good)
    service.command = record.command
    service.secret = passed.secret or service.secret
    workers = {
        number: _worker(service, members[number], record.runs[number], run)
        for number, run in passed.runs.items()
    }
    service.workers.update(workers)
    service.state = replace(record.state, members={n: members[n] for n in workers})
    if passed.listeners and service.spec is not None:
        service.ingress.inherit(
            {stream: socket.socket(fileno=fd) for stream, fd in passed.listeners.items()}
        )
        service.listening.keep(service.listeners, service.around.loop.time())
    kittens = {n: one.channel for n, one in workers.items() if one.launch.spec.is_kitten}
    service.ingress.unpack(passed, kittens)
    for number, worker in workers.items():
        mine = [one for one in passed.callers if one.run == number]
        service.grants.adopt(
            number,
            [(one.number, Asker(one.uid, one.gids, one.service), one.methods) for one in mine],
        )
        if members[number].run.dispatchable and number in kittens:
            service.ingress.admit(number, worker.channel)
        worker.begin(members[number].run.phase)
    for number in record.runs.keys() - workers.keys():
        adoption.leave_alone(service, members[number], record.runs[number], "it was an orphan")


def _worker(service: Service, member: Member, record: RunRecord, passed: PassedRun) -> Worker:
    around = service.around
    launch, hears = service.launch(member, record.mark), service.crew.hears(member.number)
    kind: type[Worker] = Kitten if launch.spec.is_kitten else Program
    worker = kind(around.loop, around.reaper, around.starter, launch, hears)
    unpack(worker, record, passed)
    return worker
