"""The definitions on disk, each as a spec or with its problems."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from kettlingard.core.check import check_together
from kettlingard.core.parse import Problem, Source, parse
from kettlingard.core.spec import ServiceSpec
from kettlingard.host.definitions import DefinitionFile, read_definitions
from kettlingard.host.possible import House, impossible
from kettlingard.host.processors import processors


class Definition(Struct, frozen=True):
    """What one file says. With problems there is no spec."""

    name: str
    file: str
    spec: ServiceSpec | None = None
    problems: tuple[Problem, ...] = ()


class Catalog:
    """The folders of definitions; read anew each time, since people edit them."""

    def __init__(
        self,
        folders: Sequence[Path],
        house: House | None = None,
        defaults: Source | None = None,
        shared: Collection[str] | None = None,
    ) -> None:
        self.folders = folders
        self.defaults = defaults  # [defaults] of kettlingard.toml
        self.shared = shared  # the names of its listeners; None: nobody knows
        self.house = house or House()

    def read(self) -> tuple[dict[str, Definition], list[str]]:
        """All definitions by service, and what is wrong with whole folders."""
        files, problems = read_definitions(self.folders)
        found = {name: self._parsed(file) for name, file in files.items()}
        together = check_together(_specs(found), self.shared)
        for name, wrong in together.items():
            found[name] = replace(found[name], spec=None, problems=tuple(wrong))
        return found, [one.problem for one in problems]

    def _parsed(self, file: DefinitionFile) -> Definition:
        path = str(file.path)
        problems = _read_problems(file)
        if problems:
            return Definition(file.name, path, None, problems)
        below = [self.defaults] if self.defaults is not None else []
        texts = [Source(str(one.path), one.text or "") for one in (file, *file.dropins)]
        found = parse(file.name, [*below, *texts])
        wrong = _impossible(found, self.house) if isinstance(found, ServiceSpec) else found
        if wrong or not isinstance(found, ServiceSpec):
            return Definition(file.name, path, None, tuple(wrong))
        found = dataclasses.replace(found, pool=found.pool.resolved(processors()))
        return Definition(file.name, path, found)

    def read_one(self, name: str) -> Definition | None:
        """The definition of one service as it is now; None if it has none."""
        return self.read()[0].get(name)


def _read_problems(file: DefinitionFile) -> tuple[Problem, ...]:
    """Why it, or one of its drop-ins, cannot be read."""
    bad = [one for one in (file, *file.dropins) if one.text is None]
    return tuple(Problem(str(one.path), one.problem, one.line) for one in bad)


def _impossible(spec: ServiceSpec, house: House) -> list[Problem]:
    """What this machine cannot do, each where it was written."""
    problems = []
    for key, why in impossible(spec, house):
        file, place = spec.origins.get(key, (spec.file, (0, 0)))
        problems.append(Problem(file, why, *place, key))
    return problems


def _specs(found: Mapping[str, Definition]) -> dict[str, ServiceSpec]:
    return {name: one.spec for name, one in found.items() if one.spec is not None}
