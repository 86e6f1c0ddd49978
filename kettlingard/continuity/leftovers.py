"""What runs have left that ended when nobody was there to see it: processes, and files in the run folder."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from kettlingard.daemon import Daemon
from kettlingard.host.given import take_back
from kettlingard.host.meeting import visit

log = logging.getLogger(__name__)


def clear(daemon: Daemon) -> None:
    """End and remove all that belongs to no run that is known."""
    services = daemon.services.values()
    known = {worker.launch.mark for one in services for worker in one.workers.values()}
    known |= {run.mark for one in services for _, run in one.orphans.values()}
    _remove(Path(daemon.layout.meetings), known)
    if any(one.orphans for one in services):
        return  # what an orphan is was not proven: no group may be ended as not being its own
    left = daemon.cgroups.clear(known)
    if left:
        log.warning("leftovers killed of runs that have ended pids=%s", left)


def _remove(meetings: Path, known: Collection[str]) -> None:
    for path in _unknown(meetings, known):
        try:
            visit(path).close()
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            continue  # somebody is busy there, or it is no socket of ours
    for path in _unknown(meetings.parent / "programs", known):  # FIFOs, and notify sockets
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for path in _unknown(meetings.parent / "credentials", known):
        take_back(path)


def _unknown(folder: Path, known: Collection[str]) -> list[Path]:
    found = list(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.stem not in known]
