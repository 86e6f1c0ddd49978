"""This process becomes its next version: same pid, same children, nothing closed.

First a child rehearses: it is the new program, reads the state, the definitions,
and says ready. Only then, when no message is half sent and no worker half
started, the state goes into a memfd, and the process executes the new program.
If anything goes wrong before that, all is as it was, and the reason is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any

from msgspec import Struct

from kettlingar.requests.server import Server
from kettlingar.transport.acceptor import Acceptor
from kettlingard.catalog import Catalog
from kettlingard.core.passage import Passage, PassedService, dump_passage, load_passage
from kettlingard.core.snapshot import Snapshot, SnapshotError, load
from kettlingard.daemon import Daemon
from kettlingard.host import become
from kettlingard.host.files import Lock
from kettlingard.host.limits import OpenFiles
from kettlingard.services.service import Service
from kettlingard.worker.continued import pack

from .custodian import Custodian
from .keeping import Keeper

log = logging.getLogger(__name__)

REHEARSAL = 20.0  # seconds
QUIET = 10.0  # seconds until no worker is being started, no message half sent
LAST_ANSWERS = 0.5  # seconds for those who ask us something


class Upgraded(Struct, frozen=True):
    """What the version before has left to this one."""

    snapshot: Snapshot
    passage: Passage

    def own(self) -> None:
        """The descriptors are ours, and nobody's that we start."""
        for fd in self.passage.descriptors():
            os.set_inheritable(fd, False)


def upgraded(data: bytes) -> Upgraded:
    """Read it. Raise SnapshotError or ValueError."""
    document = json.loads(data)
    snapshot = load(document)
    if snapshot.problems:
        name, why = next(iter(snapshot.problems.items()))
        raise SnapshotError(f"the state of service {name} is not understood: {why}")
    return Upgraded(snapshot, load_passage(document.get("passage")))


def rehearse(data: bytes, catalog: Catalog) -> str:
    """In the child: "ready", or why not."""
    try:
        upgraded(data)
        catalog.read()
    except (ValueError, OSError) as why:
        return f"cannot go on from the running state: {why}"
    return "ready"


class Upgrade:
    """Owns nothing; knows what has to be passed on."""

    def __init__(
        self,
        daemon: Daemon,
        keeper: Keeper,
        custodian: Custodian,
        program: become.Program,
        *,
        lock: Lock,
        files: OpenFiles,
        count: int,
    ) -> None:
        self.count = count  # upgrades so far
        self.door: tuple[Server, Acceptor] | None = None  # the control socket
        self._daemon = daemon
        self._keeper = keeper
        self._custodian = custodian
        self._program = program
        self._lock = lock
        self._files = files
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    def soon(self, by: str) -> None:
        """Nobody waits for how it goes: the log says it."""
        self._task = self._daemon.loop.create_task(self._begin(by))

    async def _begin(self, by: str) -> None:
        await self.begin(by)

    async def begin(self, by: str) -> str:
        """Rehearse; if that goes well it will happen in a moment: "". Else why not."""
        daemon = self._daemon
        if self._busy or daemon.state != "running" or self.door is None:
            return f"kettlingard is {'upgrading' if self._busy else daemon.state}"
        self._busy = True
        log.info("upgrade asked by=%s", by)
        try:
            why = (
                await become.rehearse(daemon.reaper, self._program, self._document(), REHEARSAL)
                or await self._settle()
            )
        except OSError as error:
            why = str(error)
        if why:
            self._busy = False
            log.error("upgrade refused: %s", why)
            return why
        self._task = daemon.loop.create_task(self._go())
        return ""

    async def _settle(self) -> str:
        """Wait until nothing is half done. "" or what is."""
        deadline = self._daemon.loop.time() + QUIET
        while why := self._half_done():
            if self._daemon.loop.time() > deadline:
                return why
            await self._daemon.bell.wait(0.02)
        return ""

    def _half_done(self) -> str:
        for service in self._daemon.services.values():
            if any(worker.child is None for worker in service.workers.values()):
                return f"a worker of {service.name} is just being started"
            if any(w.queued for w in service.workers.values()):
                return f"a worker of {service.name} does not read what it is told"
        return ""

    async def _go(self) -> None:
        assert self.door is not None
        server, acceptor = self.door
        acceptor.pause()  # whoever asks now will be answered by the next version
        await server.drain(LAST_ANSWERS)
        why = await self._settle()
        if not why and self._daemon.state == "running":
            try:
                self._become(acceptor)
            except OSError as error:
                why = str(error)
        log.error("upgrade refused: %s", why or self._daemon.state)
        server.draining = False
        acceptor.resume()
        self._busy = False

    def _become(self, acceptor: Acceptor) -> None:
        self._keeper.changed(list(self._daemon.services.values()))
        passage = self._passage(acceptor)
        data = self._document(passage)
        log.info("upgrading pid=%d", os.getpid())
        self._share(now=True)
        try:
            become.become(self._program, data, passage.descriptors())
        finally:
            self._share(now=False)

    def _share(self, *, now: bool) -> None:
        """Have workers accept: nobody is to wait for our imports."""
        for service in self._daemon.services.values():
            service.ingress.share(now=now)

    def _document(self, passage: Passage | None = None) -> bytes:
        document: dict[str, Any] = self._keeper.document()
        if passage is None:
            assert self.door is not None
            passage = self._passage(self.door[1])
        return json.dumps({**document, "passage": dump_passage(passage)}).encode()

    def _passage(self, acceptor: Acceptor) -> Passage:
        return Passage(
            lock=self._lock.fileno(),
            control=acceptor.sock.fileno(),
            files=(self._files.soft, self._files.hard),
            upgrades=self.count + 1,
            custodian=self._custodian.fileno(),
            services={
                name: _packed(service)
                for name, service in self._daemon.services.items()
                if service.spec is not None
            },
            shared=self._daemon.router.pack(),
        )


def _packed(service: Service) -> PassedService:
    runs = {n: pack(worker) for n, worker in service.workers.items() if worker.child is not None}
    passed = PassedService(secret=service.secret, runs=runs, callers=service.grants.pack())
    return service.ingress.pack(passed)
