"""The part of the control API that looks closer: show, events, deps, sockets, stack, metrics."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from typing import Any

from kettlingar import BadRequest, HttpResult, NotFound, RequestInfo
from kettlingard.core.rights import Verb
from kettlingard.host.logs import tail
from kettlingard.services.events import Record
from kettlingard.services.service import Service
from kettlingard.worker.process import Worker

from . import showing
from .asked import Asked, by
from .commands import Item
from .reach import owner_only

LOOP = 1.0  # seconds in which a loop that turns has answered
WRITTEN = 0.2  # seconds of silence after which stacks are written
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class LooksApi(Asked):
    """What changes nothing."""

    async def api_show(
        self, request: RequestInfo, service: str, env: bool = False
    ) -> dict[str, Any]:
        """Show a definition as it counts; with `env` the environment too, to the daemon's owner."""
        if env:
            owner_only(request)
        found = self._one(request, service, Verb.CONTROL)
        said = {
            "name": found.name,
            "file": found.spec.file if found.spec is not None else "",
            "generation": found.state.wanted.generation,
            "keys": showing.effective(found),
            "problems": [str(problem) for problem in found.problems],
        }
        if env and found.spec is not None:
            try:
                said["env"] = showing.environment(found)
            except ValueError as why:
                raise BadRequest(f"cannot say the environment of {service}: {why}") from why
        return said

    async def api_exec(self, request: RequestInfo, service: str) -> dict[str, Any]:
        """Say how to run a command as this service runs. To the daemon's owner only."""
        owner_only(request)
        found = self._one(request, service, Verb.CONTROL)
        if found.spec is None:
            raise NotFound(f"{service} has no definition that can be used")
        found.note("exec", by(request))
        return showing.surroundings(found)

    async def api_events(
        self,
        request: RequestInfo,
        services: list[str] | None = None,
        follow: bool = False,
        *,
        after: dict[str, int] | None = None,
    ) -> AsyncIterator[Item]:
        """Yield what happened lately, in order of time; with `follow` what happens from now on.

        after  by service, the number of the last one that the caller knows
        """
        known = after or {}
        seen = {one.name: known.get(one.name, 0) for one in self._visible(request, services or ())}
        while True:
            if not services:  # there may be new ones
                seen = {one.name: seen.get(one.name, 0) for one in self._visible(request, ())}
            for record in self._news(seen):
                seen[record.service] = record.number
                yield {**record.as_dict(), "text": record.text, "_format": "%(text)s"}
            if not follow:
                return
            await self._daemon.bell.wait(60.0)

    def _news(self, seen: dict[str, int]) -> list[Record]:
        services = self._daemon.services
        found = [
            record
            for name, number in seen.items()
            if name in services
            for record in services[name].history.after(number)
        ]
        return sorted(found, key=lambda record: (record.at.monotonic, record.number))

    async def api_deps(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Say what services need, and when they became ready; of all that the caller may see."""
        for name in services or ():
            self._one(request, name, Verb.STATUS)
        return [showing.dependencies(self._daemon, one) for one in self._visible(request, ())]

    async def api_sockets(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Say what listens, and what became of the connections."""
        found = self._visible(request, services or ())
        return [showing.sockets(one, self._daemon.sharing) for one in found]

    async def api_metrics(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> HttpResult:
        """Give the numbers of the supervisor and of its kittens as one OpenMetrics page."""
        found = self._visible(request, services or ())
        text = await showing.metrics(self._daemon, found)
        return HttpResult(OPENMETRICS, text)

    async def api_stack(self, request: RequestInfo, service: str) -> AsyncIterator[Item]:
        """Yield what each instance is doing: the stacks of its threads and tasks."""
        [target] = self._targets(request, [service], Verb.CONTROL)
        found = False
        spec = target.service.spec
        if spec is not None and not spec.is_kitten:
            raise BadRequest(f"{service} is no kitten: it has no stacks that we could ask for")
        for worker in _workers(target.service, target.places):
            found = True
            text = await worker.stacks(LOOP)
            if text is None:
                text = "its loop does not answer; its threads:\n" + await self._by_signal(worker)
            yield {
                "service": target.service.name,
                "instance": worker.launch.instance,
                "pid": worker.pid,
                "stack": text,
            }
        if not found:
            raise NotFound(f"no process of {service} runs")

    async def _by_signal(self, worker: Worker) -> str:
        """Its threads, as faulthandler writes them to its log."""
        path = worker.launch.log_file
        before = size = path.stat().st_size if path.exists() else 0
        worker.dump_stacks()
        while True:
            await self._daemon.bell.wait(WRITTEN)
            now = path.stat().st_size if path.exists() else 0
            if now == size:
                break
            size = now
        with path.open("rb") as log:
            log.seek(min(before, os.fstat(log.fileno()).st_size))
            return log.read().decode(errors="replace") or "\n".join(tail(path, 20))


def _workers(service: Service, places: Iterable[int]) -> list[Worker]:
    wanted = set(places)
    workers = [service.workers[number] for number in sorted(service.workers)]
    return [one for one in workers if not wanted or one.launch.instance in wanted]
