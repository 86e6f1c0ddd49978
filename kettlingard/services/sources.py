"""Watches the sources of services that cannot be imported, and says whose have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from kettlingard.host.inotify import Changes
from kettlingard.host.sources import stamps

log = logging.getLogger(__name__)

SETTLED = 0.1  # seconds: who writes one file often writes another one

Folders = frozenset[Path]


class Sources:
    """`changed(name)` when a file of its folders is another one than it was."""

    def __init__(self, loop: asyncio.AbstractEventLoop, changed: Callable[[str], None]) -> None:
        self._loop = loop
        self._changed = changed
        self._folders: dict[str, Folders] = {}
        self._stamps: dict[str, dict[str, int]] = {}
        self._watched: Folders = frozenset()
        self._changes: Changes | None = None
        self._task: asyncio.Task[None] | None = None

    def watch(self, folders: Mapping[str, Folders]) -> None:
        """From now on these, by the names of services."""
        fresh = {name for name in folders if self._folders.get(name) != folders[name]}
        self._folders = dict(folders)
        self._stamps = {
            name: stamps(here) if name in fresh else self._stamps[name]
            for name, here in folders.items()
        }
        watched = frozenset[Path]().union(*folders.values())
        if watched != self._watched:
            self.close()
            self._begin(watched)

    def _begin(self, watched: Folders) -> None:
        self._watched = watched
        there = [folder for folder in watched if folder.is_dir()]
        if not there:
            return
        try:
            self._changes = Changes(self._loop, *there)
        except OSError as why:  # the user has as many as the kernel gives
            log.warning("sources not watched: %s", why)
            return
        self._task = self._loop.create_task(self._look(self._changes))

    async def _look(self, changes: Changes) -> None:
        while True:
            await changes.wait()
            await asyncio.sleep(SETTLED)
            for name, folders in list(self._folders.items()):
                now = stamps(folders)
                if now != self._stamps[name]:
                    self._stamps[name] = now
                    self._changed(name)

    def close(self) -> None:
        """Watch nothing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._changes is not None:
            self._changes.close()
            self._changes = None
        self._watched = frozenset()
