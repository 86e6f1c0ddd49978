"""The end of all services: those first that nobody needs, within one time for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from .bonds import Bonds
from .service import Service

HURRY = 5.0  # seconds, after a second signal


class Draining:
    """Stops the services, step by step as they end; `ended` is set when nothing runs."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, services: Mapping[str, Service], bonds: Bonds
    ) -> None:
        self.ended = asyncio.Event()
        self._loop = loop
        self._services = services
        self._bonds = bonds
        self._until = 0.0

    def begin(self, seconds: float) -> None:
        """So long for all of them together."""
        self._until = self._loop.time() + seconds
        self.go_on()

    def hurry(self, by: str) -> None:
        """Somebody asks again: it may not take much longer."""
        self._until = min(self._until, self._loop.time() + HURRY)
        for service in self._services.values():
            service.stop(by, within=HURRY)
        self.go_on()

    def go_on(self) -> None:
        """Something has ended: stop those that nobody needs any more."""
        needs = self._bonds.needs()
        left = {name for name, one in self._services.items() if one.state.members}
        for name in reversed(self._bonds.start_order()):
            service = self._services[name]
            needed = any(name in needs[other] for other in left if other != name)
            if service.state.wanted.instances and not needed:
                service.stop("shutdown", within=max(0.0, self._until - self._loop.time()))
        if not any(one.lives for one in self._services.values()):
            self.ended.set()
