"""The part of the control API that reads logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from kettlingar import BadRequest, NotFound, RequestInfo
from kettlingard.core.loglines import Filter
from kettlingard.core.rights import Verb
from kettlingard.host import logs
from kettlingard.host.pastlogs import Past, merged
from kettlingard.services.service import Service

from .asked import Asked
from .commands import Item

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
        wanted = partial(Filter, since, level)
        try:
            wanted()
        except ValueError as why:
            raise BadRequest(str(why)) from why
        files, marks = self._log_files(request, services), after or {}
        following = _Following(files if follow else {}, wanted, marks)
        try:
            if not marks:
                last = None if lines >= EVERY else lines
                pasts = [Past(path, wanted, since, last, following.end(path)) for path in files]
                async for path, line in _in_batches(merged(pasts)):
                    yield _item(files[path], line)
            if follow and after is not None:
                yield {"marks": following.marks() | marks}
            if follow:
                folder = Path(self._daemon.layout.log)
                async for item in following.on(folder, lambda: self._log_files(request, services)):
                    yield item
        finally:
            following.close()

    def _log_files(self, request: RequestInfo, services: list[str] | None) -> dict[Path, Instance]:
        names = services or sorted(self._daemon.services)
        return {
            target.service.log_file(place): (target.service.name, place)
            for target in (self._targets(request, names, Verb.CONTROL) if names else ())
            for place in sorted(target.places or _places_with_log(target.service))
        }


class _Following:
    """Owns the followers of logs, from the `marks` that somebody has on, else from their ends."""

    def __init__(
        self,
        files: Mapping[Path, Instance],
        wanted: Callable[[], Filter],
        marks: Mapping[str, list[int]],
    ) -> None:
        self._files = dict(files)
        self._wanted = wanted
        self._filters = {path: wanted() for path in files}
        self._followers: dict[Path, logs.Follower] = {}
        self._seen: dict[Path, int] = {}  # lines that were read with a marked one, before it
        for path, instance in files.items():
            mark = marks.get(_name(instance))
            one = logs.Follower(path, (mark[0], mark[1]) if mark else None)
            self._followers[path] = one
            if mark is not None and list(one.mark) == mark[:2]:
                self._seen[path] = mark[2]

    def end(self, path: Path) -> int | None:
        """Where it begins to follow: what is before that is past."""
        one = self._followers.get(path)
        return one.mark[1] if one is not None else None

    def marks(self) -> dict[str, list[int]]:
        """By SERVICE/N."""
        return {_name(self._files[path]): [*one.mark, 0] for path, one in self._followers.items()}

    async def on(
        self, folder: Path, files: Callable[[], Mapping[Path, Instance]]
    ) -> AsyncIterator[Item]:
        """Lines as they come; an instance that is new is followed from its first line on."""

        def look() -> None:
            with suppress(NotFound, PermissionError):
                now = files()
                for path in now.keys() - self._files.keys():
                    self._files[path], self._filters[path] = now[path], self._wanted()
                    self._followers[path] = logs.Follower(path, logs.BEGINNING)

        async for path, number, line in logs.follow(folder, self._followers, look):
            if number < self._seen.get(path, 0):
                continue
            self._seen.pop(path, None)
            if self._filters[path].shows(line):
                mark = [*self._followers[path].began, number + 1]
                yield {**_item(self._files[path], line), "mark": mark}

    def close(self) -> None:
        """Follow nothing."""
        for one in self._followers.values():
            one.close()


async def _in_batches(lines: Iterable[tuple[Path, str]]) -> AsyncIterator[tuple[Path, str]]:
    """Read in a thread: files may be large, and compressed."""
    rest = iter(lines)
    while batch := await asyncio.to_thread(lambda: list(islice(rest, BATCH))):
        for one in batch:
            yield one


def _item(instance: Instance, line: str) -> Item:
    service, place = instance
    return {"service": service, "instance": place, "line": line, "_format": "%(line)s"}


def _name(instance: Instance) -> str:
    return f"{instance[0]}/{instance[1]}"


def _places_with_log(service: Service) -> set[int]:
    """All places that are, and all that have been."""
    known = {member.place for member in service.state.members.values()}
    return known | set(service.state.places) | set(range(1, service.state.wanted.instances + 1))
