"""The blocking client against a real service, from threads beside its loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kettlingar import BadRequest, NeedInfoException, RemoteError
from kettlingar.sync import BlockingClient
from kettlingar.testing import running
from tests.integration.runtime.kittens import Tricks


def blocking(run_async, check):
    """Run `check(client, kitty)` on a thread, while the service runs on the loop."""

    async def main():
        async with running(Tricks) as kitty:
            client = BlockingClient.by_files(kitty.socket_path.parent, "Test", timeout=5)
            try:
                await asyncio.to_thread(check, client, kitty)
            finally:
                client.close()

    run_async(main())


pytestmark = pytest.mark.usefixtures("loop_kind")


@pytest.mark.parametrize("options", [{}, {"call_use_json": True}, {"call_allow_unix": False}])
def test_calls_and_streams_by_every_way(run_async, options):
    def check(client, _):
        assert client.call("echo", b"", times="0x1f", **options) == {"value": b"", "times": 31}
        assert client.call("echo", 2**70, **options)["value"] == 2**70
        assert client.call("box", {"width": "3"}, ratio=2, **options)["width"] == 6.0
        purrs = [item["purr"] for item in client.stream("purr", 3, **options)]
        assert purrs == ["purr", "purrpurr", "purrpurrpurr"]
        assert list(client.stream("purr", 0, **options)) == []

    blocking(run_async, check)


def test_errors_are_the_ones_the_service_raised(run_async):
    def check(client, _):
        with pytest.raises(BadRequest, match="times"):
            client.call("echo", 1, times="many")
        with pytest.raises(KeyError):
            client.call("nothing")
        with pytest.raises(PermissionError):
            client.call("denied")
        with pytest.raises(NeedInfoException):
            client.call("needs")
        with pytest.raises(RemoteError):
            client.call("fails")
        with pytest.raises(OSError, match="elsewhere"):
            client.call("moved")
        assert client.call("echo", "still fine")["value"] == "still fine"

    blocking(run_async, check)


def test_open_files_go_both_ways(run_async, tmp_path):
    (tmp_path / "poem").write_text("cats\n")

    def check(client, _):
        with open(tmp_path / "poem") as poem:
            client.call("cat", poem)
            with pytest.raises(ValueError, match="over TCP"):
                client.call("cat", poem, call_allow_unix=False)
        results = client.call("open", str(tmp_path / "poem"))
        for file in results if isinstance(results, list) else [results]:
            with file:
                assert file.read() in ("cats\n", b"cats\n")

    blocking(run_async, check)


def test_threads_share_one_client(run_async):
    def check(client, _):
        wrong = []

        def calls(number):
            answers = [client.call("echo", [number, n])["value"] for n in range(30)]
            if answers != [[number, n] for n in range(30)]:
                wrong.append(number)

        threads = [threading.Thread(target=calls, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    blocking(run_async, check)


def test_a_stream_that_is_left_early_ends_the_method(run_async):
    def check(client, kitty):
        stream = client.stream("flood")
        next(stream)
        stream.close()
        assert client.call("echo", 1)["value"] == 1
        for _ in range(500):
            if kitty.kitten.cancelled.is_set():
                return
            threading.Event().wait(0.01)
        raise AssertionError("the method still runs")

    blocking(run_async, check)
