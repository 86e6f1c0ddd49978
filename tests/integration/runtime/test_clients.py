"""Clients: blocking ones on many threads, loopback, by name, and what they say of themselves."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kettlingar
from kettlingar import NotRunning
from kettlingar.calls.calling import CallConnection, NotExecutedError
from kettlingar.calls.endpoints import Link
from kettlingar.testing import running
from tests.helpers import http_get

from .kittens import Tricks
from .settled import Settled


def folders(one):
    state = one.kitten.config.app_state_dir
    return [f"--app-state-dir={state}", f"--app-data-dir={state}"]


# --- sync_proxy ---


def test_sync_proxy_serves_several_threads_at_once_generators_included(start_kitten):
    proxy = start_kitten(Tricks).proxy

    def work(number):
        assert proxy.echo(number, times=2) == {"value": number, "times": 2}
        return [item["purr"] for item in proxy.purr(3, f"{number}")]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(40)))
    assert answers == [[f"{n}", f"{n}" * 2, f"{n}" * 3] for n in range(40)]


def test_sync_proxy_before_connect_says_that_nobody_answers(tmp_path):
    kitty = Tricks(args=[f"--app-state-dir={tmp_path}"]).sync_proxy()
    with pytest.raises(kitty.NotRunning):
        kitty.ping()


def test_sync_proxy_loops_back_without_a_server_on_many_threads():
    kitty = Tricks().sync_proxy().loopback()
    before = threading.active_count()
    try:
        assert kitty.ping()["loopback"] is True
        assert kitty.meow() == {"mimetype": "text/plain", "data": "Meow world, meow!\n"}
        assert [item["purr"] for item in kitty.purr("0x2")] == ["purr", "purrpurr"]
        with pytest.raises(ValueError, match="invalid literal"):
            kitty.echo(1, times="elephant")
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(kitty.echo, range(8)))[7]["value"] == 7
        assert threading.active_count() == before
    finally:
        kitty.close()


def test_loopback_answers_with_the_same_results_and_errors_as_the_wire(run_async):
    async def check():
        inside = await Tricks().loopback()
        async with running(Tricks) as kitty:
            for name, args, kwargs in (
                ("echo", ("a",), {"times": "3"}),
                ("meow", (), {}),
                ("box", ({"width": "4"},), {}),
                ("legacy", ("7",), {}),
                ("both", (), {}),
                ("fails", (), {}),
                ("denied", (), {}),
                ("moved", (), {}),
                ("needs", (), {}),
                ("echo", (), {"bogus": 1}),
                ("nothing", (), {}),
            ):
                here = await _outcome(inside, name, args, kwargs)
                there = await _outcome(kitty.client, name, args, kwargs)
                if name == "legacy":
                    here["type"] = there["type"]
                assert here == there, name

    run_async(check())


async def _outcome(kitty, name, args, kwargs):
    try:
        return await kitty.call(name, *args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, both ways must give it
        return type(error).__name__, str(error)


# --- who it is, and options ---


def test_str_of_a_kitten_says_where_it_is_connected_and_never_its_token(run_async, start_kitten):
    one = start_kitten(Settled)

    async def look():
        kitty = Settled(args=folders(one))
        assert "not connected" in str(kitty)
        await kitty.connect()
        assert one.url in str(kitty)
        assert one.secret not in str(kitty)
        assert kitty.api_url == one.url
        assert kitty.api_addr == f"{kitty.config.app_state_dir}/Chair.sock"
        kitty.disconnect()

    run_async(look())


def test_a_method_named_like_an_attribute_of_the_class_is_reached_by_call(run_async, start_kitten):
    one = start_kitten(Settled)

    async def look():
        kitty = await Settled(args=folders(one)).connect()
        assert kitty.config.greeting == "hello"  # its own settings
        assert (await kitty.call("config"))["greeting"] == "hello"  # the service's
        kitty.disconnect()

    run_async(look())


def test_call_timeout_bounds_the_wait(run_async):
    async def check():
        async with running(Tricks) as kitty:
            with pytest.raises(TimeoutError):
                await kitty.client.sleep(30, call_timeout=0.05)
            assert await kitty.client.echo(1, call_timeout=5) == {"value": 1, "times": 1}

    run_async(check())


def test_not_running_is_an_oserror_that_says_what_is_not_there(run_async, tmp_path):
    kitty = Tricks(args=[f"--app-state-dir={tmp_path}"])
    with pytest.raises(OSError, match="not connected"):
        run_async(kitty.call("ping"))
    with pytest.raises(NotRunning, match="Test"):
        run_async(kitty.connect(retry=1))


def test_without_msgpack_everything_goes_by_json(run_kitten, run_async):
    one = run_kitten(Tricks, "--worker-use-msgpack=no")
    data = {"b": b"", "n": 1 << 70, "t": "é"}

    async def look():
        kitty = await Tricks(args=[*folders(one), "--worker-use-msgpack=no"]).connect()
        assert (await kitty.echo(data))["value"] == data
        assert [i["purr"] async for i in kitty.purr(2)] == ["purr", "purrpurr"]
        kitty.disconnect()

    run_async(look())
    accepts = {"Accept": "application/x-msgpack"}
    answer = http_get(f"{one.private_url}/echo", accepts)
    assert answer.headers["Content-Type"] == "application/json"
    assert one.proxy.echo(data)["value"] == data  # one that speaks msgpack is understood


def test_all_of_a_service_may_live_under_a_prefix(run_kitten):
    one = run_kitten(Tricks, "--worker-url-path=/cats/tom/")
    assert one.url.endswith("/cats/tom")
    assert one.proxy.echo(1)["value"] == 1
    assert http_get(f"{one.url}/meow").status == 200
    assert http_get(f"{one.private_url}/echo?value=1").status == 200
    root = f"http://127.0.0.1:{one.port}"
    assert http_get(f"{root}/meow").status == 403
    assert http_get(f"{root}/{one.secret}/meow").status == 403


# --- kettlingar.connect ---


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user whose folders are empty, and no supervisor."""
    for name in ("STATE", "DATA", "RUNTIME"):
        suffix = "DIR" if name == "RUNTIME" else "HOME"
        monkeypatch.setenv(f"XDG_{name}_{suffix}", str(tmp_path / name.lower()))
    monkeypatch.setenv("KETTLINGARD_SOCKET", str(tmp_path / "nobody.sock"))
    return tmp_path


