"""What costs less than what. CPU time of both ends, the best of many batches: neighbours don't count."""

from __future__ import annotations

import asyncio
import time

from kettlingar._compat import loop_factory
from kettlingar.testing import running

from .kittens import Tricks

WAYS = {"unix": {}, "tcp": {"call_allow_unix": False}}


def test_a_call_by_the_unix_socket_costs_less_than_one_by_tcp(loop_kind):
    async def check():
        best = dict.fromkeys(WAYS, 1.0)
        async with running(Tricks) as one:
            for _ in range(30):
                for way, options in WAYS.items():
                    begun = time.process_time()
                    for number in range(100):
                        await one.client.echo(number, **options)
                    best[way] = min(best[way], time.process_time() - begun)
        told = {way: f"{seconds * 1e4:.1f} us" for way, seconds in best.items()}
        print(f"\na call on {loop_kind}, both ends: {told}")
        assert best["unix"] < best["tcp"]

    with asyncio.Runner(debug=False, loop_factory=loop_factory(loop_kind)) as runner:
        runner.run(check())
