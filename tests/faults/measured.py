"""A service that measures itself: how long its loop was busy at once, and how far its memory rose.

Busy is the loop's thread's own CPU time for one callback, so that neighbours on
the machine do not count.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from kettlingar import RPCKitten

_longest = [0.0]
_run = asyncio.Handle._run


def _measured(handle):
    begun = time.thread_time()
    _run(handle)
    _longest[0] = max(_longest[0], time.thread_time() - begun)


def _memory(what):
    return int(re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


class Measured(RPCKitten):
    """measured - tells how much a request cost"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "measured"
        WORKER_NAME = "Measured"
        WORKER_LOOP = "asyncio"

    async def init_servers(self, servers):
        asyncio.Handle._run = _measured
        self.begun = _memory("VmRSS")
        self.reached = 0
        return servers

    async def api_mark(self, request_info):
        """Begin to measure."""
        _longest[0] = 0.0
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins at what is now
        self.begun = _memory("VmRSS")
        return True

    async def api_cost(self, request_info):
        """Seconds at once, bytes at the peak, and how many calls got through since the start."""
        return [_longest[0], _memory("VmHWM") - self.begun, self.reached]

    async def public_api_take(self, request_info, value=None, n: int = 0, text: str = ""):
        self.reached += 1
        return {"type": type(value).__name__}

    async def public_api_file(self, request_info, fd=None):
        self.reached += 1
        return fd is not None

    async def api_file_private(self, request_info, fd=None, other=None):
        self.reached += 1
        return type(fd).__name__


if __name__ == "__main__":
    Measured.Main()
