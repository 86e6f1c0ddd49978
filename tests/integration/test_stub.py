"""`kettlingar stub module:Class`: what mypy then knows of the service's client."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHOP = """
from __future__ import annotations
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from kettlingar import HttpResult, RPCKitten

@dataclass
class Toy:
    name: str

class Shop(RPCKitten):
    async def public_api_hello(self, request) -> HttpResult:
        return HttpResult("text/plain", "hello")

    async def api_sell(self, request, toy: Toy, *, count: int = 1) -> dict[str, int]:
        return {toy.name: count}

    async def api_purr(
        self, request, count: int, how: Literal["low", "high"] = "low"
    ) -> AsyncIterator[str]:
        yield how

    async def api_log(
        self, request, *lines: str, folder: Path | None = None, **more: int
    ) -> list[str]:
        return list(lines)
"""
USE = """
from collections.abc import AsyncIterator
from typing import assert_type
from client import Shop

async def use(shop: Shop) -> None:
    assert_type(await shop.sell({"name": "ball"}, count=2), dict[str, int])
    assert_type(shop.purr(3, "high"), AsyncIterator[str])
    assert_type(await shop.log("a", "b", folder=None, depth=3), list[str])
    (await shop.hello(call_timeout=1.0))["data"]
"""
MISUSE = """
from client import Shop

async def misuse(shop: Shop) -> None:
    await shop.sell({"name": "ball"}, count="two")
    shop.purr(3, "loud")
    await shop.meow()
"""


@pytest.fixture
def kettlingar(tmp_path):
    def run(*words):
        program = "import sys; from kettlingar.cli.program import main; sys.exit(main())"
        command = [sys.executable, "-c", program, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_mypy_reads_the_stub_and_finds_wrong_calls(kettlingar, tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "client.pyi").write_text(kettlingar("stub", "shop:Shop").stdout)
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "misuse.py").write_text(MISUSE)

    def mypy(name):
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", name]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    used = mypy("use.py")
    assert used.returncode == 0, used.stdout
    wrong = mypy("misuse.py").stdout
    assert wrong.count("error:") == 3, wrong
    for said in ('"count"', '"purr"', '"meow"'):
        assert said in wrong


def test_a_stub_of_what_is_not_there_says_so(kettlingar):
    assert kettlingar("stub").returncode == 2
    missing = kettlingar("stub", "examples_of_nothing:Kitten")
    assert (missing.returncode, "examples_of_nothing" in missing.stderr) == (1, True)
