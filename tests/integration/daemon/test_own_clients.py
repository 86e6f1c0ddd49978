"""A service's own class, command line and name, when a supervisor manages it."""

import asyncio
import os
import subprocess
import sys

import pytest

import kettlingar
from kettlingar import NotRunning
from kettlingar.worker.loading import load
from tests.helpers import alive, wait_for
from tests.integration.daemon.kittens import STEADY, definition


@pytest.fixture
def managed(supervisor, service_module, monkeypatch, tmp_path):
    """A supervisor whose control socket clients find, with one service; and the class."""
    folder = service_module(
        "ours", STEADY + '\n    if __name__ == "__main__":\n        Steady.Main()\n'
    )
    one = supervisor({"shop": definition("ours:Steady")})
    one.ready("shop")
    monkeypatch.setenv("KETTLINGARD_SOCKET", str(one.socket))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "ours", raising=False)
    one.kitten = load("ours:Steady")
    one.folder = folder
    return one


def command(one, *words, code=0):
    """The service's own command line, as a person types it."""
    done = subprocess.run(
        [sys.executable, "-m", "ours", *words],
        cwd=one.folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(one.folder), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_class_gets_its_connections_from_the_supervisor(managed):
    async def use():
        kitty = await managed.kitten().connect()
        try:
            assert kitty.api_secret is None  # none is needed, and none is seen
            return await kitty.who(), (await kitty.pid())["data"]
        finally:
            kitty.disconnect()

    who, pid = asyncio.run(use())
    assert who["uid"] == os.geteuid()
    assert int(pid) in managed.pids("shop")


@pytest.mark.parametrize("name", ["shop", "steady", "steady/worker"])
def test_connect_by_name_of_the_service_or_of_the_application(managed, name):
    async def use():
        kitty = await kettlingar.connect(name)
        try:
            return (await kitty.who())["uid"]
        finally:
            kitty.close()

    assert asyncio.run(use()) == os.geteuid()


def test_a_blocking_proxy_gets_its_connections_from_the_supervisor_too(managed):
    proxy = managed.kitten().sync_proxy().connect()
    try:
        assert proxy.who()["uid"] == os.geteuid()
    finally:
        proxy.close()


def test_start_stop_and_restart_go_through_the_supervisor_and_count_as_requests(managed):
    [first] = managed.pids("shop")
    command(managed, "restart")
    [second] = managed.pids("shop")
    assert second != first
    command(managed, "stop")
    assert managed.status("shop")["state"] == "inactive"  # and is not started again
    assert not alive(second)
    command(managed, "ping", code=1)
    command(managed, "start")
    assert managed.ready("shop")
    assert "was running already" in command(managed, "start")


def test_quitquitquit_is_a_request_to_the_supervisor(managed):
    async def use():
        kitty = await managed.kitten().connect()
        try:
            return await kitty.quitquitquit()
        finally:
            kitty.disconnect()

    assert asyncio.run(use())["data"] == "Goodbye!\n"
    assert managed.status("shop")["state"] == "inactive"


def test_auto_start_goes_through_the_supervisor(managed):
    managed.ctl("stop", "shop")

    async def use():
        with pytest.raises(NotRunning):
            await managed.kitten().connect(retry=0)
        kitty = await managed.kitten().connect(auto_start=True)
        try:
            return int((await kitty.pid())["data"])
        finally:
            kitty.disconnect()

    assert asyncio.run(use()) in managed.pids("shop")


def test_one_with_another_name_is_a_service_of_its_own(managed):
    said = command(managed, "--worker-name=Apart", "--worker-use-tcp=no", "start")
    assert "Apart is running" in said
    command(managed, "--worker-name=Apart", "stop")
    assert managed.status("shop")["state"] == "ready"
    wait_for(lambda: managed.pids("shop"))
