"""The wire as a plain client sees it: methods, forms, bytes in JSON, and how connections end."""

from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import contextmanager

import pytest

from .kittens import Tricks


@contextmanager
def connection(one, **options):
    with socket.create_connection(("127.0.0.1", one.port), timeout=5) as sock:
        for name, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        yield sock


def until_closed(sock):
    data = b""
    while True:
        try:
            more = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not more:
            return data
        data += more


def ask(one, text):
    with connection(one) as sock:
        sock.sendall(text.encode())
        return until_closed(sock)


def post(one, name, body, kind):
    client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
    client.request("POST", f"/{one.secret}/{name}", body, {"Content-Type": kind})
    answer = client.getresponse()
    result = answer.status, answer.headers["Content-Type"], answer.read()
    client.close()
    return result


@pytest.mark.parametrize("way", ["json", "form", "query", "header names in any case"])
def test_arguments_come_by_json_form_or_query(run_kitten, way):
    one = run_kitten(Tricks)
    if way == "json":
        said = post(one, "echo", '{"_args": ["a"], "times": 2}', "application/json")
    elif way == "form":
        said = post(one, "echo", "value=a&times=0x2", "application/x-www-form-urlencoded")
    elif way == "query":
        said = post(one, "echo?value=a&times=2", "", "application/json")
    else:
        text = ask(
            one,
            f"POST /echo?value=a HTTP/1.1\r\nHOST: x\r\nAUTHORIZATION: bEaReR {one.secret}\r\n"
            "cONTENT-tYPE: application/json\r\nCONNECTION: Close\r\ncontent-length: 11\r\n\r\n"
            '{"times":2}',
        )
        head, _, body = text.partition(b"\r\n\r\n")
        said = int(head.split()[1]), "application/json", body
    assert said[:2] == (200, "application/json")
    assert json.loads(said[2]) == {"value": "a", "times": 2}


def test_bytes_travel_in_json_in_both_of_their_forms_empty_ones_too(run_kitten):
    one = run_kitten(Tricks)
    for sent, meant in (
        ({"__base64__": "AAH/"}, b"\x00\x01\xff"),
        ({"__base64__": ""}, b""),
        ({"__bytes__": "abc"}, b"abc"),
    ):
        _, _, body = post(one, "echo", json.dumps({"value": sent}), "application/json")
        [(form, text)] = json.loads(body)["value"].items()
        assert form in ("__base64__", "__bytes__")
        again = json.dumps({"value": {form: text}})
        assert post(one, "echo", again, "application/json")[2] == body
        assert one.proxy.echo(meant, call_use_json=True)["value"] == meant


def test_the_answer_is_as_accept_says_then_as_the_request_is(run_kitten):
    one = run_kitten(Tricks)
    client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
    for headers, kind in (
        ({}, "application/json"),
        ({"Content-Type": "application/x-msgpack"}, "application/x-msgpack"),
        ({"Accept": "application/x-msgpack"}, "application/x-msgpack"),
        (
            {"Accept": "application/json", "Content-Type": "application/x-msgpack"},
            "application/json",
        ),
    ):
        client.request("GET", f"/{one.secret}/echo", headers=headers)
        answer = client.getresponse()
        answer.read()  # the connection is kept alive: one for all of these
        assert answer.headers["Content-Type"] == kind
    client.close()


def test_head_has_the_head_and_no_body(run_kitten):
    one = run_kitten(Tricks)
    both = ask(
        one,
        "HEAD /meow HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /meow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    first, second = both.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"Content-Length: 18\r\n" in first
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b"Meow world, meow!\n")


@pytest.mark.parametrize(
    "line", ["CONNECT example.org:80 HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE /x HTTP/1.1"]
)
def test_what_is_no_call_reaches_no_method_and_the_next_request_is_not_misread(run_kitten, line):
    one = run_kitten(Tricks)
    said = ask(
        one,
        f"{line}\r\nHost: x\r\n\r\nGET /meow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    status = int(said.split()[1])
    assert status in (400, 403, 404, 405, 501)
    assert said.count(b"HTTP/1.1 ") == (2 if b"Meow" in said else 1)


def test_a_connection_that_is_idle_too_long_is_closed_without_a_word(run_kitten):
    one = run_kitten(Tricks, "--worker-http-keepalive=0.2")
    with connection(one) as sock:
        sock.sendall(b"GET /meow HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        data = until_closed(sock)
    assert data.count(b"HTTP/1.1 ") == 1
    assert 0.15 < time.monotonic() - began < 3


def test_a_reader_that_takes_nothing_is_cut_off_and_its_method_ends(run_kitten, wait_for):
    one = run_kitten(Tricks, "--worker-http-send-timeout=0.2")
    with connection(one, SO_RCVBUF=4096) as sock:
        sock.sendall(f"GET /{one.secret}/flood HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for(one.kitten.cancelled.is_set)
        assert one.kitten.produced < 5000


def test_a_slow_reader_that_takes_something_is_served_on(run_kitten):
    one = run_kitten(Tricks, "--worker-http-send-timeout=0.4")
    with connection(one) as sock:
        sock.sendall(f"GET /{one.secret}/flood HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        began = time.monotonic()
        while time.monotonic() - began < 1.2:
            assert sock.recv(1_000_000)
            time.sleep(0.02)  # slow: that is what this is about
        assert not one.kitten.cancelled.is_set()


def test_a_connection_too_many_is_told_503_and_closed(run_kitten):
    one = run_kitten(Tricks, "--worker-max-connections=3")
    one.proxy.close()
    with connection(one) as first, connection(one) as second, connection(one) as third:
        for sock in (first, second, third):
            sock.sendall(b"GET /meow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert all(b" 200 " in sock.recv(4096) for sock in (first, second))
        with connection(one) as fourth:
            assert until_closed(fourth).startswith(b"HTTP/1.1 503 ")
        first.sendall(b"GET /meow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 " in until_closed(first)


def test_a_payload_that_is_nested_too_deeply_is_400(run_kitten):
    one = run_kitten(Tricks, "--worker-max-depth=5")
    assert post(one, "echo", '{"value": [[[1]]]}', "application/json")[0] == 200
    assert post(one, "echo", '{"value": [[[[[1]]]]]}', "application/json")[0] == 400


def test_each_limit_is_a_setting(run_kitten):
    one = run_kitten(
        Tricks,
        "--worker-http-max-head=600",
        "--worker-http-max-line=200",
        "--worker-http-max-headers=5",
        "--worker-http-request-max-size=100",
    )
    close = "Host: x\r\nConnection: close\r\n"
    for status, text in (
        (200, f"GET /meow HTTP/1.1\r\n{close}\r\n"),
        (414, f"GET /{'a' * 300} HTTP/1.1\r\n{close}\r\n"),
        (431, f"GET /meow HTTP/1.1\r\n{close}A: {'b' * 600}\r\n\r\n"),
        (431, f"GET /meow HTTP/1.1\r\n{close}" + "B: c\r\n" * 6 + "\r\n"),
        (413, f"POST /meow HTTP/1.1\r\n{close}Content-Length: 101\r\n\r\n"),
    ):
        assert int(ask(one, text).split()[1]) == status, text
