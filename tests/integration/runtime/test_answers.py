"""Answers as they are on the wire: statuses of errors, redirects, events, and streams that break."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

import kettlingar
from kettlingar import HttpError, HttpResult, RPCKitten
from kettlingar.wire.streaming import LAST_CHUNK
from tests.helpers import http_get

from .test_wire import ask

RAISED = {  # what a method raises: status, what our client raises, and which builtin that is
    "permission": (403, PermissionError, PermissionError),
    "need": (423, kettlingar.NeedInfoException, Exception),
    "redirect": (302, OSError, IOError),
    "teapot": (418, HttpError, Exception),
    "bad": (400, kettlingar.BadRequest, ValueError),
    "missing": (404, kettlingar.NotFound, KeyError),
    "conflict": (409, kettlingar.Conflict, HttpError),
    "many": (429, kettlingar.TooManyRequests, HttpError),
    "unavailable": (503, kettlingar.Unavailable, HttpError),
    "else": (500, kettlingar.RemoteError, RuntimeError),
}


class Answers(RPCKitten):
    """answers - of every kind"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "answers"
        WORKER_NAME = "Oracle"

    async def api_raises(self, request_info, what: str):
        raise {
            "permission": PermissionError("not you"),
            "need": self.NeedInfoException("who?", ["password", {"name": "pin"}], "the vault"),
            "redirect": self.RedirectException("https://example.org/there"),
            "teapot": self.HttpError(418, "short and stout"),
            "bad": kettlingar.BadRequest("wrong way"),
            "missing": kettlingar.NotFound("no such mouse"),
            "conflict": kettlingar.Conflict("two mice"),
            "many": kettlingar.TooManyRequests("slowly"),
            "unavailable": kettlingar.Unavailable("asleep"),
            "else": LookupError("lost"),
        }[what]

    async def public_api_sent_on(self, request_info, code: int = 0):
        return HttpResult(
            "text/plain", "there", http_code=code or None, redirect_to="/else%20where"
        )

    async def public_api_events(self, request_info, breaks: bool = False):
        yield self.sse_start_result({"id": 7, "event": "startup", "retry": 1500, "data": "a\nb"})
        yield {"event": "tick", "data": {"n": 1}}
        yield "plain\n"
        if breaks:
            raise kettlingar.Conflict("no more")

    async def public_api_begun(self, request_info):
        yield HttpResult("text/plain", "made\n", http_code=201, headers={"X-Made": "yes"})
        yield b"more\n"

    async def public_api_breaks(self, request_info):
        yield {"n": 1}
        raise ZeroDivisionError("inner matters")

    async def raw_private(self, request_info):
        request_info.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    async def api_caller(self, request_info):
        caller = request_info.caller
        return caller and [caller.uid, caller.pid, caller.service]


@pytest.fixture
def one(run_kitten):
    return run_kitten(Answers)


@pytest.mark.parametrize("what", RAISED)
def test_each_error_has_its_status_on_the_wire_and_its_class_at_the_client(one, what):
    status, kind, builtin = RAISED[what]
    said = ask(one, f"GET /{one.secret}/raises?what={what} HTTP/1.1\r\nHost: x\r\n"
                    "Connection: close\r\n\r\n")  # fmt: skip
    head, _, body = said.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    told = json.loads(body)
    assert (b"\r\nRetry-After: 1\r\n" in head) is (what == "unavailable")
    assert (b"Location: https://example.org/there\r\n" in head) is (what == "redirect")
    assert ("traceback" in told) is (what == "else")
    with pytest.raises(builtin) as caught:
        one.proxy.raises(what)
    assert isinstance(caught.value, kind)
    if what == "need":
        assert (told["needed_vars"], told["resource"]) == (
            ["password", {"name": "pin"}],
            "the vault",
        )
        assert caught.value.needed_vars == ["password", {"name": "pin"}]
        assert caught.value.resource == "the vault"
        assert str(caught.value) == "who?"
    if what == "teapot":
        assert caught.value.status == 418
    if what == "else":
        assert "LookupError: lost" in str(caught.value)


