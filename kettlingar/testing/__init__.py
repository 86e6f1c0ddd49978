"""For tests of services: `running` in this process, `started` as one of its own.

With `pytest_plugins = ["kettlingar.testing"]` in a conftest.py, the fixtures
`run_kitten` and `start_kitten` do the same for tests without async:

    def test_meow(run_kitten):
        kitty = run_kitten(MyKitten, "--purr-interval=0")
        assert kitty.proxy.meow()["data"] == "Meow world, meow!\\n"
"""

from __future__ import annotations

from contextlib import suppress

from .inside import Running, running
from .outside import Served, served, started

with suppress(ModuleNotFoundError):  # without pytest there is nobody to use them
    from .fixtures import run_kitten, start_kitten

__all__ = ["Running", "Served", "run_kitten", "running", "served", "start_kitten", "started"]
