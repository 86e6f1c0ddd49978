"""All zygotes of a supervisor: one of a kind, made when first asked for, replaced when it has gone."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from kettlingard.errors import SpawnError
from kettlingard.host import spawn
from kettlingard.host.logs import open_log
from kettlingard.host.reap import Reaper

from .asked import Tell
from .choice import Kind
from .client import Phase, Zygote

log = logging.getLogger(__name__)

WARM_UP = 10.0  # seconds that a start waits for a zygote of which there was none
ANSWER = 2.0  # seconds for a fork, which takes a few milliseconds
LONGEST = 300.0  # seconds between two tries of one that cannot be warmed


class Zygotes:
    """`in_use()` are the kinds that services have now; others go when a new one comes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        env: Mapping[str, str],
        log_file: Path,
        in_use: Callable[[], Collection[Kind]],
    ) -> None:
        self.env = env  # what all of them start with
        self._loop = loop
        self._reaper = reaper
        self._log_file = log_file
        self._in_use = in_use
        self._zygotes: dict[Kind, Zygote] = {}
        self._seen: set[Kind] = set()
        self._failures: dict[Kind, int] = {}
        self._not_before: dict[Kind, float] = {}

    def ask(self, kind: Kind, request: spawn.SpawnRequest, timeout: float, tell: Tell) -> None:
        """Have a zygote of this kind fork; `tell(None)` if none can now.

        A start waits while the first of a kind warms up; while one is being
        replaced it does not, since exec is as fast. `timeout` is the start's own:
        enough of it is left for exec.
        """
        zygote = self._zygotes.get(kind) or self._make(kind)
        if zygote is None:
            tell(None)
            return
        warm = zygote.phase is Phase.WARM
        late = self._loop.time() > zygote.began + WARM_UP
        if not warm and (late or kind in self._seen):
            tell(None)
            return
        patience = min(ANSWER if warm else WARM_UP, timeout / 3)
        try:
            zygote.ask(request, patience, tell)
        except OSError as why:
            log.warning("zygote not asked reason=%s", why.strerror)
            tell(None)

    def _make(self, kind: Kind) -> Zygote | None:
        if self._loop.time() < self._not_before.get(kind, 0.0):
            return None
        self._prune(kind)
        zygote = Zygote(self._loop, self._reaper, kind, self._ended)
        try:
            log_fd = open_log(self._log_file)
            try:
                zygote.start(self.env, log_fd)
            finally:
                os.close(log_fd)
        except (SpawnError, OSError) as why:
            log.warning("zygote not started reason=%s", why)
            self._failed(kind)
            return None
        self._zygotes[kind] = zygote
        return zygote

    def _prune(self, coming: Kind) -> None:
        """Let those go that no definition asks for any more."""
        used = {coming, *self._in_use()}
        for kind in set(self._zygotes) - used:
            self._zygotes.pop(kind).close()
        self._seen &= used

    def _ended(self, zygote: Zygote) -> None:
        self._zygotes.pop(zygote.kind, None)
        self._seen.add(zygote.kind)
        if zygote.was_warm:
            self._failures.pop(zygote.kind, None)
            if zygote.waited_for:  # those are executed; whoever comes next finds another
                self._make(zygote.kind)
        else:
            self._failed(zygote.kind)

    def _failed(self, kind: Kind) -> None:
        failures = self._failures[kind] = self._failures.get(kind, 0) + 1
        self._not_before[kind] = self._loop.time() + min(LONGEST, 2.0**failures)

    def pids(self) -> list[int]:
        """Those that are there."""
        return [zygote.pid for zygote in self._zygotes.values()]

    def close(self) -> None:
        """End them all."""
        for zygote in self._zygotes.values():
            zygote.close()
        self._zygotes.clear()