def test_a_result_may_send_the_visitor_elsewhere(one):
    for code, status in ((0, b"302"), (301, b"301")):
        said = ask(
            one, f"GET /sent_on?code={code} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert said.split()[1] == status
        assert b"\r\nLocation: /else%20where\r\n" in said
    with pytest.raises(OSError, match="/else%20where"):
        one.proxy.sent_on()


def chunks_of(said):
    """(head, the chunks' data, whether the end mark is there)."""
    head, _, rest = said.partition(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    found = []
    while rest and rest != LAST_CHUNK:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return head, found, rest == LAST_CHUNK


def test_the_first_item_of_a_stream_says_status_type_and_headers(one):
    head, chunks, whole = chunks_of(
        ask(one, "GET /begun HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    )
    assert head.startswith(b"HTTP/1.1 201 ")
    assert b"\r\nContent-Type: text/plain" in head
    assert b"\r\nX-Made: yes\r\n" in head
    assert (chunks, whole) == ([b"made\n", b"more\n"], True)


def test_events_have_id_event_retry_and_data_and_an_error_is_the_last(one):
    wanted = [
        b"id: 7\nevent: startup\nretry: 1500\ndata: a\ndata: b\n\n",
        b'event: tick\ndata: {"n":1}\n\n',
        b"data: plain\ndata: \n\n",
    ]
    close = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, chunks, whole = chunks_of(ask(one, f"GET /events {close}"))
    assert b"\r\nContent-Type: text/event-stream" in head
    assert b"\r\nCache-Control: no-store" in head
    assert (chunks, whole) == (wanted, True)
    _, chunks, whole = chunks_of(ask(one, f"GET /events?breaks=y {close}"))
    assert (chunks[:3], whole) == (wanted, False)
    field, _, data = chunks[3].partition(b"data: ")
    assert field == b"event: error\n"
    assert json.loads(data)["error"] == "no more"


def test_an_error_in_a_stream_is_its_last_item_without_the_end_mark_and_the_connection_closes(one):
    behind = "GET /begun HTTP/1.1\r\nHost: x\r\n\r\n"
    for path, traceback in (("breaks", False), (f"{one.secret}/breaks", True)):
        _, chunks, whole = chunks_of(ask(one, f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n{behind}"))
        assert (chunks[0], len(chunks), whole) == (b'{"n":1}\n', 2, False)
        told = json.loads(chunks[1])
        assert "error" in told
        assert ("traceback" in told) is traceback
        assert (b"inner matters" in chunks[1]) is traceback


def test_a_private_raw_method_needs_credentials_too(one):
    assert http_get(f"{one.url}/private").status == 403
    assert http_get(f"{one.private_url}/private").body == b"hi"


def test_who_calls_is_the_kernels_word_whatever_the_headers_say(one):
    told = one.proxy.call("caller")
    assert told == [os.getuid(), os.getpid(), ""]
    liar = {"X-Caller": "uid=0", "Caller": "root", "Kettlingar-Caller": '{"uid":0}'}
    assert json.loads(http_get(f"{one.private_url}/caller", liar).body) is None


def test_call_max_tries_bounds_how_often_a_call_is_sent(run_async):
    from kettlingar.calls.client import Client
    from kettlingar.calls.endpoints import Link

    class Refusing:
        url = address = secret = None
        opened = 0

        async def open(self, *, allow_unix=True):
            import socket

            self.opened += 1
            ours, theirs = socket.socketpair()
            theirs.close()  # whoever answers there ends before it has read anything
            ours.setblocking(False)
            return Link(ours)

    async def check():
        for tries in (1, 2, 5):
            endpoint = Refusing()
            with pytest.raises(OSError):
                await Client(endpoint).call("x", call_max_tries=tries)
            assert endpoint.opened == tries
        await asyncio.sleep(0)

    run_async(check())
