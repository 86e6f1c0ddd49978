"""/openapi.json says what the service does: schemathesis reads it, and tries."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from examples.kitten import MyKitten
from kettlingar import Conflict
from kettlingar.testing import served

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)

# Where the contract differs from what schemathesis takes for granted.
AGREED = """
[checks]
negative_data_rejection.enabled = false  # "17" for an integer is converted, not refused
unsupported_method.enabled = false       # the verb does not choose the method
missing_required_header.enabled = false  # without a token it is 403, not 401; and see ignored_auth
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501]  # 501: QUERY, TRACE
"""

# `purr` and its like never end if they are asked for 10**9 items; the rest changes the service.
NOT_THESE = "^/(purr|both|mrow|config|quitquitquit)$"


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Toy:
    name: str
    size: int = 1
    tags: list[str] | None = None


class Shop(MyKitten):
    """shop - the example, with arguments of all types"""

    async def api_sell(
        self, _request, toy: Toy, color: Color = Color.RED, *, how: Literal["now", "later"] = "now"
    ) -> dict[str, str]:
        """Sell a toy."""
        return {"sold": toy.name, "color": color.value, "how": how}

    async def public_api_sum(self, _request, numbers: list[int], start: int = 0) -> int:
        return sum(numbers, start)

    async def public_api_mean(self, _request, numbers: dict[str, float], of: int = 1) -> float:
        if of < 1:
            raise Conflict("of nothing")
        return min(1e300, max(-1e300, sum(numbers.values()) / min(of, 10**9)))

    async def public_api_say(
        self, _request, text: str, loud: bool = False, times: int | None = None
    ) -> str:
        return (text.upper() if loud else text) * min(times or 1, 9)

    async def public_api_when(self, _request, at: datetime, where: Path = Path("/")) -> list[str]:
        return [at.isoformat(), str(where)]

    async def public_api_any(self, _request, value: Any = None, **others: int) -> dict[str, Any]:
        return {"value": value, "others": others}


def test_what_openapi_json_promises_schemathesis_finds_kept(tmp_path):
    config = tmp_path / "schemathesis.toml"
    config.write_text(AGREED)
    with served(Shop, ["--purr-interval=0"]) as one:
        run = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "--no-color", f"--config-file={config}", "run",
                f"{one.url}/openapi.json", f"--header=Authorization: Bearer {one.secret}",
                f"--exclude-path-regex={NOT_THESE}", "--phases=examples,coverage,fuzzing",
                "--max-examples=8", "--seed=3", "--no-shrink", "--generation-database=none",
                "--request-timeout=10",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=55, check=False,
        )  # fmt: skip
    tried = re.search(r"(\d+) generated", run.stdout)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert tried is not None
    assert int(tried[1]) > 300
    print(f"{tried[1]} requests")
