"""kettlingard.toml as it is on disk now, and what a running supervisor takes over of it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from kettlingard.core.daemonspec import DaemonKeys, DaemonSpec, parse_daemon
from kettlingard.core.keys import Change, keys_of
from kettlingard.core.reading import Problem, Source
from kettlingard.host.definitions import read_definition

from .catalog import Catalog
from .daemon import Daemon

log = logging.getLogger(__name__)


def read_settings(path: Path, *, must_exist: bool = False) -> DaemonSpec | list[Problem]:
    """Read the file; one that is not there, and need not be, says nothing."""
    if not must_exist and not path.exists():
        return DaemonSpec(str(path))
    found = read_definition(path)
    if found.text is None:
        return [Problem(str(path), found.problem, found.line)]
    return parse_daemon(Source(str(path), found.text))


class Settings:
    """What holds of kettlingard.toml now."""

    def __init__(self, spec: DaemonSpec, daemon: Daemon, catalog: Catalog) -> None:
        self._spec = spec
        self._daemon = daemon
        self._catalog = catalog
        daemon.timeout_stop = spec.daemon.timeout_stop
        daemon.sharing.specs = spec.listen

    def reload(self) -> tuple[list[str], list[Problem]]:
        """Read it again, services are left alone: what changed, or what is wrong with it."""
        found = read_settings(Path(self._spec.file))
        if isinstance(found, list):
            for problem in found:
                log.error("%s", problem)
            return [], found
        said = list(_changes(self._spec.daemon, found.daemon))
        if found.defaults != self._spec.defaults:
            said.append("[defaults]: for services when they are applied or restarted")
        if found.listen != self._spec.listen:
            said.append("[[listen]]: now")
        self._spec, self._catalog.defaults = found, found.defaults
        self._catalog.shared = found.names
        self._daemon.timeout_stop = found.daemon.timeout_stop
        self._daemon.sharing.specs = found.listen
        self._daemon.sharing.keep()
        os.chmod(self._daemon.layout.socket, found.daemon.control_mode)
        log.info("settings read again file=%s changes=%d", found.file, len(said))
        return said, []


def _changes(old: DaemonKeys, new: DaemonKeys) -> list[str]:
    said = []
    for name, key in keys_of(DaemonKeys).items():
        if getattr(old, name) != getattr(new, name):
            when = "now" if key.change is Change.LIVE else "when kettlingard starts again"
            said.append(f"daemon.{name}: {when}")
    return said
