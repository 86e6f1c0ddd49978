"""Real signals, on both loops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import pytest

from kettlingard.host.signals import WISHES, Signals, Wish


@pytest.mark.parametrize("number", WISHES)
def test_a_signal_is_told_as_what_it_asks_for(run_async, loop_kind, number):
    async def go() -> Wish:
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        signals = Signals(loop)
        signals.on_wish(told.set_result)
        os.kill(os.getpid(), number)
        wish = await told
        signals.close()
        return wish

    before = signal.getsignal(number)
    assert run_async(go()) is WISHES[number]
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)


def test_the_end_of_a_child_wakes_an_idle_loop(run_async, loop_kind):
    async def go() -> None:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        signals = Signals(loop)
        signals.on_child(told.set)
        with subprocess.Popen(["sleep", "0.1"]):
            await told.wait()
        signals.close()

    run_async(go())
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
