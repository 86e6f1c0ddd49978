"""Payloads that are made to hurt, sent to a real process: refused, cheaply, and nothing is reached."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import suppress

import msgpack
import pytest

from .live import answers, everything
from .processes import served

JSON, MSGPACK, FORM = (
    "application/json",
    "application/x-msgpack",
    "application/x-www-form-urlencoded",
)
DEEP = 100_000
FILL = b"\x90" * 900_000  # bytes behind a lie, so that "4 x the body" means something


def in_map(value: bytes) -> bytes:
    return b"\x81\xa5value" + value


REFUSED: dict[str, tuple[str, bytes]] = {
    # depth
    "json lists 1e5 deep": (JSON, b'{"value":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "json lists that never end": (JSON, b"[" * 1_000_000),
    "json objects 1e5 deep": (JSON, b'{"value":' * DEEP + b"1" + b"}" * DEEP),
    "json, depth behind strings": (JSON, b'{"value":["[\\"",' + b"[" * DEEP + b"]" * DEEP + b"]}"),
    "msgpack lists 1e5 deep": (MSGPACK, in_map(b"\x91" * DEEP + b"\xc0")),
    "msgpack maps 1e5 deep": (MSGPACK, b"\x81\xa1a" * DEEP + b"\xc0"),
    "msgpack lists that never end": (MSGPACK, b"\x91" * 1_000_000),
    # lengths
    **{
        f"msgpack {name} of 2^32-1": (MSGPACK, in_map(mark + b"\xff\xff\xff\xff" + FILL))
        for name, mark in {
            "list": b"\xdd", "map": b"\xdf", "text": b"\xdb", "bytes": b"\xc6", "ext": b"\xc9",
        }.items()
    },
    "msgpack lists that each claim much": (MSGPACK, in_map((b"\xdd\x00\x0f\xff\xff") * 190_000)),
    "msgpack list of 2^32-1, alone": (MSGPACK, b"\xdd\xff\xff\xff\xff"),
    # numbers
    "json integer of 5,000 digits": (JSON, b'{"value":' + b"9" * 5000 + b"}"),
    "json integer of 1e6 digits": (JSON, b'{"value":' + b"9" * 1_000_000 + b"}"),
    "json NaN": (JSON, b'{"value":NaN}'),
    "json Infinity": (JSON, b'{"value":-Infinity}'),
    "json 1e999": (JSON, b'{"value":1e999}'),
    "text of 5,000 digits for an integer": (JSON, b'{"n":"' + b"9" * 5000 + b'"}'),
    "msgpack integer of 5,000 digits for a text": (
        MSGPACK, b"\x81\xa4text" + b"\xc8\x13\x88\x01" + b"f" * 5000),
    "msgpack integer of no digits": (MSGPACK, in_map(b"\xc7\x00\x01")),
    "msgpack integer with a blank": (MSGPACK, in_map(b"\xc7\x03\x011_f")),
    "msgpack NaN for an integer": (MSGPACK, b"\x81\xa1n\xcb\x7f\xf8\0\0\0\0\0\0"),
    # names and texts
    "json, a name twice": (JSON, b'{"value":1,"value":2}'),
    "json, a name twice inside": (JSON, b'{"value":{"a":1,"a":2}}'),
    "msgpack, a name twice": (MSGPACK, b"\x82\xa5value\x01\xa5value\x02"),
    "json lone surrogate": (JSON, b'{"value":"\\ud800"}'),
    "json lone surrogate in a name": (JSON, b'{"\\udc00":1}'),
    "json, not UTF-8": (JSON, b'{"value":"\xff\xfe"}'),
    "json, UTF-16": (JSON, '{"value":1}'.encode("utf-16")),
    "msgpack, not UTF-8": (MSGPACK, in_map(b"\xa2\xff\xfe")),
    "msgpack surrogate": (MSGPACK, in_map(b"\xa3\xed\xa0\x80")),
    "form, not UTF-8": (FORM, b"value=%ff"),
    "form of 1e5 fields": (FORM, b"a=1&" * DEEP),
    "names by the thousand": (JSON, json.dumps({f"k{i}": i for i in range(500)}).encode()),
    "names that are numbers": (MSGPACK, msgpack.packb({1: 2})),
    "names that are nothing": (MSGPACK, b"\x81\xc0\xc0"),
    # other types
    "timestamp of 2^63 s": (MSGPACK, in_map(b"\xc7\x0c\xff\0\0\0\0" + b"\x7f" + b"\xff" * 7)),
    "timestamp with 2^32-1 ns": (MSGPACK, in_map(b"\xc7\x0c\xff" + b"\xff" * 12)),
    "timestamp of 3 bytes": (MSGPACK, in_map(b"\xc7\x03\xff\0\0\0")),
    "ext type 99": (MSGPACK, in_map(b"\xd4\x63\x00")),
    "a byte that means nothing": (MSGPACK, in_map(b"\xc1")),
    "something behind the value": (MSGPACK, b"\x80\x80"),
    "no object": (JSON, b"[1]"),
    "a text": (JSON, b'"value"'),
    "only blanks": (JSON, b"   "),
    "half an object": (JSON, b'{"value":'),
    "base64 that is none": (JSON, b'{"value":{"__base64__":"%%%"}}'),
    "base64 of no text": (JSON, b'{"value":{"__base64__":[1]}}'),
    "_args a text": (JSON, b'{"_args":"abc"}'),
    "_args an object": (JSON, b'{"_args":{"0":1}}'),
    "_args a number": (MSGPACK, b"\x81\xa5_args\x05"),
    "too many by place": (JSON, b'{"_args":[1,2,"c",4]}'),
    "another type": ("text/xml", b"<a/>"),
    # descriptors that are none
    "a descriptor without any": (JSON, b'{"value":{"__fd__":{"index":0,"kind":"file","mode":"r"}}}'),
    "a descriptor that is a text": (JSON, b'{"value":{"__fd__":"x"}}'),
    "a descriptor at -1": (JSON, b'{"value":{"__fd__":{"index":-1,"kind":"file"}}}'),
    "a descriptor of 1e5 levels": (MSGPACK, in_map(b"\xc9\x00\x01\x86\xa0\x02" + b"\x91" * DEEP)),
}  # fmt: skip
NAMES = [
    "__class__", "__init__", "a.b", "take.__globals__", "..", "../take", "%2e%2e/take", "config",
    "api_take", "public_api_take", "_take", "take%00", "take/", "Take", "methods", "call", "mark",
    "take/take", "%74ake%2f", "t%c0%afake", "encode", "quitquitquit", "help", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served("tests.faults.measured", tmp_path_factory.mktemp("m"), "Measured") as one:
        one.client.call("mark")  # its connection is there before the tests count theirs
        yield one


def ask(service, path, kind=None, body=b"", token=""):
    connection = http.client.HTTPConnection(service.host, service.port, timeout=20)
    headers = {"Content-Type": kind} if kind else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("POST" if kind else "GET", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def cost_of(service, request):
    """(answer, seconds the loop was busy at once, bytes at the peak, calls that got through)"""
    client = service.client
    client.call("mark")
    before = client.call("cost")[2]
    answer = request()
    longest, rise, reached = client.call("cost")
    return answer, longest, rise, reached - before


def test_no_payload_that_is_made_to_hurt_gets_through_or_costs_much(service):
    warm = json.dumps({"value": ["x" * 100] * 9000}).encode()
    assert ask(service, "/take", JSON, warm)[0] == 200
    slowest, hungriest = (0.0, ""), (0.0, "")
    faults = []
    for name, (kind, body) in REFUSED.items():
        (status, text), longest, rise, reached = cost_of(
            service, lambda kind=kind, body=body: ask(service, "/take", kind, body)
        )
        share = rise / max(len(body), 1 << 17)
        slowest = max(slowest, (longest, name))
        hungriest = max(hungriest, (share, name))
        if status not in {400, 403} or reached:
            faults.append(f"{name}: {status}, {reached} calls, {text[:120]!r}")
        if longest > 0.010:
            faults.append(f"{name}: the loop was busy for {longest * 1000:.1f} ms")
        if share > 4:
            faults.append(f"{name}: {rise} bytes for a body of {len(body)}")
        if len(text) > 2_000 and b"traceback" not in text:
            faults.append(f"{name}: an answer of {len(text)} bytes")
    print(
        f"\n{len(REFUSED)} payloads: the longest at once {slowest[0] * 1000:.2f} ms ({slowest[1]}),"
        f" the most memory {hungriest[0]:.2f} x the body ({hungriest[1]})"
    )
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_behind_a_payload_is_read_as_itself_or_not_at_all(service, name):
    """On one connection, in one go: the payload, and a request that is to be the only one to run."""
    kind, body = REFUSED[name]
    before = service.client.call("cost")[2]
    data = posted(kind, body) + posted(JSON, b'{"value":"behind"}', "Connection: close")
    with socket.create_connection((service.host, service.port), 20) as sock:
        sending = threading.Thread(target=_send, args=(sock, data))
        sending.start()
        told = answers(everything(sock))
        sending.join()
    ran = service.client.call("cost")[2] - before
    if len(told) == 1:
        ((status, headers, _),) = told
        assert (status, headers["connection"], ran) == (400, "close", 0)
    else:
        refused = 403 if name == "a descriptor without any" else 400  # it needs credentials
        assert [status for status, _, _ in told] == [refused, 200]
        assert (told[1][2], ran) == (b'{"type":"str"}', 1)


def posted(kind, body, *more):
    lines = ["POST /take HTTP/1.1", "Host: k", f"Content-Type: {kind}", *more]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _send(sock, data):
    with suppress(OSError):  # it may have been told enough
        sock.sendall(data)


def test_names_that_are_no_method_reach_nothing(service):
    def all_of_them():
        for name in NAMES:
            assert ask(service, f"/{name}")[0] == 403, name
        for name in set(NAMES) - {"config", "help", "quitquitquit", "mark"}:
            assert ask(service, f"/{name}", token=service.secret)[0] == 404, name

    assert cost_of(service, all_of_them)[3] == 0


def test_bodies_of_the_largest_size_cost_what_is_printed(service):
    """No limit but a generous one: these are what a body of 1 MiB may say, or try to."""
    size = 1 << 20
    bodies = {
        "json, empty lists": (JSON, b'{"value":[' + b"[]," * (size // 3 - 20) + b"[]]}"),
        "json, short texts": (JSON, b'{"value":[' + b'"a",' * (size // 4 - 20) + b'"a"]}'),
        "json, one text": (JSON, b'{"value":"' + b"a" * (size - 100) + b'"}'),
        "json, quoted brackets": (JSON, b'{"value":[' + b'"[[",' * (size // 5 - 20) + b'"a"]}'),
        "msgpack, nothing": (MSGPACK, in_map(b"\xdd\x00\x0f\xf0\x00" + b"\xc0" * 0xFF000)),
        "msgpack, empty maps": (MSGPACK, in_map(b"\xdd\x00\x0f\xf0\x00" + b"\x80" * 0xFF000)),
        "msgpack, bytes": (MSGPACK, msgpack.packb({"value": b"x" * (size - 100)})),
    }
    print()
    for name, (kind, body) in bodies.items():
        (status, text), longest, rise, reached = cost_of(
            service, lambda kind=kind, body=body: ask(service, "/take", kind, body)
        )
        print(f"{name}: {longest * 1000:.0f} ms at once, {rise / len(body):.1f} x the body")
        refused = name.endswith(("empty lists", "empty maps"))  # they cost most: 400
        assert (status, reached) == ((400, 0) if refused else (200, 1)), text[:200]
        assert longest < 1.0