def test_connect_by_name_needs_no_module_and_several_matches_are_listed(run_async, home):
    names = ["Chair", "Table"]
    kittens = [Settled(args=[f"--worker-name={name}"]).sync_proxy() for name in names]

    async def by_name(name):
        kitty = await kettlingar.connect(name)
        try:
            numbers = [item["number"] async for item in kitty.count(3)]
            assert kitty.api_addr in str(kitty)
            return numbers, (await kitty.assigned()) > 0, str(kitty)
        finally:
            kitty.disconnect()

    try:
        with pytest.raises(NotRunning, match="cannot find a service called 'settled'"):
            run_async(by_name("settled"))
        kittens[0].connect(auto_start=True)
        numbers, assigned, where = run_async(by_name("settled"))
        assert (numbers, assigned) == ([0, 1, 2], True)
        assert "Chair.sock" in where
        kittens[1].connect(auto_start=True)
        with pytest.raises(NotRunning, match="settled/Chair, settled/Table"):
            run_async(by_name("settled"))
        assert "Table.sock" in run_async(by_name("settled/Table"))[2]
    finally:
        for kitty in kittens:
            kitty.quitquitquit()
            kitty.close()
    assert (Path(home) / "state" / "settled").stat().st_mode & 0o777 == 0o700


# --- when a connection ends ---


def _ended_connection(run_async, behave):
    """What a call raises over a TCP connection that `behave(server_side)` ends."""

    async def call():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        ours.setblocking(False)
        connection = CallConnection(asyncio.get_running_loop(), Link(ours), released=lambda _: None)
        with theirs:
            behave.before(theirs)
            answer = connection.ask("x", (), {}, use_json=False, reply_to=None)
            await asyncio.to_thread(behave.after, theirs)
        try:
            return await answer or await connection.event()
        except OSError as error:
            return error

    return run_async(call())


class ClosedBefore:
    def before(self, sock):
        sock.close()

    def after(self, sock):
        pass


class ReadAndDied:
    def before(self, sock):
        pass

    def after(self, sock):
        sock.recv(1000)
        sock.close()


def test_a_connection_that_was_closed_before_the_request_came_has_not_run_it(run_async, loop_kind):
    assert isinstance(_ended_connection(run_async, ClosedBefore()), NotExecutedError)


def test_a_service_that_read_the_request_and_ended_may_have_run_it(run_async, loop_kind):
    error = _ended_connection(run_async, ReadAndDied())
    assert isinstance(error, OSError)
    assert not isinstance(error, NotExecutedError)
