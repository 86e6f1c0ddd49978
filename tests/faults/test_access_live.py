"""Who may call what, from outside: where a token counts, where it does not, and where it must never be."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from kettlingar.sync import BlockingClient

from .live import Target, answers, everything, live, nothing_changes, statuses
from .processes import served

SECRET = "S3cret-of-the-test-8c1f"


@pytest.fixture(scope="module")
def target():
    with live(Target, f"--worker-secret={SECRET}") as one:
        yield one


@pytest.fixture(autouse=True)
def _settled(target):
    target.reached.clear()
    with nothing_changes(target):
        yield


BEHIND = b"GET /seen?value=behind HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n"


def ask(one, line="GET /secret", headers=(), body=b""):
    """(status, body) of one request; one behind it is read as itself, or not where that closes."""
    lines = [f"{line} HTTP/1.1", *headers]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append("Host: k")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    before = len(one.reached)
    told = answers(one.ask("\r\n".join([*lines, "", ""]).encode() + body + BEHIND))
    status, closing, text = told[0]
    if len(told) == 1:
        assert closing["connection"] == "close"
        assert "behind" not in one.reached[before:]
    else:
        assert "connection" not in closing
        assert told[1][0] == 200
        assert one.reached.pop() == "behind"
        assert "behind" not in one.reached[before:]
    return status, text


JSON = "Content-Type: application/json"
NO_CREDENTIALS = {
    **{f"in {name}": {"headers": [f"{name}: {SECRET}"]} for name in ("Referer", "User-Agent", "Cookie", "Origin", "Host", "Authorization")},
    "a Referer with it": {"headers": [f"Referer: http://k/{SECRET}/secret"]},
    "a Cookie with it": {"headers": [f"Cookie: token={SECRET}"]},
    "in the query": {"line": f"GET /secret?token={SECRET}"},
    "as a query": {"line": f"GET /secret?{SECRET}"},
    "in the body": {"line": "POST /secret", "headers": [JSON], "body": json.dumps({"value": SECRET}).encode()},
    "behind the name": {"line": f"GET /secret/{SECRET}"},
    "second segment": {"line": f"GET /x/{SECRET}/secret"},
    "empty first segment": {"line": f"GET //{SECRET}/secret"},
    "half of it": {"line": f"GET /{SECRET[:-1]}/secret"},
    "more of it": {"line": f"GET /{SECRET}x/secret"},
    "other case": {"line": f"GET /{SECRET.lower()}/secret"},
    "blank": {"line": "GET /%20/secret"},
    "nothing": {"line": "GET //secret"},
    "Basic": {"headers": [f"Authorization: Basic {SECRET}"]},
    "Bearer of nothing": {"headers": ["Authorization: Bearer"]},
    "Bearer of nothing, with a blank": {"headers": ["Authorization: Bearer "]},
    "twice in one header": {"headers": [f"X-Kitten: {SECRET}", f"X-Kitten: {SECRET}"]},
    "part of a header": {"headers": [f"X-Kitten: token {SECRET}"]},
    "an empty header": {"headers": ["X-Kitten:"]},
    "a header's name": {"headers": [f"{SECRET}: x"]},
    "the name of its file": {"line": "GET /Target.url"},
    "not ASCII": {"line": "GET /%F0%9F%90%88/secret"},
    "not UTF-8": {"line": "GET /%ff%fe/secret"},
}  # fmt: skip
CREDENTIALS = {
    "in the path": {"line": f"GET /{SECRET}/secret"},
    "in the path, percent-encoded": {"line": "GET /" + "".join(f"%{ord(c):02x}" for c in SECRET) + "/secret"},
    "Bearer": {"headers": [f"Authorization: Bearer {SECRET}"]},
    "bearer": {"headers": [f"authorization: bearer {SECRET}"]},
    "whole value of another header": {"headers": [f"X-Kitten: {SECRET}"]},
}  # fmt: skip


@pytest.mark.parametrize("where", NO_CREDENTIALS)
def test_a_token_that_others_could_plant_or_see_is_none(target, where):
    status, text = ask(target, **NO_CREDENTIALS[where])
    assert status in {400, 403}
    assert SECRET.encode() not in text
    assert target.reached == []


@pytest.mark.parametrize("where", CREDENTIALS)
def test_a_token_where_it_belongs_opens(target, where):
    assert ask(target, **CREDENTIALS[where])[0] == 200
    assert target.reached == ["SECRET"]


def test_the_token_of_one_service_is_nothing_to_another(target):
    with live() as other:
        assert other.service.secret != SECRET
        for line in (f"GET /{other.service.secret}/secret", f"GET /{SECRET}/secret"):
            ours = ask(target, line)[0]
            theirs = ask(other, line)[0]
            assert {ours, theirs} == {200, 403}
        folder = other.service.socket_path.parent
        client = BlockingClient.by_files(folder, "Target", timeout=5)
        assert client.call("secret", 1) == {"secret": 1}
        client.close()
        # Its own socket is no credential: nor is another's token there.
        with other.connect_unix() as sock:
            sock.sendall(f"GET /{SECRET}/secret HTTP/1.1\r\nHost: k\r\n\r\n".encode())
            sock.shutdown(socket.SHUT_WR)
            assert statuses(everything(sock)) == [403]


def test_credentials_hold_for_one_request_and_not_for_those_behind_it(target):
    private = f"GET /{SECRET}/secret HTTP/1.1\r\nHost: k\r\n\r\n".encode()
    public = b"GET /secret HTTP/1.1\r\nHost: k\r\n\r\n"
    last = public.replace(b"Host: k", b"Host: k\r\nConnection: close")
    assert statuses(target.ask(private + public + private + last)) == [200, 403, 200, 403]


def test_without_credentials_unknown_private_and_strange_names_look_alike(target):
    texts = {ask(target, f"GET /{name}") for name in ("secret", "nothing", "__init__", "config")}
    assert len(texts) == 1


def test_an_error_is_told_without_its_inside_to_strangers(target):
    status, text = ask(target, "GET /fails")
    assert status == 500
    assert b"inner matters" not in text
    assert b"Traceback" not in text
    status, text = ask(target, f"GET /{SECRET}/fails")
    assert b"inner matters" in text
    assert b"Traceback" in text
    assert SECRET.encode() not in text


def test_hosts_and_origins_that_are_not_allowed_reach_not_even_public_methods():
    with live(Target, '--worker-allowed-hosts=["good.example"]') as one:
        good = "Host: good.example"
        assert ask(one, "GET /seen", [good])[0] == 200
        assert ask(one, "GET /seen", [good, "Origin: http://good.example"])[0] == 200
        for headers in (
            ["Host: evil.example"],
            [good, "Origin: http://evil.example"],
            [good, "Origin: null"],
            [good, "Origin: http://good.example.evil"],
            ["Host: good.example.evil"],
        ):
            assert ask(one, "GET /seen", headers)[0] in {400, 403}, headers
            assert ask(one, f"GET /{one.service.secret}/secret", headers)[0] in {400, 403}
        assert ask(one, "GET http://evil.example/seen", [good])[0] == 403
        assert one.reached == [None, None]


@pytest.mark.parametrize("logs", ["text", "json"])
def test_after_a_full_run_the_token_is_nowhere(tmp_path, logs):
    """Logs at their most talkative, argv, environment, titles, error bodies: only the .url has it."""
    bodies = []
    level = ["--worker-log-level=1", f"--worker-log-format={logs}"]
    with served("tests.faults.tricks", tmp_path, "Test", *level) as one:
        token = one.secret
        paths = [f"/{token}/{rest}" for rest in (
            "echo?value=1", "fails", "denied", "nothing", "box", "box?box=1", "moved", "needs", "breaks",
            "purr?count=x", "purr?count=2", "config", "help", "ping", "__class__", "echo?bogus=1", "hello",
        )] + [f"/x/{token}/echo", f"/echo/{token}", f"/{token}", f"/{token}/", f"//{token}/echo"]  # fmt: skip
        for path in paths:
            for headers in ({}, {"Authorization": f"Bearer {token}"}, {"X-Kitten": token}):
                connection = http.client.HTTPConnection(one.host, one.port, timeout=10)
                connection.request("GET", path, headers=headers)
                try:
                    answer = connection.getresponse()
                    bodies.append((path, bytes(str(answer.headers), "utf-8") + answer.read()))
                except http.client.HTTPException:
                    pass  # a stream that breaks, as it should
                connection.close()
        for attack in (  # broken, slow, gone in the middle
            f"GET /{token}/echo", f"GET /{token}/echo HTTP/1.1\r\nHost: k\r\nX: {token}\0\r\n\r\n",
            f"GET /{token}/# HTTP/1.1\r\n\r\n", f"GET /{token}/sleep?seconds=5 HTTP/1.1\r\nHost: k\r\n\r\n",
            f"{token} / HTTP/1.1\r\n\r\n", f"GET / HTTP/{token}\r\n\r\n",
            f"GET /flood HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer {token}\r\n\r\n",
            f"POST /{token}/echo HTTP/1.1\r\nHost: {token}\r\nContent-Length: {token}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: k k{token}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: k\r\nKettlingar-Fds: {token}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: k\r\nExpect: {token}\r\n\r\n",
            f"POST /{token}/echo HTTP/1.1\r\nHost: k\r\nContent-Type: {token}\r\nContent-Length: 1\r\n\r\nx",
        ):  # fmt: skip
            with socket.create_connection((one.host, one.port), 5) as sock:
                sock.sendall(attack.encode())
                sock.settimeout(0.05)
                with suppress(TimeoutError):
                    bodies.append((attack, sock.recv(1 << 16)))
                reset = b"\1\0\0\0\0\0\0\0"
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        one.client.call("echo", 1)
        proc = Path(f"/proc/{one.pid}")
        outside = {
            name: b"".join(file.read_bytes() for file in proc.glob(name))
            for name in ("cmdline", "environ", "comm", "task/*/comm")
        }
    told = {"log": one.log.read_bytes(), **outside}
    assert all(told.values())
    shown = [name for name, text in told.items() if token.encode() in text]
    lines = [line for line in told["log"].splitlines() if token.encode() in line]
    print(f"\n{logs}: {len(bodies)} answers, {len(told['log'])} bytes of log")
    assert not shown, lines[:5]
    # An unknown name may be a token typed twice: it is told to nobody but its owner.
    public = [path for path, body in bodies if token.encode() in body]
    assert not public, public
