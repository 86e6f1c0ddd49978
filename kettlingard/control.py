"""The control API: an ordinary kitten, served on the control socket, one method per ctl command.

Whoever can connect is who the kernel says they are; each method asks the
service's rights. What only the daemon's owner may do says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from kettlingar import BadRequest, HttpResult, NotFound, RequestInfo, RPCKitten, Unavailable
from kettlingar.api.access import Caller
from kettlingar.config import schema
from kettlingar.request import FdsResult
from kettlingar.transport import messages
from kettlingard.core.rights import ROOT, Asker, Verb
from kettlingard.core.words import Word
from kettlingard.host.logs import follow as follow_files
from kettlingard.host.logs import tail

from . import report
from .commands import READY, STOPPED, Commands, Item, Target, marks, refused, targets
from .daemon import Daemon
from .grants import asker_of, owner
from .service import Service
from .worker.process import Worker

log = logging.getLogger(__name__)

FRESH = 0.1  # seconds in which workers may tell how they are
PATIENCE = 10.0  # seconds in which a caller waits for a worker to be ready
COMING = frozenset({Word.STARTING, Word.UPDATING, Word.WAITING, Word.DEGRADED})


class Control(RPCKitten):
    """kettlingard - starts, watches and stops services"""

    class Configuration(schema.Configuration):
        APP_NAME = "kettlingard"
        WORKER_NAME = "control"

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(args=[])
        self._daemon = daemon
        self._commands = Commands(daemon)
        daemon.on_ask = self.answer_ask

    # --- looking ---

    async def api_status(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> dict[str, Any]:
        """Say how services are; all that the caller may see, or these."""
        daemon = self._daemon
        names = [name.partition("/")[0] for name in services or sorted(daemon.services)]
        seen = [daemon.find(name) for name in dict.fromkeys(names)]
        asker, pid = _asker(request)
        if services:
            for service in seen:
                service.grants.check(asker, Verb.STATUS, pid)
        else:
            seen = [one for one in seen if one.grants.rights.may(asker, Verb.STATUS)]
        workers = [worker for service in seen for worker in service.ready_workers().values()]
        if workers:
            await asyncio.wait([asyncio.ensure_future(w.refresh(FRESH)) for w in workers])
        return {
            "services": [report.service_record(daemon, one) for one in seen],
            "daemon": report.daemon_record(daemon),
        }

    async def api_wait(
        self,
        request: RequestInfo,
        service: str,
        for_: str = "ready",
        timeout: float = 60.0,  # noqa: ASYNC109  the caller's
    ) -> Item:
        """Wait until a service is `ready` or `stopped`."""
        if for_ not in {"ready", "stopped"}:
            raise BadRequest(f'cannot wait for "{for_}": it is not one of ready, stopped')
        [target] = self._targets(request, [service], Verb.STATUS)
        goal = READY if for_ == "ready" else STOPPED
        if for_ == "stopped" and target.service.state.wanted.instances:
            goal = _until_unwanted
        watched = self._commands.watch([target.service], goal, timeout, marks([target.service]))
        last: Item = {}
        async for item in watched:
            last = item
        return last

    async def api_logs(
        self,
        request: RequestInfo,
        services: list[str] | None = None,
        lines: int = 10,
        follow: bool = False,
    ) -> AsyncIterator[Item]:
        """Yield the last lines of logs, then with `follow` those that come."""
        names = services or sorted(self._daemon.services)
        files = {
            target.service.log_file(place): (target.service.name, place)
            for target in self._targets(request, names, Verb.CONTROL)
            for place in sorted(target.places or _places_with_log(target.service))
        }
        for path, (name, place) in files.items():
            for line in tail(path, lines):
                yield {"service": name, "instance": place, "line": line, "_format": "%(line)s"}
        if not follow:
            return
        async for path, line in follow_files(list(files)):
            name, place = files[path]
            yield {"service": name, "instance": place, "line": line, "_format": "%(line)s"}

    async def api_methods(self, request: RequestInfo, service: str) -> list[dict[str, Any]]:
        """List what a service offers."""
        [target] = self._targets(request, [service], Verb.STATUS)
        if not target.service.ready_workers():
            raise Unavailable(f"no instance of {service} is ready; its methods are not known")
        return target.service.methods()

    # --- changing ---

    async def api_start(
        self,
        request: RequestInfo,
        services: list[str],
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
    ) -> AsyncIterator[Item]:
        """Start services and what they require; the last item says how it went."""
        wanted = self._targets(request, services, Verb.CONTROL)
        since = marks([target.service for target in wanted])
        said = self._commands.start(wanted, _by(request))
        async for item in self._follow(wanted, said, since, READY if wait else None, timeout):
            yield item

    async def api_stop(
        self,
        request: RequestInfo,
        services: list[str],
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
        *,
        force: bool = False,
        now: bool = False,
    ) -> AsyncIterator[Item]:
        """Drain and stop services; with `now` cut what is in flight, with `force` also what is needed."""
        wanted = self._targets(request, services, Verb.CONTROL)
        since = marks([target.service for target in wanted])
        said = self._commands.stop(wanted, _by(request), force=force, drain=not now)
        async for item in self._follow(wanted, said, since, STOPPED if wait else None, timeout):
            yield item

    async def api_restart(
        self,
        request: RequestInfo,
        services: list[str],
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
    ) -> AsyncIterator[Item]:
        """Replace processes by new ones, with the definitions on disk."""
        wanted = self._targets(request, services, Verb.CONTROL)
        since = marks([target.service for target in wanted])
        said = self._commands.restart(wanted, _by(request))
        async for item in self._follow(wanted, said, since, READY if wait else None, timeout):
            yield item

    async def _follow(
        self,
        wanted: Sequence[Target],
        said: list[Item],
        since: dict[str, int],
        goal: Any,
        seconds: float | None,
    ) -> AsyncIterator[Item]:
        for item in said:
            yield item
        left = [one.service for one in wanted if one.service.name not in refused(said)]
        if goal is None or not left:
            yield {"ok": not refused(said), "timed_out": False, "services": {}}
            return
        async for item in self._commands.watch(left, goal, seconds, since):
            if "ok" in item:
                item["ok"] = item["ok"] and not refused(said)
            yield item

    async def api_daemon_shutdown(self, request: RequestInfo) -> HttpResult:
        """Stop all services, then the supervisor. Its owner only."""
        _owner_only(request)
        asyncio.get_running_loop().call_soon(self._daemon.drain, _by(request))
        return HttpResult("text/plain", "shutting down\n")

    async def api_quitquitquit(self, request: RequestInfo) -> HttpResult:
        """The same as daemon_shutdown."""
        return await self.api_daemon_shutdown(request)

    # --- reaching services ---

    async def api_connect(self, request: RequestInfo, service: str) -> FdsResult:
        """Give a connected, authorised socket to a service (`NAME`, or one instance: `NAME/2`)."""
        name, _, number = service.partition("/")
        asker, pid = _asker(request)
        sock = await self._connected(self._find(name), asker, pid, int(number or 0))
        return FdsResult([sock])

    def answer_ask(self, _service: Service, worker: Worker, ask: messages.Ask) -> None:
        """A worker wants a connection to another service: as the service that it is."""
        task = asyncio.get_running_loop().create_task(self._answer_ask(worker, ask))
        task.add_done_callback(_log_failure)

    async def _answer_ask(self, worker: Worker, ask: messages.Ask) -> None:
        asker = Asker(os.geteuid(), service=worker.launch.service)
        name, _, number = ask.service.partition("/")
        try:
            sock = await self._connected(self._find(name), asker, worker.pid or 0, int(number or 0))
        except (NotFound, Unavailable, PermissionError, ValueError) as why:
            denied = isinstance(why, PermissionError)
            worker.say(messages.Answer(number=ask.number, error=str(why), denied=denied))
            return
        worker.say(messages.Answer(number=ask.number), [sock.detach()])

    async def _connected(
        self, service: Service, asker: Asker, pid: int, instance: int
    ) -> socket.socket:
        """Wait a moment where a worker is coming: a restart is invisible to callers."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not service.ready_channels(instance) and service.word in COMING:
            left = deadline - loop.time()
            if left <= 0 or not await self._daemon.bell.wait(left):
                break
        channels = service.ready_channels(instance)
        return service.grants.connect(asker, pid, channels, service.method_names())

    def _find(self, name: str) -> Service:
        """By its own name, or by the application's name that its class gives."""
        services = self._daemon.services
        if name in services:
            return services[name]
        named = [one for one in services.values() if name in _app_names(one)]
        if len(named) > 1:
            names = ", ".join(sorted(one.name for one in named))
            raise BadRequest(f'"{name}" may be any of: {names}; say which')
        return named[0] if named else self._daemon.find(name)

    def _targets(self, request: RequestInfo, names: Sequence[str], verb: Verb) -> list[Target]:
        found = targets(self._daemon, names)
        asker, pid = _asker(request)
        for target in found:
            target.service.grants.check(asker, verb, pid)
        return found


