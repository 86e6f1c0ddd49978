"""access.url_file: how clients reach a service that know no supervisor."""

import asyncio
import os
import stat
import urllib.error
import urllib.request

from kettlingar.calls.client import Client
from kettlingar.calls.endpoints import FileEndpoint
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import LISTEN
from tests.integration.daemon.kittens import definition


def url_of(one):
    return (one.home / "state" / "steady" / "steady.url").read_text().strip()


def ask(url, path):
    with urllib.request.urlopen(f"{url}{path}") as answer:
        return answer.read()


def may(url):
    try:
        return b"PATH" in ask(url, "/environment")
    except urllib.error.HTTPError as why:
        why.close()
        return False


def test_whoever_reads_the_file_may_call_everything_until_the_secret_changes(steady):
    one = steady()
    path = one.home / "state" / "steady" / "steady.url"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = url_of(one)
    assert before.startswith(f"http://127.0.0.1:{one.port}/")
    assert b"PATH" in ask(before, "/environment")
    one.ctl("token", "steady", "rotate")
    assert url_of(one) != before
    assert until(lambda: may(url_of(one)))  # the worker hears of it in a moment
    assert not may(before)
    one.ctl("stop", "steady")
    assert not path.exists()


def test_a_service_without_a_port_is_reached_by_the_socket_beside_the_file(supervisor, modules):
    one = supervisor({"steady": definition("steady:Steady")})
    [pid] = one.ready("steady")
    folder = one.home / "state" / "steady"
    assert stat.S_IMODE((folder / "steady.sock").stat().st_mode) == 0o600

    async def environment():
        client = await Client(FileEndpoint(folder, "steady")).connect()
        try:
            return await client.call("environment")
        finally:
            client.close()

    assert asyncio.run(environment())["KETTLINGARD_SERVICE"] == "steady"
    one.crash()
    os.kill(pid, 9)
    one.start()
    one.ready("steady")
    assert asyncio.run(environment())["KETTLINGARD_SERVICE"] == "steady"


def test_who_says_who_may_call_gets_no_file_unasked(steady):
    one = steady('[access]\ncall = ["any"]\n')
    folder = one.home / "state" / "steady"
    assert [path.name for path in folder.iterdir() if path.name.startswith("steady")] == []
    one.define(
        "steady",
        definition("steady:Steady", LISTEN + '[access]\ncall = ["any"]\nurl_file = true\n'),
    )
    one.ctl("restart", "steady")
    assert until((folder / "steady.url").exists)
