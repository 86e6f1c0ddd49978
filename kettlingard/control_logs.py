"""The part of the control API that reads logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

from kettlingar import BadRequest, RequestInfo
from kettlingard.core.loglines import Filter
from kettlingard.core.rights import Verb
from kettlingard.host.logs import Follower, Mark, follow
from kettlingard.host.pastlogs import Past, merged

from .asked import Asked
from .commands import Item
from .service import Service

EVERY = 1 << 20  # lines: who asks for so many wants all that there are
BATCH = 200  # lines that are read at once

Instance = tuple[str, int]  # service, number


class LogsApi(Asked):
    """Lines of logs."""

    async def api_logs(
        self,
        request: RequestInfo,
        services: list[str] | None = None,
        lines: int = 10,
        follow: bool = False,
        *,
        since: float | None = None,
        level: str | None = None,
        after: dict[str, list[int]] | None = None,
    ) -> AsyncIterator[Item]:
        """Yield the last lines of logs, in order of time, then with `follow` those that come.

        since  only what was written from then on: seconds since 1970
        level  only of this level and above
        after  by SERVICE/N, the `mark` of the last line that the caller has: go on from there;
               first comes an item with the `marks` of those that are followed
        """
        names = services or sorted(self._daemon.services)
        files = {
            target.service.log_file(place): (target.service.name, place)
            for target in self._targets(request, names, Verb.CONTROL)
            for place in sorted(target.places or _places_with_log(target.service))
        }
        try:
            wanted = partial(Filter, since, level)
            filters = {path: wanted() for path in files}
        except ValueError as why:
            raise BadRequest(str(why)) from why
        marks = after or {}
        followers = _followers(files, marks) if follow else {}
        try:
            last = None if lines >= EVERY else lines
            pasts = [
                Past(path, wanted, since, last, followers[path].mark[1] if follow else None)
                for path in files
            ]
            async for path, line in _in_batches(merged([] if marks else pasts)):
                yield _item(files[path], line)
            if follow and after is not None:
                told = {_name(files[path]): [*one.mark, 0] for path, one in followers.items()}
                yield {"marks": told | marks}
            async for item in _go_on(files, followers, filters, marks):
                yield item
        finally:
            for follower in followers.values():
                follower.close()


def _followers(files: Mapping[Path, Instance], after: dict[str, list[int]]) -> dict[Path, Follower]:
    found = {}
    for path, instance in files.items():
        mark = after.get(_name(instance))
        found[path] = Follower(path, (mark[0], mark[1]) if mark else None)
    return found


async def _in_batches(lines: Iterable[tuple[Path, str]]) -> AsyncIterator[tuple[Path, str]]:
    """Read in a thread: files may be large, and compressed."""
    rest = iter(lines)
    while batch := await asyncio.to_thread(lambda: list(islice(rest, BATCH))):
        for one in batch:
            yield one


async def _go_on(
    files: Mapping[Path, Instance],
    followers: Mapping[Path, Follower],
    filters: Mapping[Path, Filter],
    after: dict[str, list[int]],
) -> AsyncIterator[Item]:
    seen = {path: _seen(one, after.get(_name(files[path]))) for path, one in followers.items()}
    async for path, number, line in follow(followers):
        began = followers[path].began
        if number < seen[path]:
            continue  # of the lines that were read with the marked one
        seen[path] = 0
        if filters[path].shows(line):
            yield {**_item(files[path], line), "mark": _mark(began, number)}


def _seen(follower: Follower, mark: list[int] | None) -> int:
    """How many lines from where it stands the caller has; none if its file has gone."""
    return mark[2] if mark is not None and list(follower.mark) == mark[:2] else 0


def _mark(began: Mark, number: int) -> list[int]:
    return [*began, number + 1]


def _item(instance: Instance, line: str) -> Item:
    service, place = instance
    return {"service": service, "instance": place, "line": line, "_format": "%(line)s"}


def _name(instance: Instance) -> str:
    return f"{instance[0]}/{instance[1]}"


def _places_with_log(service: Service) -> set[int]:
    """All places that are, and all that have been."""
    known = {member.place for member in service.state.members.values()}
    return known | set(service.state.places) | set(range(1, service.state.wanted.instances + 1))
