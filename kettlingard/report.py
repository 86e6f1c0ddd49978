"""What `status` says: services as plain data. The names are stable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from itertools import chain
from typing import Any

from kettlingar._version import __version__
from kettlingard.core.end import End
from kettlingard.core.order import pulls_in, waits_for
from kettlingard.core.parse import Problem
from kettlingard.core.reconcile import wanted_places
from kettlingard.core.state import Member
from kettlingard.core.words import Word, instance_word, note
from kettlingard.host import clock, procstat
from kettlingard.host.logs import tail

from .daemon import Daemon
from .service import Service
from .worker.process import Worker

LOG_LINES = 10  # of a service that has failed
WITH_LOG = frozenset({Word.FAILED, Word.DEGRADED, Word.UPDATE_PAUSED, Word.STARTING})


def daemon_record(daemon: Daemon) -> dict[str, Any]:
    """The supervisor itself."""
    return {
        "pid": os.getpid(),
        "version": __version__,
        "home": os.path.dirname(daemon.layout.run) if daemon.layout.mode == "home" else "",
        "uptime": clock.ago(daemon.started),
        "socket": daemon.layout.socket,
        "state": daemon.state,
    }


def service_record(daemon: Daemon, service: Service) -> dict[str, Any]:
    """One service with its instances."""
    state, spec, word = service.state, service.spec, service.word
    wanted = wanted_places(state)
    ready = service.ready_workers()
    instances = list(_instances(service, wanted))
    keys = spec.service if spec is not None else None
    starts = [m.run.ready_since for m in state.members.values() if m.run.dispatchable]
    now = daemon.loop.time()
    return {
        "name": service.name,
        "state": word.value,
        "generation": state.wanted.generation if spec is not None else None,
        "description": keys.description if keys is not None else "",
        "definition": spec.file if spec is not None else _file_of(service.problems),
        "kitten": keys.kitten if keys is not None else "",
        "exec": list(keys.exec) if keys is not None else [],
        "python": keys.python if keys is not None else "",
        "version": next((w.ready.version for w in ready.values() if w.ready is not None), ""),
        "ready": len({worker.launch.instance for worker in ready.values()}),
        "wanted": len(wanted),
        "restarts": sum(place.restarts for place in state.places.values()),
        "uptime": now - min(since for since in starts if since is not None) if starts else None,
        "in_flight": sum(_in_flight(service, n, w) for n, w in ready.items()) if ready else None,
        "note": note(state, daemon.bonds.waits_for(service), service.listening.problem)
        or _orphans(service)
        or _on_demand(service),
        "problems": [_problem(problem) for problem in service.problems],
        "listens": _listens(service),
        "needs": _needs(service),
        "needed_by": daemon.bonds.needed_by(service.name),
        "instances": instances,
        "log": _last_lines(service, instances) if word in WITH_LOG else [],
    }


def _orphans(service: Service) -> str:
    """About processes of a supervisor before this one that it could not adopt."""
    return "; ".join(
        f"/{place}: pid {run.pid} is an orphan: it does not prove what it is; end it to go on"
        for place, (_, run) in sorted(service.orphans.items())
    )


def _on_demand(service: Service) -> str:
    """About a service that is there for whoever comes."""
    since = service.idle_since
    if service.word is not Word.HELD or since is None:
        return ""
    return f"on demand, idle since {time.strftime('%H:%M', time.localtime(since.wall))}"


def _needs(service: Service) -> list[str]:
    if service.spec is None:
        return []
    keys = service.spec.dependencies
    return list(dict.fromkeys(chain(waits_for(keys), pulls_in(keys))))


def _listens(service: Service) -> list[dict[str, Any]]:
    if service.spec is None:
        return []
    open_now = service.ingress.describe()
    if open_now or service.listening.problem:
        return [dict(one) for one in open_now]
    return [{"name": one.name, "address": one.stream} for one in service.spec.listen]


def _in_flight(service: Service, number: int, worker: Worker) -> int:
    return max(worker.pong.in_flight, service.ingress.in_flight(number))


def _file_of(problems: list[Problem]) -> str:
    return problems[0].file if problems else ""


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "value": problem.value,
        "why": problem.why,
        "hint": problem.hint,
        "text": str(problem),
    }


def _instances(service: Service, wanted: list[int]) -> Iterable[dict[str, Any]]:
    """Each run, and each place without one; in order of places, the newest run first."""
    members = sorted(service.state.members.values(), key=lambda m: -m.number)
    for place in sorted({*wanted, *(member.place for member in members)}):
        here = [member for member in members if member.place == place]
        if not here:
            yield _instance(service, place, None)
        for member in here:
            yield _instance(service, place, member)


def _instance(service: Service, place: int, member: Member | None) -> dict[str, Any]:
    record = service.state.place(place)
    reason = member.run.reason if member is not None else record.reason
    return {
        "instance": place,
        "state": instance_word(service.state, place, member),
        "restarts": record.restarts,
        "reason": reason,
        "last_end": _end(record.last_end),
        **(_empty() if member is None else _run(service, member)),
    }


def _empty() -> dict[str, Any]:
    names = "run pid since uptime memory cpu lag served in_flight generation"
    return dict.fromkeys(names.split())


def _run(service: Service, member: Member) -> dict[str, Any]:
    worker = service.workers[member.number]
    moment, run = clock.moment(), member.run
    usage = procstat.usage(worker.pid) if worker.pid is not None else None
    ready = run.ready_since is not None
    return {
        "run": member.number,
        "pid": worker.pid,
        "since": moment.wall - (moment.monotonic - run.since),
        "uptime": moment.monotonic - run.started,
        "memory": usage.rss if usage is not None else None,
        "cpu": worker.load.percent(usage.cpu, moment.monotonic) if usage is not None else None,
        "lag": worker.pong.lag if ready else None,
        "served": worker.pong.served if ready else None,
        "in_flight": _in_flight(service, member.number, worker) if ready else None,
        "generation": member.generation,
        "stuck": run.stuck,
        "adopted": worker.adopted,
        "status": worker.status,
    }


def _end(end: End | None) -> dict[str, Any] | None:
    if end is None:
        return None
    moment = clock.moment()
    return {
        "at": moment.wall - (moment.monotonic - end.at),
        "text": str(end),
        "code": end.code,
        "signal": end.signal,
        "requested": end.requested,
        "error": end.error,
        "where": end.where,
    }


def _last_lines(service: Service, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the instances that are not well."""
    ill = [one["instance"] for one in instances if one["state"] != "ready" and one["last_end"]]
    return [
        {"instance": number, "line": line}
        for number in dict.fromkeys(ill)
        for line in tail(service.log_file(number), LOG_LINES)
    ]
