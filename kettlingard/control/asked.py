"""What all parts of the control API share: who asks, for which services, and may they?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from kettlingar import RequestInfo
from kettlingard.core.rights import Verb
from kettlingard.daemon import Daemon
from kettlingard.services.service import Service

from .commands import Commands, Goal, Item, Target, refused, targets
from .reach import asker


class Asked:
    """A part of the control API: mixed into Control, which sets these."""

    _daemon: Daemon
    _commands: Commands

    def _targets(self, request: RequestInfo, names: Sequence[str], verb: Verb) -> list[Target]:
        """Those that the names mean. Raise NotFound, or PermissionError for one of them."""
        found = targets(self._daemon, names)
        self._check(request, [target.service for target in found], verb)
        return found

    def _check(self, request: RequestInfo, services: Sequence[Service], verb: Verb) -> None:
        who, pid = asker(request)
        for service in services:
            service.grants.check(who, verb, pid)

    def _one(self, request: RequestInfo, name: str, verb: Verb) -> Service:
        """The service of this name, if the caller may."""
        [target] = self._targets(request, [name], verb)
        return target.service

    def _visible(self, request: RequestInfo, names: Sequence[str]) -> list[Service]:
        """These services; without names all that the caller may see."""
        if names:
            found = [self._daemon.find(name.partition("/")[0]) for name in dict.fromkeys(names)]
            self._check(request, found, Verb.STATUS)
            return found
        who, _ = asker(request)
        services = [self._daemon.services[name] for name in sorted(self._daemon.services)]
        return [one for one in services if one.grants.rights.may(who, Verb.STATUS)]

    async def _follow(
        self,
        goals: Mapping[Service, Goal],
        said: list[Item],
        since: dict[str, int],
        seconds: float | None,
        *,
        wait: bool = True,
    ) -> AsyncIterator[Item]:
        """Say what was said at once, then what happens until all have reached their goals."""
        for item in said:
            yield item
        left = {one: goal for one, goal in goals.items() if one.name not in refused(said)}
        if not wait or not left:
            yield {"ok": not refused(said), "timed_out": False, "services": {}}
            return
        async for item in self._commands.watch(left, seconds, since):
            if "ok" in item:
                item["ok"] = item["ok"] and not refused(said)
            yield item


def by(request: RequestInfo) -> str:
    """Who asks, for the history."""
    return f"uid {asker(request)[0].uid}"
