"""Looks at a service's class in its own interpreter, for `kettlingard check --import`.

`python -m kettlingar.worker.inspecting` reads a question from standard input (JSON:
kitten, python_path, config) and writes the answer to standard output (JSON:
problems, each with the key that it is about; methods; settings).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from kettlingar.config.schema import merge, read_schema

from .loading import load, where_in


def inspect(kitten: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Import the class; say what of this would keep it from starting."""
    try:
        found = load(kitten)
        schema = read_schema(found.Configuration)
        methods = [method.name for method in found().methods]
    except Exception as error:  # noqa: BLE001  whatever somebody's module raises
        why = f"cannot import it: {type(error).__name__}: {error}"
        where = where_in(error)
        text = f"{why} ({where})" if where else why
        return {"problems": [{"key": "service.kitten", "why": text}]}
    problems = []
    for name, value in config.items():
        merged = merge(schema, [("definition", {name: value})])
        problems += [{"key": f"config.{name}", "why": why} for why in merged.problems]
    return {"problems": problems, "methods": methods, "settings": sorted(schema)}


def main() -> None:
    """Answer one question; what the module prints goes to standard error."""
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        asked = json.load(sys.stdin)
        sys.path[0:0] = asked["python_path"]
        json.dump(inspect(asked["kitten"], asked["config"]), answer)


if __name__ == "__main__":
    main()
