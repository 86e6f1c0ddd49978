"""Settings that a supervisor changes while a worker runs."""

from __future__ import annotations

import asyncio
import logging

from kettlingar.runtime import Runtime, settings_of
from kettlingar.transport import messages

log = logging.getLogger(__name__)


class Adjusting:
    """Takes over changes, each in a task: an author's hooks may wait. The last secret holds."""

    def __init__(self) -> None:
        self.secret = ""  # that came after the first one
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, runtime: Runtime, message: messages.Adjust, first_secret: str) -> None:
        """Begin to take `message` over."""
        self.secret = message.secret or self.secret
        task = asyncio.ensure_future(_adjust(runtime, message, self.secret or first_secret))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _adjust(runtime: Runtime, message: messages.Adjust, secret: str) -> None:
    settings = settings_of(runtime.kitten, secret, message.public_methods)
    try:
        await runtime.adjust(settings, message.config)
    except Exception:  # an author's hook may raise anything, and the service goes on
        log.exception("cannot take over changed settings")
