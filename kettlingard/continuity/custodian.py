"""Our custodian: a child that has our descriptors too, so that connections outlive us.

The one of our last version watches until there is one of ours: what it shared with that
stays open with it, so that it has to go then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kettlingard.core.marks import Whose
from kettlingard.host import custodian
from kettlingard.host.handed import Handed
from kettlingard.host.marks import Marks
from kettlingard.host.reap import ExitStatus, Reaper
from kettlingard.ingress import Router
from kettlingard.services.service import Service

log = logging.getLogger(__name__)

AGAIN = 1.0  # seconds until there is another one


class Custodian:
    """Owns the child, and the memory that both see."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, reaper: Reaper, marks: Marks, folder: Path
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._marks = marks
        self._folder = folder
        self._ourselves = os.pidfd_open(os.getpid())
        self._child: tuple[int, int] | None = None  # pid, pidfd
        self._again: asyncio.TimerHandle | None = None
        self._kept: list[custodian.Kept] = []

    def begin(self, handed: Handed, before: int = -1) -> None:
        """From now on there is one, instead of `before` (a pidfd).

        What those of killed supervisors have is ours: listeners first.
        """
        self.start()
        if before >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(before, signal.SIGKILL)
            os.close(before)
        for one in custodian.taken(self._folder):
            if one.mark.whose is Whose.LISTENER:
                handed.keep(one.mark.listener, one.sock)
            else:
                self._kept.append(one)

    def rescue(self, services: Iterable[Service], router: Router) -> None:
        """Go on with connections that killed supervisors had; the listeners are open."""
        kept, self._kept = self._kept, []
        left = router.rescue(kept)
        for service in services:
            left = service.ingress.rescue(left, sure=not service.orphans)
        for one in left:
            one.sock.close()
        if kept:
            log.info("connections rescued count=%d of_nobody=%d", len(kept) - len(left), len(left))

    def start(self) -> None:
        """There is one again."""
        self._again = None
        try:
            pid = custodian.start(self._ourselves, self._marks, self._folder)
        except (OSError, NotImplementedError) as why:
            log.warning("no custodian: a crash would end connections being passed on: %s", why)
            return
        self._child = pid, os.pidfd_open(pid)
        self._reaper.watch(*self._child, self._ended)

    def _ended(self, end: ExitStatus) -> None:
        log.warning("custodian ended status=%s next=again", end)
        self._let_go()
        self._again = self._loop.call_later(AGAIN, self.start)

    def fileno(self) -> int:
        """Its pidfd, to be kept over an exec; -1 if there is none."""
        return self._child[1] if self._child is not None else -1

    def close(self) -> None:
        """We end in order: nothing is left for anybody, and nobody watches when this returns."""
        if self._again is not None:
            self._again.cancel()
        if self._child is not None:
            pid, pidfd = self._child
            self._reaper.forget(pid)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            with suppress(ChildProcessError):  # a sweep was faster
                os.waitid(os.P_PID, pid, os.WEXITED)  # its pidfd does not block
            self._let_go()
        os.close(self._ourselves)

    def _let_go(self) -> None:
        if self._child is not None:
            os.close(self._child[1])
            self._child = None
