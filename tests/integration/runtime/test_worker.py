"""A real worker process, and this test as its supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager

import pytest

from kettlingar.calls.client import Client, SocketEndpoint
from kettlingar.transport import messages
from kettlingar.transport.channel import Channel, channel_pair

SERVICE = """
    import asyncio, os
    from kettlingar import RPCKitten

    class Probe(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "probe"
            GREETING = "hello"

        async def public_api_greet(self, request_info):
            return "text/plain", f"{self.config.greeting} from {os.getpid()}\\n"

        async def api_caller(self, request_info):
            return {"uid": request_info.caller.uid, "service": request_info.caller.service}

        async def api_sleep(self, request_info, seconds: float):
            await asyncio.sleep(seconds)
            return "rested"

        async def shutdown(self):
            print("shut down in order", flush=True)
"""


class Supervised:
    """What a supervisor knows of its worker."""

    def __init__(self, channel, process):
        self.channel = channel
        self.process = process
        self.heard = []
        self.news = asyncio.Event()

    def hear(self, message, fds):
        assert not fds
        self.heard.append(message)
        self.news.set()

    async def next(self, kind):
        while True:
            for index, message in enumerate(self.heard):
                if isinstance(message, kind):
                    return self.heard.pop(index)
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 10)

    def connect(self, number):
        """A TCP connection whose server side goes to the worker."""
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        listener.close()
        accepted.setblocking(False)
        self.channel.send(messages.Connections([number]), [accepted.detach()])
        return client

    def grant(self, number, **who):
        ours, theirs = socket.socketpair()
        self.channel.send(messages.Caller(id=number, **who), [theirs.detach()])
        return Client(SocketEndpoint(ours))


@asynccontextmanager
async def worker(tmp_path, **setup):
    (tmp_path / "probe.py").write_text(textwrap.dedent(SERVICE))
    ours, theirs = channel_pair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "kettlingar", "run"],
            env={**os.environ, "KETTLINGARD_CHANNEL": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
        )
    me = Supervised(None, process)
    loop = asyncio.get_running_loop()
    me.channel = Channel(loop, ours, messages.FromWorker, me.hear, me.news.set)
    try:
        hello = await me.next(messages.Hello)
        assert (hello.protocol, hello.pid) == (messages.PROTOCOL, process.pid)
        me.channel.send(
            messages.Setup(
                **{
                    "service": "probe",
                    "instance": 1,
                    "run": 1,
                    "kitten": "probe:Probe",
                    "secret": "s3cret",
                    "python_path": [str(tmp_path)],
                    "state_dir": str(tmp_path / "state"),
                    **setup,
                }
            )
        )
        yield me
    finally:
        me.channel.close()
        await asyncio.to_thread(process.wait, 10)
        process.stdout.close()


def ask(client, path, close=True):
    ending = "Connection: close\r\n" if close else ""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{ending}\r\n".encode())
    client.settimeout(5)
    data = b""
    while b"from" not in data and (more := client.recv(4096)):
        data += more
    return data


def test_what_a_class_says_of_listening_is_overridden_and_the_log_says_so_once(
    run_async, tmp_path, capfd, free_port
):
    port = free_port()

    async def check():
        config = {"worker_listen_port": port, "worker_use_tcp": "no"}
        async with worker(tmp_path, config=config) as me:
            await me.next(messages.Ready)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with me.connect(7) as client:
                assert b" 200 " in await asyncio.to_thread(ask, client, "/greet")
            me.channel.send(messages.Quit(5.0))

    run_async(check())
    said = [line for line in capfd.readouterr().err.splitlines() if "overridden" in line]
    assert len(said) == 1
    assert said[0].endswith("who listens: worker_listen_port, worker_use_tcp")


def test_a_worker_comes_up_answers_what_it_is_handed_and_ends_in_order(run_async, tmp_path):
    async def check():
        async with worker(tmp_path, config={"greeting": "hi"}) as me:
            ready = await me.next(messages.Ready)
            assert (ready.kitten, ready.app_name) == ("probe:Probe", "probe")
            assert {"greet", "caller", "ping"} <= {record["name"] for record in ready.methods}

            with me.connect(7) as client:
                data = await asyncio.to_thread(ask, client, "/greet")
            assert f"hi from {me.process.pid}".encode() in data
            assert (await me.next(messages.Progress)).taken == [7]
            while 7 not in (await me.next(messages.Progress)).done:
                pass

            friend = me.grant(1, uid=1234, pid=1, service="blog")
            assert await friend.call("caller") == {"uid": 1234, "service": "blog"}
            assert (await friend.call("ping"))["kitten"] == "Probe"
            friend.close()

            me.channel.send(messages.Ping(5))
            assert (await me.next(messages.Pong)).number == 5

            me.channel.send(messages.Drain(5.0))
            await me.next(messages.Drained)
            assert me.process.poll() is None
            me.channel.send(messages.Quit(5.0))
            assert await asyncio.to_thread(me.process.wait, 10) == 0
            assert b"shut down in order" in me.process.stdout.read()

    run_async(check())


def test_keep_alive_connections_are_answering_until_they_are_done(run_async, tmp_path):
    async def check():
        async with worker(tmp_path) as me:
            await me.next(messages.Ready)
            with me.connect(1) as client:
                await asyncio.to_thread(ask, client, "/greet", False)
                assert (await me.next(messages.Progress)).taken == [1]
                assert (await me.next(messages.Progress)).answering == [1]
                await asyncio.to_thread(ask, client, "/greet", False)
            assert (await me.next(messages.Progress)).done == [1]

    run_async(check())


def test_a_drain_waits_for_what_runs_and_quit_does_not(run_async, tmp_path):
    async def check():
        async with worker(tmp_path) as me:
            await me.next(messages.Ready)
            friend = me.grant(1, uid=0, pid=1)
            assert (await friend.call("ping"))["pong"]
            call = asyncio.ensure_future(friend.call("sleep", 0.3))
            me.channel.send(messages.Ping(1))
            while not (await me.next(messages.Pong)).in_flight:
                me.channel.send(messages.Ping(1))
            me.channel.send(messages.Drain(5.0))
            assert await call == "rested"
            await me.next(messages.Drained)
            me.channel.send(messages.Quit(1.0))
            assert await asyncio.to_thread(me.process.wait, 10) == 0

    run_async(check())


def test_an_import_error_is_told_with_its_own_line(run_async, tmp_path):
    async def check():
        (tmp_path / "broken.py").write_text("import os\nimport no_such_module\n")
        async with worker(tmp_path, kitten="broken:Broken") as me:
            failed = await me.next(messages.Failed)
            assert failed.step == "import"
            assert failed.error == "ModuleNotFoundError: No module named 'no_such_module'"
            assert failed.where == f"{tmp_path}/broken.py:2"
            assert await asyncio.to_thread(me.process.wait, 10) == 1

    run_async(check())


def test_a_wrong_setting_is_told_and_permanent(run_async, tmp_path):
    async def check():
        async with worker(tmp_path, config={"greting": "hi"}) as me:
            failed = await me.next(messages.Failed)
            assert (failed.step, failed.permanent) == ("config", True)
            assert "greting" in failed.error
            assert "greeting" in failed.error
            assert await asyncio.to_thread(me.process.wait, 10) == 78

    run_async(check())


def test_without_its_supervisor_a_worker_finishes_and_ends(run_async, tmp_path):
    async def check():
        async with worker(tmp_path) as me:
            await me.next(messages.Ready)
            friend = me.grant(1, uid=0, pid=1)
            assert (await friend.call("ping"))["pong"]
            call = asyncio.ensure_future(friend.call("sleep", 0.2))
            me.channel.send(messages.Ping(1))
            while not (await me.next(messages.Pong)).in_flight:
                me.channel.send(messages.Ping(1))
            me.channel.close()
            assert await call == "rested"
            assert await asyncio.to_thread(me.process.wait, 10) == 0

    run_async(check())
