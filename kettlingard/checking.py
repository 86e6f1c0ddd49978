"""`kettlingard check`: what is wrong with definitions, without a running supervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kettlingard.core.environment import worker_environment
from kettlingard.core.parse import Problem, Source, expand
from kettlingard.core.spec import ServiceSpec

from .catalog import Catalog, Definition

PATIENCE = 60.0  # seconds for an import


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and what is wrong."""

    services: tuple[str, ...]
    problems: tuple[Problem, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; names are stable."""
        problems = [{**_fields(one), "text": str(one)} for one in self.problems]
        return {"services": list(self.services), "problems": problems}


def check(
    paths: Sequence[Path],
    defaults: Source | None,
    *,
    imports: bool,
    shared: Collection[str] | None = None,
) -> Checked:
    """Look at files and folders of definitions; with `imports` also at the classes."""
    found, problems = _read(paths, defaults, shared)
    for definition in found.values():
        problems += definition.problems
        if imports and definition.spec is not None and definition.spec.service.kitten:
            problems += importable(definition.spec)
    return Checked(tuple(sorted(found)), tuple(problems))


def _read(
    paths: Iterable[Path], defaults: Source | None, shared: Collection[str] | None
) -> tuple[dict[str, Definition], list[Problem]]:
    paths = [path.absolute() for path in paths]
    folders = [path for path in paths if path.is_dir()]
    found, wrong = Catalog(folders, defaults=defaults, shared=shared).read()
    problems = [Problem("", text) for text in wrong]
    for path in paths:
        if path in folders:
            continue
        one = Catalog([path.parent], defaults=defaults, shared=shared).read_one(
            path.name.removesuffix(".toml")
        )
        if one is None or Path(one.file) != path:
            problems.append(Problem(str(path), "there is no such definition"))
        else:
            found[one.name] = one
    return found, problems


def importable(spec: ServiceSpec) -> list[Problem]:
    """What a child of the service's own interpreter says of its class and its [config]."""
    keys = spec.service
    asked = {
        "kitten": keys.kitten,
        "python_path": list(keys.python_path),
        "config": expand(spec.config, spec.name, 1),
    }
    environment = worker_environment(os.environ, keys.pass_environment, [], spec.environment, {})
    try:
        with tempfile.TemporaryDirectory(prefix="kettlingard-check-") as folder:
            done = subprocess.run(
                [keys.python or sys.executable, "-P", "-m", "kettlingar.worker.inspecting"],
                input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE,
                check=False, env=environment, cwd=keys.working_directory or folder,
            )  # fmt: skip
        problems = json.loads(done.stdout)["problems"]
    except OSError as why:
        return [_at(spec, "service.python", f"cannot run {why.filename}: {why.strerror}")]
    except subprocess.TimeoutExpired:
        return [_at(spec, "service.kitten", f"its import takes longer than {PATIENCE:g} seconds")]
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        return [_at(spec, "service.python", f"cannot import kettlingar there: {last[0]}")]
    return [_at(spec, one["key"], one["why"]) for one in problems]


def _at(spec: ServiceSpec, key: str, why: str) -> Problem:
    file, (line, column) = spec.origins.get(key, (spec.file, (0, 0)))
    return Problem(file, why, line, column, key=key)


def _fields(problem: Problem) -> dict[str, Any]:
    names = ("file", "line", "column", "key", "value", "why", "hint")
    return {name: getattr(problem, name) for name in names}
