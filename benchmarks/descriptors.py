"""What a call costs by unix socket, by TCP, and with a descriptor: one caller, one call at a time.

KITTEN.md: with a descriptor at most 1.3 times one without; the unix socket less than TCP.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time

from kettlingar import RPCKitten
from kettlingar.testing import started

ROUNDS, CALLS = 9, 400


class Mouse(RPCKitten):
    """Takes what it is given."""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "mouse"

    async def api_take(self, _request, thing=None):
        """Close what came."""
        if thing is not None:
            thing.close()
        return True


def per_call(call) -> float:
    """Microseconds a call, of CALLS in a row."""
    begin = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begin) / CALLS * 1e6


def main() -> None:
    """Measure in turns, so that the machine's moods are shared; print medians."""
    with started(Mouse) as one, tempfile.TemporaryFile() as file:
        raw = os.fdopen(os.dup(file.fileno()), "rb", buffering=0)
        ways = {
            "unix socket": lambda: one.proxy.call("take"),
            "TCP": lambda: one.proxy.call("take", call_allow_unix=False),
            "unix socket, with an open file": lambda: one.proxy.call("take", raw),
        }
        times = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, call in ways.items():
                times[name].append(per_call(call))
        raw.close()
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, median in medians.items():
        print(f"{name:32} {median:7.1f} us  ({median / medians['unix socket']:.2f})")


if __name__ == "__main__":
    main()
