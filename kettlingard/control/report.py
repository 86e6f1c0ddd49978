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
from kettlingard.core.place import Place, Standing
from kettlingard.core.reconcile import wanted_places
from kettlingard.core.state import Member
from kettlingard.core.words import Word, note, place_word
from kettlingard.daemon import Daemon
from kettlingard.host import clock, procstat
from kettlingard.host.pastlogs import recent
from kettlingard.services.service import Service
from kettlingard.worker.process import Worker

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
        "zygotes": daemon.zygotes,
    }


def _unbound(daemon: Daemon, service: Service) -> str:
    return service.listening.problem or daemon.sharing.problem_of(service)


def service_records(
    daemon: Daemon, services: Iterable[Service], *, closer: bool
) -> list[dict[str, Any]]:
    """Services with their instances; `closer` with the last lines of those that are not well."""
    moment, required = clock.moment(), daemon.bonds.required()
    return [
        {
            **_service(daemon, service, moment),
            "needed_by": daemon.bonds.needed_by(service.name) if service.name in required else [],
            "log": _last_lines(service, moment) if closer and service.word in WITH_LOG else [],
        }
        for service in services
    ]


def _service(daemon: Daemon, service: Service, moment: clock.Moment) -> dict[str, Any]:
    state, spec, word = service.state, service.spec, service.word
    wanted = wanted_places(state)
    ready = service.ready_workers()
    keys = spec.service if spec is not None else None
    starts = [m.run.ready_since for m in state.members.values() if m.run.dispatchable]
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
        "uptime": moment.monotonic - min(filter(None, starts)) if starts else None,
        "in_flight": sum(_in_flight(service, n, w) for n, w in ready.items()) if ready else None,
        "note": _note(daemon, service, word),
        "problems": [_problem(problem) for problem in service.problems],
        "listens": _listens(service),
        "needs": _needs(service),
        "instances": list(_instances(service, wanted, moment)),
    }


def _note(daemon: Daemon, service: Service, word: Word) -> str:
    """One line on why it is not simply ready."""
    waits = [] if word is Word.READY else daemon.bonds.waits_for(service)
    said = note(service.state, waits, _unbound(daemon, service)) or _orphans(service)
    if not said and word is Word.HELD and service.idle_since is not None:
        since = time.localtime(service.idle_since.wall)
        return f"on demand, idle since {time.strftime('%H:%M', since)}"
    return said


def _orphans(service: Service) -> str:
    """About processes of a supervisor before this one that it could not adopt."""
    return "; ".join(
        f"/{member.place}: pid {run.pid} is an orphan: it does not prove what it is; "
        "end it to go on"
        for _, (member, run) in sorted(service.orphans.items())
    )


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


def _instances(
    service: Service, wanted: list[int], moment: clock.Moment
) -> Iterable[dict[str, Any]]:
    """Each run, and each place without one; in order of places, the newest run first."""
    here: dict[int, list[Member]] = {place: [] for place in wanted}
    for member in sorted(service.state.members.values(), key=lambda m: -m.number):
        here.setdefault(member.place, []).append(member)
    filled = set(wanted)
    for place, members in sorted(here.items()):
        record = service.state.place(place)
        about = {
            "instance": place,
            "restarts": record.restarts,
            "last_end": _end(record.last_end, moment),
        }
        if not members:
            state = place_word(record, wanted=place in filled)
            again = _next_try(record, moment)
            yield {**about, "state": state, "reason": record.reason, "next_try": again, **_NO_RUN}
        for member in members:
            yield {**about, **_run(service, member, moment)}


def _next_try(place: Place, moment: clock.Moment) -> float | None:
    """When it is tried again by time alone; seconds since 1970."""
    if place.due is None or place.standing not in {Standing.BACKOFF, Standing.FAILED}:
        return None
    return moment.wall + max(0.0, place.due - moment.monotonic)


_NO_RUN: dict[str, Any] = dict.fromkeys((
    "run", "pid", "since", "uptime", "memory", "cpu", "lag", "served", "in_flight", "generation",
))  # fmt: skip


def _run(service: Service, member: Member, moment: clock.Moment) -> dict[str, Any]:
    worker, run = service.workers[member.number], member.run
    usage = procstat.usage(worker.pid) if worker.pid is not None else None
    ready = run.ready_since is not None
    return {
        "state": run.phase.value,
        "reason": run.reason,
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


def _end(end: End | None, moment: clock.Moment) -> dict[str, Any] | None:
    if end is None:
        return None
    return {
        "at": moment.wall - (moment.monotonic - end.at),
        "text": str(end),
        "code": end.code,
        "signal": end.signal,
        "requested": end.requested,
        "error": end.error,
        "where": end.where,
    }


def _last_lines(service: Service, moment: clock.Moment) -> list[dict[str, Any]]:
    """Of the instances that are not well."""
    wanted = wanted_places(service.state)
    runs = _instances(service, wanted, moment)
    ill = [one["instance"] for one in runs if one["state"] != "ready" and one["last_end"]]
    return [
        {"instance": number, "line": line}
        for number in dict.fromkeys(ill)
        for line in recent(service.log_file(number), LOG_LINES)
    ]
