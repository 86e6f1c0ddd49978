"""What a descriptor adds to a call: one caller, one call at a time, the same method with a number in its place.

KITTEN.md: with a descriptor at most 1.3 times one without; the unix socket less than TCP.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import partial

from kettlingar import RPCKitten
from kettlingar.testing import started

ROUNDS, CALLS = 15, 400


class Mouse(RPCKitten):
    """Takes what it is given."""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "mouse"

    async def api_take(self, _request, thing):
        """Close what came."""
        if not isinstance(thing, int):
            thing.close()
        return True


def blocking(call) -> float:
    """Microseconds a call: the median of CALLS in a row."""
    times = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


async def waiting(call) -> float:
    """The same with the async client."""
    times = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def main() -> None:
    """Measure in turns, so that the machine's moods are shared; print medians."""
    with (
        started(Mouse) as one,
        open("/dev/null", "rb") as file,
        open("/dev/null", "rb", buffering=0) as raw,
        asyncio.Runner() as runner,
    ):
        things = {"number": 1, "buffered file": file, "raw file": raw}
        client = runner.run(one.kitten.connect())
        ways = {
            ("blocking, TCP", "number"): partial(one.proxy.call, "take", 1, call_allow_unix=False)
        }
        for name, thing in things.items():
            ways["blocking", name] = partial(one.proxy.call, "take", thing)
            ways["async", name] = partial(client.call, "take", thing)
        times = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, call in ways.items():
                how = way[0] == "async"
                times[way].append(runner.run(waiting(call)) if how else blocking(call))
    medians = {way: statistics.median(each) for way, each in times.items()}
    for (client_kind, name), median in sorted(medians.items()):
        plain = medians[client_kind, "number"]
        print(f"{client_kind:14} {name:14} {median:7.1f} us  ({median / plain:.2f})")


if __name__ == "__main__":
    main()
