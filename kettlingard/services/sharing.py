"""The listeners of kettlingard.toml among all services: open, and with the routes that count now."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

from kettlingard.core.listeners import RouteSpec, SharedListener
from kettlingard.core.routes import table
from kettlingard.ingress import Front, Router

from .listening import Listening
from .service import Service


class Sharing:
    """`specs` are what is wanted; `keep` makes it so. Owns the retry, not the router."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, router: Router, services: Mapping[str, Service]
    ) -> None:
        self.specs: tuple[SharedListener, ...] = ()
        self._loop = loop
        self._router = router
        self._services = services
        self._listening = Listening("kettlingard", router)
        self._again: asyncio.TimerHandle | None = None
        self._routed: list[tuple[str, tuple[RouteSpec, ...]]] = []
        router.give = self._give

    def keep(self) -> None:
        """Listen on these; an address that is taken is tried again."""
        self.close()
        self._listening.keep(self.specs, self._loop.time())
        if self._listening.problem:
            self._again = self._loop.call_at(self._listening.again, self.keep)
        self.place()

    def place(self) -> None:
        """Requests go by the routes of all services as they are now."""
        if not self.specs and not self._routed:
            return
        specs = [one.spec for one in self._services.values() if one.spec is not None]
        routed = [(spec.name, spec.route) for spec in specs if spec.route]
        if routed != self._routed:
            self._routed = routed
            self._router.become(table(specs))

    def listeners_of(self, service: Service) -> list[dict[str, object]]:
        """Those by which requests come to it."""
        routes = service.spec.route if service.spec is not None else ()
        names = {route.listen for route in routes}
        return [one for one in self._router.describe() if one["name"] in names]

    def problem_of(self, service: Service) -> str:
        """Why no request may come to it by these."""
        routed = service.spec is not None and service.spec.route
        return self._listening.problem if routed else ""

    def _give(self, name: str, front: Front, sock: socket.socket) -> bool:
        service = self._services.get(name)
        if service is None or not service.lives:
            return False
        service.ingress.take(front, sock)
        return True

    def close(self) -> None:
        """Try nothing again."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
