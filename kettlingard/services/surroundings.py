"""What one service needs of the daemon, and may ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from kettlingar.transport import messages
from kettlingard.core.state import Circumstances
from kettlingard.host.cgroup import Cgroups
from kettlingard.host.limits import OpenFiles
from kettlingard.host.reap import Reaper
from kettlingard.ingress import Ingress
from kettlingard.worker.process import Worker
from kettlingard.worker.pulse import Rhythms
from kettlingard.worker.start import Starter

if TYPE_CHECKING:
    from .running import Running
    from .service import Service


class Surroundings(Struct, frozen=True):
    """Given to each service when it is made."""

    loop: asyncio.AbstractEventLoop
    reaper: Reaper
    starter: Starter
    rhythms: Rhythms
    ingress: Callable[[str], Ingress]
    meetings: Path  # where workers are found that have lost their supervisor
    folder: Path  # of states; the service has its own in it
    logs: Path
    open_files: OpenFiles  # a worker's limit where its definition says nothing
    cgroups: Cgroups
    url_files: bool  # written where a definition has no [access]
    circumstances: Callable[[Running], Circumstances]
    storm: Callable[[], bool]  # most services are in backoff
    waits_for: Callable[[Running], list[str]]
    changed: Callable[[str], None]  # told by name
    remember: Callable[[Service], None]  # how many of it are wanted, and which not
    asked: Callable[[str, Worker, messages.Ask], None]
    noted: Callable[[str, str], bool]  # is this service's run of this mark in the state file?
