"""Whatever is wrong with a zygote: whoever asks is told in time, and executes."""

import asyncio
import os
import signal
import sys

import pytest

from kettlingard.core.environment import worker_environment
from kettlingard.host.reap import Reaper
from kettlingard.host.spawn import SpawnRequest
from kettlingard.zygote.choice import kind_of
from kettlingard.zygote.herd import Zygotes
from tests.helpers import ROOT

pytestmark = pytest.mark.usefixtures("subreaper")


class Herd:
    """Zygotes on the running loop, with their requests' descriptors."""

    def __init__(self, folder):
        loop = asyncio.get_running_loop()
        self.reaper = Reaper(loop)
        loop.add_signal_handler(signal.SIGCHLD, self.reaper.sweep)
        self.env = worker_environment(os.environ, ["KETTLINGAR_TEST"], (), {}, {})
        self.env["PYTHONPATH"] = str(ROOT)
        self.zygotes = Zygotes(loop, self.reaper, self.env, folder / "zygote.log", list)
        self.null = os.open(os.devnull, os.O_RDWR)

    async def ask(self, python=sys.executable, timeout=30.0, preload=()):
        """What comes of one request: a pid, or None."""
        request = SpawnRequest(["run"], self.env, "/", [(self.null, 3)], self.null)
        told = asyncio.get_running_loop().create_future()
        kind = kind_of(str(python), None, preload, [])
        self.zygotes.ask(kind, request, timeout, told.set_result)
        async with asyncio.timeout(10):
            spawning = await told
        if spawning is None:
            return None
        child = spawning.result()
        child.close()
        return child.pid

    def close(self):
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        self.zygotes.close()
        self.reaper.close()
        os.close(self.null)


@pytest.fixture
def herd(run_async, tmp_path):
    """`herd(story)`: run `async def story(herd)`."""

    def run(story):
        async def whole():
            one = Herd(tmp_path)
            try:
                await story(one)
            finally:
                one.close()

        run_async(whole())

    return run


def test_starts_that_come_together_share_one_zygote_and_wait_for_it(herd):
    async def story(one):
        pids = await asyncio.gather(*(one.ask() for _ in range(5)))
        assert len(set(pids)) == 5
        assert None not in pids
        assert len(one.zygotes.pids()) == 1

    herd(story)


def test_an_interpreter_without_kettlingar_is_not_tried_at_every_start(herd, tmp_path):
    tried = tmp_path / "tried"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho x >> {tried}\nexit 1\n")
    python.chmod(0o755)

    async def story(one):
        assert [await one.ask(python) for _ in range(4)] == [None] * 4

    herd(story)
    assert tried.read_text() == "x\n"


def test_an_interpreter_that_is_not_there_is_none(herd, tmp_path):
    async def story(one):
        assert await one.ask(tmp_path / "no-python") is None

    herd(story)


def test_a_zygote_that_takes_too_long_to_warm_up_is_not_waited_for(herd, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)

    async def story(one):
        assert await one.ask(python, timeout=0.6) is None

    herd(story)


def test_a_zygote_that_stands_still_is_replaced(herd):
    async def story(one):
        assert await one.ask()
        [pid] = one.zygotes.pids()
        os.kill(pid, signal.SIGSTOP)
        assert await one.ask(timeout=0.6) is None
        assert pid not in one.zygotes.pids()
        assert await _replaced(one)

    herd(story)


def test_a_killed_zygote_is_replaced_and_nobody_waits_meanwhile(herd):
    async def story(one):
        assert await one.ask()
        [pid] = one.zygotes.pids()
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            while one.zygotes.pids():
                await asyncio.sleep(0.005)
        assert await one.ask() is None  # exec is as fast as warming up
        assert await _replaced(one)

    herd(story)


def test_one_that_may_not_fork_is_not_asked_again_at_once(herd, tmp_path, monkeypatch):
    (tmp_path / "threaded.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
    )

    async def story(one):
        one.env["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
        assert await one.ask(preload=["threaded"]) is None
        assert one.zygotes.pids() == []
        assert await one.ask(preload=["threaded"]) is None
        assert one.zygotes.pids() == []

    herd(story)


def test_zygotes_that_no_definition_asks_for_go_when_another_comes(herd):
    async def story(one):
        assert await one.ask()
        [first] = one.zygotes.pids()
        assert await one.ask(preload=["csv"])
        [second] = one.zygotes.pids()
        assert first != second

    herd(story)


async def _replaced(one):
    """Ask until a fork comes of it again."""
    async with asyncio.timeout(10):
        while (pid := await one.ask()) is None:
            await asyncio.sleep(0.02)
    return pid


LIAR = """#!{python}
import os, socket, msgpack
sock = socket.socket(fileno=3)
sock.setblocking(True)
sock.recv(65536)
sock.send(msgpack.packb({{"type": "warm", "protocol": 1, "version": "1"}}))
order = msgpack.unpackb(sock.recv(65536))
sock.send(msgpack.packb({{"type": "forked", "number": order["number"], "pid": {pid}}}))
sock.recv(65536)
"""


@pytest.mark.parametrize("whose", ["init", "a worker that is known", "nobody"])
def test_a_zygote_cannot_pass_off_another_process_as_its_worker(herd, tmp_path, whose):
    async def story(one):
        known = os.fork()
        if known == 0:
            signal.pause()
            os._exit(0)
        pidfd = os.pidfd_open(known)
        one.reaper.watch(known, pidfd, lambda _end: None)
        pid = {"init": 1, "a worker that is known": known, "nobody": 2**22 - 1}[whose]
        python = tmp_path / "python"
        python.write_text(LIAR.format(python=sys.executable, pid=pid))
        python.chmod(0o755)
        try:
            assert await one.ask(python) is None
            assert one.zygotes.pids() == []
        finally:
            one.reaper.forget(known)
            os.kill(known, signal.SIGKILL)
            os.waitpid(known, 0)
            os.close(pidfd)

    herd(story)


def test_a_held_reaper_keeps_strangers_until_it_is_released(herd):
    async def story(one):
        one.reaper.hold()
        stranger = os.fork()
        if stranger == 0:
            os._exit(5)
        os.waitid(os.P_PID, stranger, os.WEXITED | os.WNOWAIT)
        one.reaper.sweep()
        assert os.waitid(os.P_PID, stranger, os.WEXITED | os.WNOWAIT).si_status == 5
        one.reaper.release()
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_PID, stranger, os.WEXITED | os.WNOWAIT)

    herd(story)
