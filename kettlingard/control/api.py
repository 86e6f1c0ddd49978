"""The control API: an ordinary kitten, served on the control socket, one method per ctl command.

Whoever can connect is who the kernel says they are; each method asks the
service's rights. What only the daemon's owner may do says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from kettlingar import BadRequest, Conflict, HttpResult, RequestInfo, RPCKitten, Unavailable
from kettlingar.config import schema
from kettlingar.request import FdsResult
from kettlingard.continuity.upgrade import Upgrade
from kettlingard.core.goal import Outlook
from kettlingard.core.rights import Verb
from kettlingard.core.state import ServiceState
from kettlingard.core.words import Word
from kettlingard.daemon import Daemon
from kettlingard.services.service import Service
from kettlingard.settings import Settings

from . import report
from .asked import by
from .changes import ChangesApi
from .changing import Changing
from .commands import READY, STOPPED, Commands, Goal, Item, marks
from .logs import LogsApi
from .looks import LooksApi
from .reach import Reach, asker, owner_only

log = logging.getLogger(__name__)

FRESH = 0.1  # seconds in which the workers of named services may tell how they are
HASTE = 0.02  # seconds for all of them, where nobody asked for one in particular
PATIENCE = 10.0  # seconds in which a caller waits for a worker to be ready
COMING = frozenset({Word.STARTING, Word.UPDATING, Word.WAITING, Word.DEGRADED})


def _until_unwanted(state: ServiceState, word: Word, now: float) -> Outlook:
    """Somebody else has to stop it first."""
    return Outlook.GOING if state.wanted.instances else STOPPED(state, word, now)


# `updated`: nothing is left of the generation before; a paused rollout will not come to that.
GOALS: dict[str, Goal] = {"ready": READY, "stopped": _until_unwanted, "updated": READY}


class Control(LooksApi, LogsApi, ChangesApi, RPCKitten):
    """kettlingard - starts, watches and stops services"""

    class Configuration(schema.Configuration):
        APP_NAME = "kettlingard"
        WORKER_NAME = "control"

    def __init__(self, daemon: Daemon, upgrade: Upgrade, settings: Settings) -> None:
        super().__init__(args=[])
        self._upgrade = upgrade
        self._settings = settings
        self._daemon = daemon
        self._commands = Commands(daemon)
        self._changing = Changing(daemon)
        self._reach = Reach(daemon)
        daemon.on_ask = self._reach.answer

    # --- looking ---

    async def api_status(
        self, request: RequestInfo, services: list[str] | None = None
    ) -> dict[str, Any]:
        """Say how services are; all that the caller may see, or these."""
        daemon = self._daemon
        seen = self._visible(request, services or ())
        await _refresh(seen, FRESH if services else HASTE)
        return {
            "services": report.service_records(daemon, seen, closer=bool(services)),
            "daemon": {**report.daemon_record(daemon), "upgrades": self._upgrade.count},
        }

    async def api_wait(
        self,
        request: RequestInfo,
        service: str,
        for_: str = "ready",
        timeout: float = 60.0,  # noqa: ASYNC109  the caller's
    ) -> Item:
        """Wait until a service is `ready`, `stopped`, or `updated`: as its definition on disk says."""
        goal = GOALS.get(for_)
        if goal is None:
            raise BadRequest(f'cannot wait for "{for_}": it is not one of {", ".join(GOALS)}')
        found = self._one(request, service, Verb.STATUS)
        watched = self._commands.watch({found: goal}, timeout, marks([found]), whatever=True)
        last: Item = {}
        async for item in watched:
            last = item
        return last

    async def api_methods(self, request: RequestInfo, service: str) -> list[dict[str, Any]]:
        """List what a service offers."""
        [target] = self._targets(request, [service], Verb.STATUS)
        if not target.service.ready_workers():
            raise Unavailable(f"no instance of {service} is ready; its methods are not known")
        return target.service.methods()

    # --- the supervisor itself ---

    async def api_daemon_shutdown(self, request: RequestInfo) -> HttpResult:
        """Stop all services, then the supervisor. Its owner only."""
        owner_only(request)
        asyncio.get_running_loop().call_soon(self._daemon.drain, by(request))
        return HttpResult("text/plain", "shutting down\n")

    async def api_daemon_reload_config(self, request: RequestInfo) -> dict[str, list[str]]:
        """Read kettlingard.toml again; services are left alone. Its owner only."""
        owner_only(request)
        changes, problems = self._settings.reload()
        return {"changes": changes, "problems": [str(problem) for problem in problems]}

    async def api_daemon_upgrade(self, request: RequestInfo) -> dict[str, int]:
        """Become the program that is on disk now; refused if that cannot be. Its owner only."""
        owner_only(request)
        why = await self._upgrade.begin(by(request))
        if why:
            raise Conflict(f"cannot upgrade: {why}; what runs goes on as it was")
        return {"upgrades": self._upgrade.count + 1}

    async def api_quitquitquit(self, request: RequestInfo) -> HttpResult:
        """The same as daemon_shutdown."""
        return await self.api_daemon_shutdown(request)

    # --- reaching services ---

    async def api_connect(self, request: RequestInfo, service: str) -> FdsResult:
        """Give a connected, authorised socket to a service (`NAME`, or one instance: `NAME/2`)."""
        return FdsResult([await self._reach.connect(service, *asker(request))])


async def _refresh(services: Sequence[Service], seconds: float) -> None:
    """Have kittens tell how they are; of those that do not in time the last word counts."""
    workers = [worker for one in services for worker in one.ready_workers().values()]
    asked = [w.refresh(seconds) for w in workers if w.launch.spec.is_kitten]
    await asyncio.gather(*asked)
