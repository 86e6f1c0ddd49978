"""What `show`, `deps`, `sockets`, `exec` and `metrics` say: services as plain data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kettlingar._version import __version__
from kettlingard.core.effective import rows
from kettlingard.core.lifecycle import begin
from kettlingard.core.pages import merged, page
from kettlingard.core.state import Member
from kettlingard.daemon import Daemon
from kettlingard.errors import SpawnError
from kettlingard.host import clock, procstat
from kettlingard.services.service import Service
from kettlingard.services.sharing import Sharing
from kettlingard.worker.probe import FAILURES, ask
from kettlingard.worker.process import Worker

NO_PROCESS = -1  # where a channel and a log would be
NOT_FOR_OTHERS = ("KETTLINGARD_CHANNEL", "KETTLINGARD_RUN")
PATIENCE = 2.0  # seconds for a worker's numbers

Labels = Mapping[str, str]


def effective(service: Service) -> list[dict[str, str]]:
    """Each key of its definition as it counts."""
    if service.spec is None:
        return []
    overrides: dict[str, tuple[Any, str]] = {}
    if service.scaled is not None:
        overrides["pool.instances"] = service.scaled, "ctl scale"
    if service.enabled_by is not None:
        overrides["service.enabled"] = service.enabled_by, "ctl enable, disable"
    return [row.as_dict() for row in rows(service.spec, overrides)]


def surroundings(service: Service, place: int = 1) -> dict[str, Any]:
    """Environment, folder and umask of an instance. Raise SpawnError where a file is missing."""
    assert service.spec is not None
    run, _ = begin(0.0, service.state.policies.run)
    member = Member(0, place, service.state.wanted.generation, run)
    request = service.launch(member, "").request(NO_PROCESS, NO_PROCESS)
    ids = request.ids
    return {
        "env": {name: v for name, v in request.env.items() if name not in NOT_FOR_OTHERS},
        "cwd": request.cwd,
        "umask": request.umask,
        "ids": None if ids is None else [ids.uid, ids.gid, sorted(ids.groups)],
    }


def environment(service: Service) -> dict[str, str]:
    """The variables that its processes get; ValueError if that cannot be said."""
    try:
        found: dict[str, str] = surroundings(service)["env"]
    except SpawnError as why:
        raise ValueError(str(why)) from why
    return found


def dependencies(daemon: Daemon, service: Service) -> dict[str, Any]:
    """What it needs, and when it became ready."""
    keys = service.spec.dependencies if service.spec is not None else None
    moment = clock.moment()
    serving = [m.run for m in service.state.members.values() if m.run.dispatchable]
    ready = max((run.ready_since for run in serving if run.ready_since is not None), default=None)
    began = min((run.started for run in serving), default=None)
    return {
        "name": service.name,
        "state": service.word.value,
        "requires": list(keys.requires) if keys else [],
        "binds_to": list(keys.binds_to) if keys else [],
        "wants": list(keys.wants) if keys else [],
        "after": list(keys.after) if keys else [],
        "part_of": list(keys.part_of) if keys else [],
        "waits_for": daemon.bonds.waits_for(service),
        "ready_at": None if ready is None else moment.wall - (moment.monotonic - ready),
        "started_at": None if began is None else moment.wall - (moment.monotonic - began),
    }


def sockets(service: Service, sharing: Sharing) -> dict[str, Any]:
    """Its listeners, and what became of their connections."""
    counts = service.ingress.counts()
    in_flight = {number: service.ingress.in_flight(number) for number in service.workers}
    return {
        "name": service.name,
        "state": service.word.value,
        "listeners": [*service.ingress.describe(), *sharing.listeners_of(service)],
        "problem": service.listening.problem or sharing.problem_of(service),
        "in_flight": sum(in_flight.values()),
        **counts,
    }


# --- metrics -------------------------------------------------------------------


async def metrics(daemon: Daemon, services: Sequence[Service]) -> str:
    """The supervisor's numbers and those of its kittens that have some, as one page."""
    asked = [
        ({"service": one.name, "instance": str(worker.launch.instance)}, worker)
        for one in services
        for worker in one.ready_workers().values()
        if _counts(worker)
    ]
    texts = await asyncio.gather(*(_page_of(worker) for _, worker in asked))
    pages = zip((labels for labels, _ in asked), texts, strict=True)
    return merged([({}, _own(daemon, services)), *pages])


def _counts(worker: Worker) -> bool:
    methods = worker.ready.methods if worker.ready is not None else []
    found = [one for one in methods if one["name"] == "metrics"]
    return any(a["name"] == "openmetrics" for one in found for a in one["arguments"])


async def _page_of(worker: Worker) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            said = await ask(worker.channel, "metrics", openmetrics=True)
    except (TimeoutError, *FAILURES):
        return ""  # the page is as complete as it can be now
    data = said.get("data", "") if isinstance(said, dict) else said
    return data.decode(errors="replace") if isinstance(data, bytes) else str(data)


_CONNECTIONS = (
    ("passed", "counter", "given to workers", "passed"),
    ("redispatched", "counter", "given to another worker", "redispatched"),
    ("refused", "counter", "answered by us with a 503", "answered_503"),
    ("lost", "counter", "ended without a whole answer", "lost"),
    ("held", "gauge", "that wait for a worker now", "held"),
)


def _own(daemon: Daemon, services: Sequence[Service]) -> str:
    def each(value: Any) -> list[tuple[Labels, float]]:
        return [({"service": one.name}, float(value(one))) for one in services]

    def connections(name: str) -> list[tuple[Labels, float]]:
        return each(lambda one: one.ingress.counts()[name])

    states = [({"service": one.name, "state": one.word.value}, 1.0) for one in services]
    up = clock.ago(daemon.started)
    ready, wanted = each(lambda s: len(s.ready_workers())), each(lambda s: s.state.wanted.instances)
    return page([
        ("kettlingard_info", "gauge", "This supervisor.", [({"version": __version__}, 1.0)]),
        ("kettlingard_uptime_seconds", "gauge", "Time since its start.", [({}, up)]),
        ("kettlingard_service_state", "gauge", "The state that a service is in.", states),
        ("kettlingard_instances_wanted", "gauge", "Instances that are to run.", wanted),
        ("kettlingard_instances_ready", "gauge", "Instances that get traffic.", ready),
        ("kettlingard_restarts", "counter", "Ends that nobody asked for.", each(_restarts)),
        *(
            (f"kettlingard_connections_{name}", kind, f"Connections {what}.", connections(counted))
            for name, kind, what, counted in _CONNECTIONS
        ),
        ("kettlingard_memory_bytes", "gauge", "Resident, of an instance.", _each_run(services, "rss")),
        ("kettlingard_cpu_seconds", "counter", "Used by an instance.", _each_run(services, "cpu")),
    ])  # fmt: skip


def _restarts(service: Service) -> int:
    return sum(place.restarts for place in service.state.places.values())


def _each_run(services: Iterable[Service], what: str) -> list[tuple[Labels, float]]:
    found: list[tuple[Labels, float]] = []
    for service in services:
        for worker in service.ready_workers().values():
            usage = procstat.usage(worker.pid) if worker.pid is not None else None
            if usage is not None:
                labels = {"service": service.name, "instance": str(worker.launch.instance)}
                found.append((labels, float(getattr(usage, what))))
    return found
