"""What people said that outlives the supervisor: stopped and scaled until the machine's
next boot, enabled and disabled for ever. One small file, written whole."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kettlingard.errors import PathError
from kettlingard.host.files import read_small, write_atomic

log = logging.getLogger(__name__)

MAX_SIZE = 1 << 20  # bytes


@dataclass(slots=True)
class _Words:
    """What is in the file."""

    boot: str = ""  # the machine's boot for which the next three hold
    stopped: list[str] = field(default_factory=list)
    scaled: dict[str, int] = field(default_factory=dict)
    held_back: dict[str, list[int]] = field(default_factory=dict)
    enabled: dict[str, bool] = field(default_factory=dict)


class Remembered:
    """The file, and what it says; a file that cannot be used is as good as none."""

    def __init__(self, path: Path, boot: str) -> None:
        self._path = path
        self._words = _read(path)
        if self._words.boot != boot:
            self._words = _Words(boot=boot, enabled=self._words.enabled)

    def is_stopped(self, service: str) -> bool:
        """Somebody stopped it, and nobody has started it since."""
        return service in self._words.stopped

    def scaled(self, service: str) -> int | None:
        """How many instances somebody wants instead of what its definition says."""
        return self._words.scaled.get(service)

    def held_back(self, service: str) -> frozenset[int]:
        """Its instances that were stopped one by one."""
        return frozenset(self._words.held_back.get(service, ()))

    def enabled(self, service: str) -> bool | None:
        """What somebody wants instead of what its definition says."""
        return self._words.enabled.get(service)

    def stopped(self, service: str, *, yes: bool) -> None:
        """It was stopped, or started."""
        if yes != self.is_stopped(service):
            self._words.stopped = sorted({*self._words.stopped} ^ {service})
            self._write()

    def scale(self, service: str, instances: int | None) -> None:
        """It was scaled; None: as its definition says."""
        if instances != self.scaled(service):
            self._put(self._words.scaled, service, instances)

    def hold_back(self, service: str, instances: Collection[int]) -> None:
        """These of its instances are stopped, no others."""
        if set(instances) != self.held_back(service):
            self._put(self._words.held_back, service, sorted(instances) or None)

    def enable(self, service: str, *, yes: bool) -> None:
        """It is to start with the daemon, or not."""
        self._put(self._words.enabled, service, yes)

    def _put(self, words: dict[str, Any], service: str, value: object) -> None:
        words.pop(service, None)
        if value is not None:
            words[service] = value
        self._write()

    def _write(self) -> None:
        data = json.dumps(asdict(self._words), indent=1).encode()
        try:
            write_atomic(self._path, data)
        except OSError as why:
            log.warning("cannot write %s: %s; a restart will not know of this", self._path, why)


def _read(path: Path) -> _Words:
    try:
        data = json.loads(read_small(path, MAX_SIZE))
        return _Words(
            boot=str(data["boot"]),
            stopped=[str(name) for name in data["stopped"]],
            scaled={str(name): int(number) for name, number in data["scaled"].items()},
            held_back={
                str(name): [int(number) for number in numbers]
                for name, numbers in data.get("held_back", {}).items()
            },
            enabled={str(name): bool(yes) for name, yes in data["enabled"].items()},
        )
    except FileNotFoundError:
        return _Words()
    except (OSError, PathError, ValueError, KeyError, TypeError, AttributeError) as why:
        log.warning("cannot use %s: %s; nothing is remembered of before", path, why)
        return _Words()
