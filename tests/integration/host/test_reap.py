"""Ends of real processes: ours, strangers', orphans'."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from kettlingard.host.procid import identify, members
from kettlingard.host.reap import ExitStatus, Reaper
from kettlingard.host.spawn import Child, SpawnRequest, spawn
from tests.helpers import ROOT, alive, wait_for


def start(*argv: str) -> Child:
    return spawn(SpawnRequest(argv=argv, env=dict(os.environ), cwd="/"))


async def end_of(reaper: Reaper, child: Child) -> ExitStatus:
    told: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
    reaper.watch(child.pid, child.pidfd, told.set_result)
    return await told


@pytest.mark.parametrize(
    ("script", "end", "text"),
    [
        ("exit 0", ExitStatus(code=0), "exit 0"),
        ("exit 78", ExitStatus(code=78), "exit 78"),
        ("kill -9 $$", ExitStatus(signal=9), "signal 9"),
        ("kill -11 $$", ExitStatus(signal=11), "signal 11"),
    ],
)
def test_an_end_has_its_code_or_its_signal(run_async, loop_kind, script, end, text):
    async def go() -> ExitStatus:
        child = start("sh", "-c", script)
        seen = await end_of(Reaper(asyncio.get_running_loop()), child)
        child.close()
        return seen

    assert run_async(go()) == end
    assert str(end) == text


def test_while_an_end_is_told_the_pid_is_still_the_zombies(run_async):
    async def go() -> None:
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        child = start("sh", "-c", "sleep 60 & exit 0")
        who = identify(child.pid)
        reaper = Reaper(loop)

        def on_end(_end: ExitStatus) -> None:
            told.set_result((identify(child.pid) == who, members(who)))

        reaper.watch(child.pid, child.pidfd, on_end)
        same, left = await told
        child.close()
        assert same
        assert len(left) == 1  # the sleep
        os.kill(left[0].pid, signal.SIGKILL)
        wait_for(lambda: not alive(left[0].pid))
        wait_for(lambda: identify(child.pid) is None)  # reaped afterwards

    run_async(go())


def test_the_end_of_a_process_that_is_not_our_child_is_seen_but_unknown(run_async, loop_kind):
    async def go() -> ExitStatus:
        # The shell is the parent, and says the pid of its child.
        shell = subprocess.Popen(
            ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True
        )
        with shell:
            pid = int(shell.stdout.readline())
            stranger = Child(pid, os.pidfd_open(pid))
            asyncio.get_running_loop().call_soon(stranger.send, signal.SIGKILL)
            end = await end_of(Reaper(asyncio.get_running_loop()), stranger)
            stranger.close()
        return end

    end = run_async(go())
    assert end == ExitStatus()
    assert str(end) == "unknown"


def test_a_hundred_ends_at_once_are_all_told_once(run_async, loop_kind):
    async def go() -> list[ExitStatus]:
        reaper = Reaper(asyncio.get_running_loop())
        children = [start("sleep", "60") for _ in range(100)]
        ends = [asyncio.ensure_future(end_of(reaper, child)) for child in children]
        await asyncio.sleep(0)
        for child in children:
            child.send(signal.SIGKILL)
        seen = await asyncio.gather(*ends)
        for child in children:
            child.close()
        return seen

    assert run_async(go()) == [ExitStatus(signal=9)] * 100


def test_a_forgotten_process_is_not_told_of(run_async):
    async def go() -> None:
        loop = asyncio.get_running_loop()
        reaper = Reaper(loop)
        first, second = start("true"), start("true")
        reaper.watch(first.pid, first.pidfd, lambda _end: pytest.fail("told"))
        reaper.forget(first.pid)
        await end_of(reaper, second)
        for child in (first, second):
            child.close()
        os.waitpid(first.pid, 0)
        reaper.close()

    run_async(go())


ORPHANS = """
import asyncio, os, sys
from kettlingar.prctl import become_subreaper
from kettlingard.host.reap import Reaper
from kettlingard.host.signals import Signals
from kettlingard.host.spawn import SpawnRequest, spawn

async def main():
    loop = asyncio.get_running_loop()
    become_subreaper()
    reaper, strangers, orphan = Reaper(loop), {}, loop.create_future()

    def on_stranger(pid, end):
        strangers[pid] = end
        if end.code == 5:
            orphan.set_result(pid)

    signals = Signals(loop)
    signals.on_child(lambda: reaper.sweep(on_stranger))
    ends = {}
    def run(script):
        child = spawn(SpawnRequest(argv=["sh", "-c", script], env=dict(os.environ), cwd="/"))
        reaper.watch(child.pid, child.pidfd, lambda end: ends.setdefault(child.pid, end))
        return child
    read, write = os.pipe()
    # The subshell is orphaned, and exits after its parent: the pipe ends when it has gone on.
    os.set_inheritable(read, True)
    mother = spawn(SpawnRequest(argv=["sh", "-c", "(read x <&3; exit 5) & exit 3"],
                                env=dict(os.environ), cwd="/", fds=[(read, 3)]))
    seen = loop.create_future()
    reaper.watch(mother.pid, mother.pidfd, seen.set_result)
    assert (await seen).code == 3
    os.close(write)
    await orphan
    unwatched = spawn(SpawnRequest(argv=["sh", "-c", "exit 7"], env=dict(os.environ), cwd="/"))
    os.waitid(os.P_PIDFD, unwatched.pidfd, os.WEXITED | os.WNOWAIT)
    reaper.sweep(on_stranger)
    late = loop.create_future()
    reaper.watch(unwatched.pid, unwatched.pidfd, late.set_result)
    assert (await late).code == 7, "watched after the sweep"
    assert mother.pid not in strangers
    signals.close()
    print("seen")

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


def test_orphans_of_our_children_are_reaped_and_told_as_strangers(loop_kind):
    # In a process of its own: a sweep reaps all children, pytest's too.
    done = subprocess.run(
        [sys.executable, "-c", ORPHANS, loop_kind],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "seen\n", done.stderr
