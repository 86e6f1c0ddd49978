"""What is tried again because something else is back: a service that it needs, or its own sources."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from kettlingard.core.place import LASTING, Place, Standing
from kettlingard.core.reconcile import wanted_places
from kettlingard.core.spec import ServiceKeys
from kettlingard.core.words import Word
from kettlingard.host.sources import site_folders

from .bonds import Bonds
from .service import Service
from .sources import Folders, Sources

ILL = frozenset({Standing.BACKOFF, Standing.FAILED})


class Recovery:
    """Looks at all services after each change."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, services: Mapping[str, Service], bonds: Bonds
    ) -> None:
        self._services = services
        self._bonds = bonds
        self._fallen: set[str] = set()  # had failed when we looked
        self._up: set[str] = set()
        self._sources = Sources(loop, self._mended)

    def look(self) -> None:
        """See who is back, and whose sources are to be watched."""
        before, self._up = self._up, {n for n, one in self._services.items() if one.is_up}
        for name in sorted(self._up - before):
            self._is_back(name)
        self._fallen |= {n for n, one in self._services.items() if one.word is Word.FAILED}
        self._sources.watch({
            name: folders
            for name, service in self._services.items()
            if service.spec is not None and (folders := _suspects(service))
        })  # fmt: skip

    def _is_back(self, name: str) -> None:
        for other in self._bonds.required_by(name):
            self._services[other].hasten(f"{name} is ready")
        if name in self._fallen:
            self._fallen.discard(name)
            for part in self._bonds.parts_of(name):
                service = self._services[part]
                if service.state.wanted.instances:
                    service.renew(f"{name} is back", wanted_places(service.state))

    def _mended(self, name: str) -> None:
        service = self._services.get(name)
        if service is not None:
            service.hasten("its sources have changed", mended=True)

    def close(self) -> None:
        """Nothing is tried again."""
        self._sources.close()


def _suspects(service: Service) -> Folders:
    """Where a file may be that keeps it from starting; none of a service that could be imported."""
    assert service.spec is not None
    ill = [place for place in service.state.places.values() if _is_not_imported(place)]
    if not ill or not service.state.wanted.instances:
        return frozenset()
    places = [
        Path(p.last_end.where.rpartition(":")[0]).parent for p in ill if p.last_end is not None
    ]
    told = {place for place in places if place.is_absolute()}
    return frozenset({*told, *_folders(service.spec.service)})


def _is_not_imported(place: Place) -> bool:
    end = place.last_end
    return place.standing in ILL and end is not None and (end.permanent or end.step in LASTING)


def _folders(keys: ServiceKeys) -> list[Path]:
    package = keys.kitten.partition(":")[0].split(".")[:-1]
    roots = [Path(root) for root in keys.python_path]
    return [*roots, *(root.joinpath(*package) for root in roots), *site_folders(
        Path(keys.python or sys.executable)
    )]  # fmt: skip
