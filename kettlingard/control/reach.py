"""How callers reach services: who they are, which service they mean, and a socket to it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from kettlingar import BadRequest, NotFound, RequestInfo, Unavailable
from kettlingar.api.access import Caller
from kettlingar.transport import messages
from kettlingard.core.rights import ROOT, Asker
from kettlingard.core.words import Word
from kettlingard.daemon import Daemon
from kettlingard.services.grants import asker_of, owner
from kettlingard.services.service import Service
from kettlingard.worker.process import Worker

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds in which a caller waits for a worker to be ready
COMING = frozenset({Word.HELD, Word.STARTING, Word.UPDATING, Word.WAITING, Word.DEGRADED})


class LocalCaller(Caller, frozen=True):
    """Who connected, with its groups: looked up once, when the connection came."""

    gids: frozenset[int] = frozenset()


def caller_at(sock: socket.socket) -> LocalCaller:
    """Who is at the other end of this connection to the control socket."""
    asker, pid = asker_of(sock)
    return LocalCaller(uid=asker.uid, pid=pid, gids=asker.gids)


def asker(request: RequestInfo) -> tuple[Asker, int]:
    """Who calls, and its pid. Never from `request.connection`: an answer may go elsewhere."""
    caller = request.caller
    if not isinstance(caller, LocalCaller) or caller.uid is None:
        raise PermissionError("cannot tell who calls; use the control socket")
    return Asker(caller.uid, caller.gids), caller.pid or 0


def owner_only(request: RequestInfo) -> None:
    """PermissionError for everybody but the daemon's owner and root."""
    who, _ = asker(request)
    if who.uid not in {ROOT, owner()}:
        raise PermissionError(f"{who} may not do this; only the owner of kettlingard may")


class Reach:
    """Gives callers, and workers that ask over their channels, connections to services."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, name: str, who: Asker, pid: int) -> socket.socket:
        """A socket to `SERVICE`, or one instance of it: `SERVICE/N`.

        Waits a moment where a worker is coming, so that a restart is invisible.
        Raise NotFound, PermissionError, Unavailable, or BadRequest for a name
        that may be several.
        """
        service, instance = self._find(name)
        if service.word is Word.HELD:
            service.grants.check_call(who, pid)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        with service.demand.caller(service.state):
            while not service.ready_channels(instance) and service.word in COMING:
                left = deadline - loop.time()
                if left <= 0 or not await self._daemon.bell.wait(left):
                    break
        channels = service.ready_channels(instance)
        return service.grants.connect(who, pid, channels, service.method_names())

    def answer(self, _service: Service, worker: Worker, ask: messages.Ask) -> None:
        """A worker asks: it is the service whose channel it has, whatever its user."""
        task = asyncio.get_running_loop().create_task(self._answer(worker, ask))
        self._tasks.add(task)
        task.add_done_callback(self._answered)

    async def _answer(self, worker: Worker, ask: messages.Ask) -> None:
        who = Asker(os.geteuid(), service=worker.launch.service)
        try:
            sock = await self.connect(ask.service, who, worker.pid or 0)
        except (NotFound, Unavailable, BadRequest, PermissionError) as why:
            denied = isinstance(why, PermissionError)
            worker.say(messages.Answer(number=ask.number, error=str(why), denied=denied))
            return
        worker.say(messages.Answer(number=ask.number), [sock.detach()])

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("cannot answer a worker", exc_info=task.exception())

    def _find(self, name: str) -> tuple[Service, int]:
        """By the service's own name, or by what its class calls itself: APP, APP/WORKER."""
        plain, slash, number = name.partition("/")
        services = self._daemon.services
        if plain in services:
            return services[plain], _instance(number) if slash else 0
        named = [one for one in services.values() if name in _app_names(one)]
        if len(named) > 1:
            names = ", ".join(sorted(one.name for one in named))
            raise BadRequest(f'"{name}" may be any of: {names}; say which')
        return (named[0] if named else self._daemon.find(plain)), 0


def _instance(number: str) -> int:
    if not number.isdecimal() or int(number) == 0:
        raise NotFound(f'no such instance: "{number}" is no number of one')
    return int(number)


def _app_names(service: Service) -> set[str]:
    found: set[str] = set()
    for worker in service.ready_workers().values():
        if worker.ready is not None:
            app = worker.ready.app_name
            found |= {app, f"{app}/{worker.ready.worker_name}"}
    return found
