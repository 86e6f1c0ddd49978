"""`kettlingar new NAME`: a service of one's own to begin with: module, test, definition."""

from __future__ import annotations

import re
import sys
from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")  # of a service and of a module

MODULE = '''"""{name} - says hello. The first line of this text is its line in `help`."""

from kettlingar import RPCKitten


class {cls}(RPCKitten):
    """{name} - says hello"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "{name}"
        GREETING = "hello"

    async def public_api_hello(self, request_info):
        """Greet whoever can reach the port."""
        return "text/plain", f"{{self.config.greeting}}\\n"

    async def api_add(self, request_info, a: int, b: int = 1):
        """Add two numbers, for callers with credentials."""
        return {{"sum": a + b}}


if __name__ == "__main__":
    {cls}.Main()
'''
TEST = """from {name} import {cls}

pytest_plugins = ["kettlingar.testing"]


def test_it_adds(run_kitten):
    assert run_kitten({cls}).proxy.add(2, 3) == {{"sum": 5}}
"""
DEFINITION = """# The name of this file is the name of the service.  `kettlingard check` says what is wrong with it.

[service]
kitten = "{name}:{cls}"
python_path = [".."]                # where the module is; counts from this file's folder
listen = ["127.0.0.1:8377"]         # kettlingard owns the port, workers come and go

[config]
greeting = "hello"                  # a constant of the class, in lower case
"""


def files(name: str) -> dict[str, str]:
    """Path -> text of what a service begins with. Raise ValueError for a name that cannot be."""
    if NAME.fullmatch(name) is None:
        raise ValueError(
            f"cannot call a service {name!r}: small letters, digits and _, a letter first"
        )
    words = {"name": name, "cls": "".join(part.title() for part in name.split("_"))}
    texts = {f"{name}.py": MODULE, f"test_{name}.py": TEST, f"services.d/{name}.toml": DEFINITION}
    return {path: text.format(**words) for path, text in texts.items()}


def main(args: list[str]) -> int:
    """Write them to the current folder; nothing that is there is touched."""
    if len(args) != 1 or args[0].startswith("-"):
        sys.stderr.write("usage: kettlingar new NAME\n")
        return 2
    try:
        made = files(args[0])
    except ValueError as why:
        sys.stderr.write(f"{why}\n")
        return 2
    there = [path for path in made if Path(path).exists()]
    if there:
        sys.stderr.write(f"cannot make {args[0]}: {', '.join(there)} is there already\n")
        return 1
    for path, text in made.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
        sys.stdout.write(f"{path}\n")
    sys.stdout.write(
        f"try: python3 -m {args[0]} serve, pytest, or kettlingard up --home . in this folder\n"
    )
    return 0
