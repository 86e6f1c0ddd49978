"""A service whose one request ends when a test says so: by a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kettlingar import RPCKitten


class Gate(RPCKitten):
    """Answers what waits at it once it is opened."""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "gate"
        WORKER_NAME = "Gate"

    async def public_api_wait(self, _request, folder: str):
        """Say that it runs, and wait until it may end."""
        Path(folder, "runs").touch()
        while not Path(folder, "open").exists():
            await asyncio.sleep(0.01)
        return "through"


if __name__ == "__main__":
    Gate.Main()
