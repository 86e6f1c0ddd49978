"""What existing services use beside their methods: attributes, helpers, and the blocking proxy."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from kettlingar import RPCKitten
from kettlingar.asynctools import FileWriter, await_success, create_background_task
from kettlingar.runtime import settings_of
from kettlingar.testing import running
from kettlingar.tlskitten import TLSKitten
from kettlingar.webkitten import WebKitten


class Older(RPCKitten, WebKitten, TLSKitten):
    """older - says where it is"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "older"
        WORKER_NAME = "Elder"
        MOOD = "calm"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ended = 0

    async def shutdown(self):
        self.ended += 1

    async def api_whereabouts(self, request_info):
        return [self.api_url, self.api_addr, self.api_secret]

    async def api_pages(self, request_info):
        return [self.web_url("/x"), self.web_url("/x", public=True), self.https_url("/x")]

    async def api_count(self, method, headers, body, to=3):
        for number in range(int(to)):
            yield None, number


def test_a_method_knows_its_own_services_address_and_token(run_async):
    async def check():
        async with running(Older, ["--worker-url-path=/under"]) as one:
            told = await one.client.call("whereabouts")
            assert told == [one.url, ["127.0.0.1", one.port], one.secret]
            assert one.url.endswith("/under")

    run_async(check())


def test_addresses_have_the_token_of_now(run_async):
    """A supervisor may have changed it while the service runs."""

    async def check():
        async with running(Older) as one:
            old = settings_of(one.kitten, one.secret)
            await one.runtime.adjust(replace(old, secret="another"), {})
            assert one.kitten.api_secret == "another"
            private, public, secure = await one.kitten.pages()
            assert private == f"{one.url}/another/x"
            assert public == f"{one.url}/x"
            assert secure == private.replace("http:", "https:")

    run_async(check())


def test_a_service_without_a_port_is_found_by_its_socket_and_one_without_a_socket_by_its_port(
    start_kitten,
):
    one = start_kitten(Older, "--worker-use-tcp=no")
    folder = Path(one.kitten.config.app_state_dir)
    url, address, secret = one.proxy.call("whereabouts")
    assert (url, address) == (None, str(folder / "Elder.sock"))
    assert secret
    assert one.port == 0
    with pytest.raises(OSError, match="Elder over TCP: it has no TCP port"):
        one.proxy.call("whereabouts", call_allow_unix=False)
    other = start_kitten(Older, "--worker-use-unixdomain=no", "--worker-listen-host=127.0.0.2")
    assert other.url.startswith("http://127.0.0.2:")
    assert other.proxy.call("whereabouts")[1] == ["127.0.0.2", other.port]
    assert not list(Path(other.kitten.config.app_state_dir).glob("*.sock"))


def test_loopback_ends_by_quitquitquit_as_a_service_does(run_async):
    async def check():
        kitty = await Older().loopback()
        assert (await kitty.quitquitquit())["data"] == "Goodbye!\n"
        assert kitty.ended == 1

    run_async(check())


def test_a_blocking_proxy_has_what_the_kitten_has_and_its_methods_beside(start_kitten):
    one = start_kitten(Older, "--mood=wild")
    proxy = one.proxy
    assert proxy.config.mood == "wild"
    assert proxy.call("config")["mood"] == "wild"
    assert (proxy.api_url, proxy.api_addr[-10:]) == (one.url, "Elder.sock")
    assert proxy.NotRunning is RPCKitten.NotRunning
    assert list(proxy.count("2")) == [0, 1]


# --- kettlingar.asynctools ---


@pytest.mark.parametrize("way", ["file", "descriptor"])
def test_a_file_writer_writes_what_it_was_given_and_closes_it(run_async, tmp_path, way):
    path = tmp_path / "written"

    async def write():
        file = path.open("wb")
        file.write(b"begun ")
        if way == "file":
            writer = FileWriter(file)
        else:
            file.flush()
            writer = FileWriter(os.dup(file.fileno()))
            file.close()
        writer.write(b"meow ")
        await writer.drain()
        writer.write(bytearray(b"x" * 100_000))
        await writer.drain()
        writer.close()
        writer.close()
        assert file.closed

    before = set(os.listdir("/proc/self/fd"))
    run_async(write())
    assert path.read_bytes() == b"begun meow " + b"x" * 100_000
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_await_success_tries_plain_and_async_functions_until_they_succeed(run_async):
    tries = []

    def plain(wanted):
        tries.append(wanted)
        if len(tries) < 3:
            raise ConnectionRefusedError("not yet")
        return len(tries)

    async def waiting(wanted):
        return plain(wanted)

    async def check():
        assert await await_success(plain, "a", sleeptime=0.001) == 3
        tries.clear()
        assert await await_success(waiting, "b", sleeptime=0.001) == 3
        tries.clear()
        with pytest.raises(ConnectionRefusedError, match="not yet"):
            await await_success(plain, "c", timeout=0.001, sleeptime=0.002)
        assert tries == ["c"]
        with pytest.raises(KeyError):  # what is not to be tried again is not
            await await_success({}.__getitem__, "d")

    run_async(check())


def test_a_background_task_lives_until_it_is_done_and_its_failure_is_logged(run_async, caplog):
    async def check():
        gone = asyncio.Event()
        done = []

        async def work(number):
            await gone.wait()
            done.append(number)
            if number:
                raise ZeroDivisionError("in the background")

        tasks = [create_background_task(work(number)) for number in (0, 1)]
        gone.set()
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
        assert done == [0, 1]

    run_async(check())
    assert [str(r.exc_info[1]) for r in caplog.records if r.exc_info] == ["in the background"]
