"""The part of the control API that changes something: one method per ctl command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from kettlingar import BadRequest, RequestInfo
from kettlingard.core.rights import Verb
from kettlingard.core.steps import Planned, record
from kettlingard.core.values import SIGNALS
from kettlingard.services.service import Service

from .asked import Asked, by
from .changing import Changing
from .commands import READY, STOPPED, Goal, Item, Target, marks
from .reach import asker, owner_only


class ChangesApi(Asked):
    """start to kill; each is an intent, and its answer tells what becomes of it."""

    _changing: Changing

    async def api_start(
        self,
        request: RequestInfo,
        services: list[str],
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
        *,
        deps: bool = True,
    ) -> AsyncIterator[Item]:
        """Start services and, with `deps`, what they need; the last item says how it went."""
        wanted = self._targets(request, services, Verb.CONTROL)
        since = marks([target.service for target in wanted])
        said = self._commands.start(wanted, by(request), deps=deps)
        async for item in self._follow(_all(wanted, READY), said, since, timeout, wait=wait):
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
        with_dependents: bool = False,
    ) -> AsyncIterator[Item]:
        """Drain and stop services, until they are started or the machine boots.

        now              cut what is in flight
        with_dependents  stop those too that require them
        force            stop them although others that run require them
        """
        wanted = self._targets(request, services, Verb.CONTROL)
        if with_dependents:
            wanted = self._commands.with_dependents(wanted)
            self._check(request, [target.service for target in wanted], Verb.CONTROL)
        since = marks([target.service for target in wanted])
        said = self._commands.stop(wanted, by(request), force=force, drain=not now)
        async for item in self._follow(_all(wanted, STOPPED), said, since, timeout, wait=wait):
            yield item

    async def api_restart(
        self,
        request: RequestInfo,
        services: list[str],
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
        *,
        now: bool = False,
        allow_api_break: bool = False,
    ) -> AsyncIterator[Item]:
        """Replace processes by new ones, with the definitions on disk.

        now              cut the old ones first
        allow_api_break  although methods or arguments are missing, and [update] refuses that
        """
        wanted = self._targets(request, services, Verb.CONTROL)
        since = marks([target.service for target in wanted])
        said = self._commands.restart(wanted, by(request), now=now, allow_break=allow_api_break)
        async for item in self._follow(_all(wanted, READY), said, since, timeout, wait=wait):
            yield item

    async def api_plan(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> dict[str, Any]:
        """Say what `apply` would do, key by key."""
        planned, problems = self._planned(request, services or ())
        return {"steps": [record(one) for one in planned], "problems": problems}

    def _planned(
        self, request: RequestInfo, names: Sequence[str]
    ) -> tuple[list[Planned], list[str]]:
        """The steps for these services; without names, for all that the caller may control."""
        planned, problems = self._changing.plan(names)
        who, pid = asker(request)
        mine = []
        for one in planned:
            grants = self._changing.grants_of(one)
            if names:
                grants.check(who, Verb.CONTROL, pid)
            if grants.rights.may(who, Verb.CONTROL):
                mine.append(one)
        return mine, problems

    async def api_apply(
        self,
        request: RequestInfo,
        services: list[str] | None = None,
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
        *,
        prune: bool = False,
    ) -> AsyncIterator[Item]:
        """Make what runs what the definitions say; what has not changed is left alone."""
        self._commands.refuse_while_draining()
        planned, problems = self._planned(request, services or ())
        since = marks(self._daemon.services.values())
        goals, said = self._changing.apply(planned, by(request), prune=prune)
        for text in problems:
            yield {"service": "", "text": text, "refused": True, "_format": "! %(text)s"}
        async for item in self._follow(goals, said, since, timeout, wait=wait):
            if "ok" in item:
                item["ok"] = item["ok"] and not problems
            yield item

    async def api_scale(
        self,
        request: RequestInfo,
        services: dict[str, int],
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
    ) -> AsyncIterator[Item]:
        """Run so many instances of each, until its definition says another number or a boot."""
        self._commands.refuse_while_draining()
        wanted = {self._one(request, name, Verb.CONTROL): n for name, n in services.items()}
        since = marks(wanted.keys())
        goals = self._changing.scale(wanted, by(request))
        async for item in self._follow(goals, [], since, timeout, wait=wait):
            yield item

    async def api_enable(self, request: RequestInfo, services: list[str]) -> None:
        """Start these with the daemon, whatever their definitions say."""
        for target in self._targets(request, services, Verb.CONTROL):
            self._changing.enable(target.service, by(request), yes=True)

    async def api_disable(self, request: RequestInfo, services: list[str]) -> None:
        """Do not start these with the daemon, whatever their definitions say."""
        for target in self._targets(request, services, Verb.CONTROL):
            self._changing.enable(target.service, by(request), yes=False)

    async def api_reload(self, request: RequestInfo, service: str) -> AsyncIterator[Item]:
        """Take over what needs no new process; workers hear of their [config] again."""
        found = self._one(request, service, Verb.CONTROL)
        said = self._changing.reload(found, by(request))
        async for item in self._follow({}, said, {}, None):
            yield item

    async def api_rollback(
        self,
        request: RequestInfo,
        service: str,
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  the caller's
    ) -> AsyncIterator[Item]:
        """Have the last definition back with which the service was ready."""
        self._commands.refuse_while_draining()
        found = self._one(request, service, Verb.CONTROL)
        since = marks([found])
        said = self._changing.roll_back(found, by(request))
        async for item in self._follow({found: READY}, said, since, timeout, wait=wait):
            yield item

    async def api_token(
        self, request: RequestInfo, service: str, command: str = "issue"
    ) -> dict[str, Any]:
        """Give the secret that calls every method by TCP; to the daemon's owner only.

        command  issue: the one that counts; rotate: a new one, the old one is worth
                 nothing from now on; revoke: the same, and nobody is told the new one
        """
        owner_only(request)
        found = self._one(request, service, Verb.CONTROL)
        if command not in {"issue", "rotate", "revoke"}:
            raise BadRequest(f'"{command}" is not one of issue, rotate, revoke')
        found.note(f"token {command}", by(request))
        if command != "issue":
            found.change_secret()
        if command == "revoke":
            return {"service": service}
        return {"service": service, "token": found.secret, "urls": found.urls()}

    async def api_kill(
        self, request: RequestInfo, services: list[str], signal: str = "SIGTERM"
    ) -> list[int]:
        """Send a signal to the processes; what follows is as if they had ended by themselves."""
        name = signal.upper() if signal.upper().startswith("SIG") else f"SIG{signal.upper()}"
        number = SIGNALS.get(name)
        if number is None:
            raise BadRequest(f'"{signal}" is no signal: {", ".join(SIGNALS)}')
        killed: list[int] = []
        for target in self._targets(request, services, Verb.CONTROL):
            target.service.note(f"kill -s {name}", by(request))
            killed += target.service.send(number, target.places)
        return killed

    async def api_reset_failed(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> list[str]:
        """Forget ends of before: what has failed is tried again now. Return the names."""
        failed = [one.name for one in self._visible(request, ()) if one.has_failed]
        wanted = (
            self._targets(request, services or failed, Verb.CONTROL) if services or failed else []
        )
        for target in wanted:
            target.service.forgive(by(request))
        return [target.service.name for target in wanted]


def _all(wanted: Sequence[Target], goal: Goal) -> dict[Service, Goal]:
    return {target.service: goal for target in wanted}
