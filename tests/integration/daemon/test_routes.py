"""Listeners of kettlingard.toml: each request goes to the service whose route it is."""

import contextlib
import http.client
import json
import os
import socket
import time

import pytest

from tests.helpers import descriptors
from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition

SHOP = """
    import os
    from kettlingar import RPCKitten, HttpResult

    class Shop(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "shop"
            WORKER_URL_PATH = "/"

        async def public_api_who(self, request):
            return HttpResult("text/plain", os.environ["KETTLINGARD_SERVICE"])

        async def public_api_pid(self, request):
            return HttpResult("text/plain", str(os.getpid()))
"""
PUBLIC = '[[listen]]\nname = "public"\nstream = "127.0.0.1:{port}"\nhead_timeout = 0.3\n'


def route(*lines):
    return '[[route]]\nlisten = "public"\n' + "".join(f"{line}\n" for line in lines)


@pytest.fixture
def street(supervisor, service_module, tmp_path):
    """Two services behind one port: /pid is the second one's."""
    service_module("shop", SHOP)

    def start(**more):
        config = tmp_path / "kettlingard.toml"
        from tests.helpers import pick_port

        port = pick_port()
        config.write_text(PUBLIC.replace("{port}", str(port)))
        texts = {
            "all": definition("shop:Shop", route()),
            "second": definition("shop:Shop", route('path = "/pid"', 'methods = ["GET"]')),
            "host": definition("shop:Shop", route('host = "host.example.org"')),
        }
        one = supervisor({**texts, **more}, "--config", str(config))
        one.port, one.config = port, config
        for name in texts:
            one.ready(name)
        return one

    return start


def asked(connection, path, **headers):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture
def to():
    """`to(one)`: a connection, closed when the test ends."""
    made = []

    def connect(one):
        made.append(http.client.HTTPConnection("127.0.0.1", one.port, timeout=10))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def pids(one, name):
    return [str(pid) for pid in one.pids(name)]


def test_each_request_of_a_kept_connection_goes_to_the_service_that_it_is_for(street, to):
    one = street()
    connection = to(one)
    for _ in range(3):
        assert asked(connection, "/who") == (200, "all")
        local = connection.sock.getsockname()
        assert asked(connection, "/pid")[1] in pids(one, "second")
        assert asked(connection, "/who", Host="host.example.org:80") == (200, "host")
        assert connection.sock.getsockname() == local
    connection.close()
    sockets = json.loads(one.ctl("sockets", "second", "-o", "json").stdout)
    assert sockets[0]["lost"] == 0


def raw(one, *parts, pause=0.0):
    with socket.create_connection(("127.0.0.1", one.port), 5) as sock:
        for part in parts:
            sock.sendall(part)
            time.sleep(pause)
        with sock.makefile("rb") as file:
            return file.read()


def cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_head_that_comes_in_pieces_is_waited_for_without_spinning(street):
    one = street()
    whole = b"GET /who HTTP/1.1\r\nHost: host.example.org\r\nConnection: close\r\n\r\n"
    before = cpu(one.pid)
    answer = raw(one, *[whole[n : n + 20] for n in range(0, len(whole), 20)], pause=0.05)
    assert answer.endswith(b"host")
    assert raw(one, b"GET /who HTTP/1.1\r\nHo").startswith(b"HTTP/1.1 408 ")
    assert cpu(one.pid) - before < 25  # hundredths of a second


def test_what_cannot_be_placed_is_answered_all_the_same(street, to):
    one = street()
    one.ctl("stop", "all")
    connection = to(one)
    assert asked(connection, "/who")[0] == 503
    assert raw(one, b"GET /\x01 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    long = b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert raw(one, long)[:12] in {b"HTTP/1.1 414", b"HTTP/1.1 431"}
    one.define("all", definition("shop:Shop"))
    one.ctl("apply", "all")
    assert asked(to(one), "/who") == (404, "no service takes this\n")


def test_requests_that_are_sent_ahead_never_reach_another_service(street):
    one = street()
    get = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
    answers = raw(one, get % b"who" + get % b"pid")
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.endswith(b"all")


def test_routes_change_while_all_runs(street, to):
    one = street()
    connection = to(one)
    assert asked(connection, "/pid")[1] in pids(one, "second")
    before = {name: one.pids(name) for name in ("all", "second")}
    one.define("second", definition("shop:Shop", route('path = "/other"')))
    plan = one.ctl("plan", check=False).stdout
    assert "route" in plan
    assert "live" in plan
    one.ctl("apply")
    assert asked(connection, "/pid")[1] in pids(one, "all")
    assert {name: one.pids(name) for name in before} == before
    one.config.write_text(
        one.config.read_text() + PUBLIC.replace("public", "more").replace("{port}", "1")
    )
    assert one.ctl("daemon", "reload-config").returncode == 0


def test_an_upgrade_and_a_crash_keep_the_port_and_who_waits_there(street, to):
    one = street()
    kept, half = to(one), socket.create_connection(("127.0.0.1", one.port), 10)
    assert asked(kept, "/who") == (200, "all")
    one.ctl("daemon", "upgrade")
    until(lambda: one.ctl("daemon", "status", check=False).returncode == 0)
    assert asked(kept, "/pid")[1] in pids(one, "second")
    half.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    with half, half.makefile("rb") as file:
        assert file.read().endswith(b"all")
    kept.close()
    one.crash()
    waiting = to(one)
    waiting.request("GET", "/who")
    one.start("--config", str(one.config))
    assert waiting.getresponse().read() == b"all"


def test_connections_that_came_and_went_leave_nothing_open(street, to):
    one = street()
    first = to(one)
    asked(first, "/who")
    first.close()
    before = len(descriptors(one.pid))
    for _ in range(20):
        connection = to(one)
        asked(connection, "/who")
        asked(connection, "/pid")
        connection.close()
        socket.create_connection(("127.0.0.1", one.port), 5).close()
    until(lambda: len(descriptors(one.pid)) <= before + 1)


def test_a_shared_port_that_somebody_else_has_is_told_and_tried_again(street):
    one = street()
    sockets = json.loads(one.ctl("sockets", "all", "-o", "json").stdout)[0]
    assert "public" in [listener["name"] for listener in sockets["listeners"]]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        before = one.config.read_text()
        one.config.write_text(before.replace(str(one.port), str(port)))
        one.ctl("daemon", "reload-config")
        assert "address already in use" in one.status("all")["note"]
        assert asked_once(one, "/who") == "all"  # as it was
    until(lambda: one.status("all")["note"] == "", 10)
    one.port = port
    assert asked_once(one, "/who") == "all"


def asked_once(one, path):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", one.port)) as connection:
        return asked(connection, path)[1]


def test_a_route_to_a_listener_that_is_not_there_is_a_problem_of_that_service(street):
    lost = definition("shop:Shop", route().replace("public", "private"))
    one = street(lost=lost)
    assert one.status("lost")["state"] == "invalid"
    assert 'no [[listen]] with the name "private"' in one.ctl("status", "lost", check=False).stdout
    assert os.path.exists(one.socket)