@dataclass(frozen=True, slots=True)
class LocalCaller(Caller):
    """Who connected, with its groups: looked up once, when the connection came."""

    gids: frozenset[int] = frozenset()


def caller_at(sock: socket.socket) -> LocalCaller:
    """Who is at the other end of this connection to the control socket."""
    asker, pid = asker_of(sock)
    return LocalCaller(uid=asker.uid, pid=pid, gids=asker.gids)


def _asker(request: RequestInfo) -> tuple[Asker, int]:
    """Who calls. Never from `request.connection`: an answer may go elsewhere than to the caller."""
    caller = request.caller
    if not isinstance(caller, LocalCaller) or caller.uid is None:
        raise PermissionError("cannot tell who calls; use the control socket")
    return Asker(caller.uid, caller.gids), caller.pid or 0


def _by(request: RequestInfo) -> str:
    return f"uid {_asker(request)[0].uid}"


def _owner_only(request: RequestInfo) -> None:
    asker, _ = _asker(request)
    if asker.uid not in {ROOT, owner()}:
        raise PermissionError(f"{asker} may not do this; only the owner of kettlingard may")


def _places_with_log(service: Service) -> set[int]:
    """All places that are, and all that have been."""
    known = {member.place for member in service.state.members.values()}
    return known | set(service.state.places) | set(range(1, service.state.wanted.instances + 1))


def _app_names(service: Service) -> set[str]:
    found: set[str] = set()
    for worker in service.ready_workers().values():
        if worker.ready is not None:
            app = worker.ready.app_name
            found |= {app, f"{app}/{worker.ready.worker_name}"}
    return found


def _until_unwanted(state: Any, word: Word, now: float) -> Any:
    """Somebody else has to stop it first."""
    from kettlingard.core.goal import Outlook

    wanted = state.wanted.instances
    return Outlook.GOING if wanted else STOPPED(state, word, now)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("cannot answer a worker", exc_info=task.exception())
