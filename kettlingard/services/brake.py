"""The storm brake over all services: how many runs may start now, and whether the host is ill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from kettlingard.core.reconcile import BRAKE
from kettlingard.core.storm import is_storm
from kettlingard.core.vocabulary import COMING

from .running import Running

STARTS = 16  # at once, of all services together


class Brake:
    """Knows the services; `let_go` is called when those that had to wait may look again."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        services: Mapping[str, Running],
        let_go: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._services = services
        self._let_go = let_go
        self._later: asyncio.TimerHandle | None = None

    def tokens(self) -> int:
        """How many runs may start now."""
        now = self._loop.time()
        coming = sum(
            member.run.phase in COMING and now < member.run.started + BRAKE
            for service in self._services.values()
            for member in service.state.members.values()
        )
        if coming >= STARTS and self._later is None:
            # It lets go by time alone: nobody would tell those that wait for it.
            self._later = self._loop.call_later(BRAKE / 5, self._lets_go)
        return STARTS - coming

    def _lets_go(self) -> None:
        self._later = None
        self._let_go()

    def storm(self) -> bool:
        """So many services are in backoff that the host must be at fault."""
        return is_storm(service.state for service in self._services.values())

    def close(self) -> None:
        """Nobody looks again."""
        if self._later is not None:
            self._later.cancel()
