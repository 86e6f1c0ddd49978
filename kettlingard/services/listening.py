"""A service's listeners: open while it is wanted or runs; an address that is taken is tried again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from kettlingard.core.listeners import ListenerSpec
from kettlingard.errors import ListenError

log = logging.getLogger(__name__)

AGAIN = 5.0  # seconds


class Opens(Protocol):
    """What has listeners: a service's ingress, or the router."""

    def open(self, specs: Sequence[ListenerSpec]) -> None:
        """Listen on exactly these. Raises ListenError, and then nothing has changed."""


class Listening:
    """Keeps an Ingress at what is wanted of it."""

    def __init__(self, service: str, ingress: Opens) -> None:
        self.problem = ""  # why they are not open
        self.again = 0.0  # when they are tried again, if there is a problem
        self._service = service
        self._ingress = ingress
        self._open: tuple[ListenerSpec, ...] = ()

    def keep(self, specs: Sequence[ListenerSpec], now: float) -> None:
        """Listen on exactly these; what cannot be opened leaves all as it was."""
        wanted = tuple(specs)
        if wanted == self._open:
            self.problem = ""
            return
        if self.problem and now < self.again:
            return
        before, self.problem = self.problem, self._opened(wanted)
        if not self.problem:
            self._open = wanted
            return
        self.again = now + AGAIN
        if self.problem != before:
            log.error("%s service=%s", self.problem, self._service)

    def _opened(self, specs: Sequence[ListenerSpec]) -> str:
        try:
            self._ingress.open(specs)
        except ListenError as why:
            return str(why)
        return ""
