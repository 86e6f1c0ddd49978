"""Framing against a live server: the status, the closing, and that nothing behind it ever runs.

The cases themselves are those of RELIABILITY.md, "HTTP"; tests/unit/wire has more of them.
"""

from __future__ import annotations

import random
import socket

import pytest

from tests.helpers import wait_for

from .live import answers, everything, live, nothing_changes, statuses

GOOD = b"GET /seen?value=good HTTP/1.1\r\nHost: k\r\n\r\n"
EVIL = b"GET /seen?value=EVIL HTTP/1.1\r\nHost: k\r\n\r\n"
LAST = b"GET /seen?value=last HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def target(request):
    with live(loop_kind=request.param) as one:
        yield one


@pytest.fixture(autouse=True)
def _settled(target):
    target.reached.clear()
    with nothing_changes(target):
        yield


def post(*headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    lines = [f"POST /seen HTTP/{version}", "Host: k", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


LENGTHS = {
    f"content-length {text!r:.30}": (post(f"Content-Length: {text}"), 400)
    for text in ("+16", "1_6", "0x10", "16,16", "16, 16", "-5", str(2**64), "", " ", "1 6", "9" * 5000, "²")
}  # fmt: skip
CODINGS = {
    f"transfer-encoding {text!r}": (post(f"Transfer-Encoding: {text}"), status)
    for text, status in {
        "chunked, identity": 400, "xchunked": 400, "identity": 400, "chunked, chunked": 400, "": 400,
        "\x0bchunked": 400, "chunked;q=1": 400, "gzip, chunked": 501,
    }.items()
}  # fmt: skip
HEADS = {
    "length and chunked": (post("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    "chunked and length": (post("Transfer-Encoding: chunked", "Content-Length: 0"), 400),
    "two lengths": (post("Content-Length: 5", "Content-Length: 6"), 400),
    "equal lengths": (post("Content-Length: 5", "Content-Length: 5"), 400),
    "doubled coding": (post("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400),
    "spaced coding": (post("Transfer-Encoding : chunked"), 400),
    "spaced length": (post("Content-Length : 5"), 400),
    "coding on 1.0": (post("Transfer-Encoding: chunked", version="1.0"), 400),
    "folded": (post("X: a\r\n b"), 400),
    "bare CR": (post("X: a\rb"), 400),
    "bare LF": (post("X: a\nContent-Length: 0"), 400),
    "NUL": (post("X: a\0b"), 400),
    "no colon": (post("X"), 400),
    "no Host": (b"GET /seen HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (post("Host: other"), 400),
    "strange Host": (b"GET /seen HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "unknown expectation": (post("Expect: miracles", "Content-Length: 0"), 417),
    "unknown method": (b"BREW /seen HTTP/1.1\r\nHost: k\r\n\r\n", 501),
    "lower-case method": (b"get /seen HTTP/1.1\r\nHost: k\r\n\r\n", 501),
    "CONNECT": (b"CONNECT k:443 HTTP/1.1\r\nHost: k\r\n\r\n", 501),
    "HTTP/0.9": (b"GET /seen\r\n", 400),
    "HTTP/1.2": (b"GET /seen HTTP/1.2\r\nHost: k\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 64, 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", 400),
    "space at the end": (b"GET /seen HTTP/1.1 \r\nHost: k\r\n\r\n", 400),
    "10,000 headers": (b"GET /seen HTTP/1.1\r\nHost: k\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", 431),
    "line of 1 MB": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: k\r\n\r\n", 414),
    "header of 1 MB": (b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
    "body over the limit": (post("Content-Length: 1048577"), 413),
    "body of 2^63": (post(f"Content-Length: {2**63}"), 413),
    "descriptors over TCP": (post("Kettlingar-Fds: 1"), 400),
    "a negative count of descriptors": (post("Kettlingar-Fds: -1"), 400),
    "5,000 digits of descriptors": (post("Kettlingar-Fds: " + "9" * 5000), 400),
    "digits of another alphabet": (post("Kettlingar-Fds: ²"), 400),
}
CHUNKS = {
    f"chunk {body!r:.40}": (chunked(body + b"\r\n\r\n"), status)
    for body, status in {
        b"5\r\nhelloX": 400, b"5\r\nhello0\r\n": 400, b"5;a\nb\r\nhello": 400, b"5;a\rb\r\nhello": 400,
        b"5;" + b"x" * 1_000_000: 400, b"0x5\r\nhello": 400, b"-1": 400, b"+5\r\nhello": 400,
        b"1_0": 400, b"00000000000000005\r\nhello": 400, b"10000000000000000": 400, b"5 \r\nhello": 400,
        b"\r\nhello": 400, b"0\r\nContent-Length: 5": 400, b"0\r\nTransfer-Encoding: chunked": 400,
        b"0\r\nHost: k": 400, b"0\r\n folded": 400, b"5\nhello\r\n0": 400,
        b"0\r\n" + b"X: y\r\n" * 101: 431, b"7fffffff\r\n": 413, b"100001\r\n" + b"x" * 4096: 413,
    }.items()
}  # fmt: skip
REFUSED = LENGTHS | CODINGS | HEADS | CHUNKS


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_misread_is_refused_and_nothing_behind_it_runs(target, name):
    attack, status = REFUSED[name]
    data = target.ask(GOOD + attack + EVIL)
    (first, _, _), (refused, headers, body) = answers(data)
    assert (first, refused, headers["connection"]) == (200, status, "close")
    assert b'{"error": "' in body
    assert target.reached == ["good"]


def test_refusals_are_the_same_for_any_split_of_the_bytes(target):
    """Seed 3: every case, cut at three random places."""
    chance = random.Random(3)
    for name, (attack, status) in REFUSED.items():
        data = attack[:20_000] if status in {414, 431, 400} else attack
        cuts = sorted(chance.randrange(len(data)) for _ in range(3))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        found = target.ask(*pieces, EVIL)
        assert statuses(found) == [status], name
    assert target.reached == []


ANSWERED = {
    "absolute form": (b"GET http://other/seen HTTP/1.1\r\nHost: k\r\n\r\n", 200),
    "header names in any case": (b"GET /seen HTTP/1.1\r\nhOST: k\r\nX-y: \t z \t\r\n\r\n", 200),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: k\r\n\r\n", 403),
    "a trailer": (chunked(b"0\r\nX: y\r\n\r\n"), 200),
    "chunks with an extension": (chunked(b'e;a="b"\r\n{"value":true}\r\n0\r\n\r\n'), 200),
    "blank lines before": (b"\r\n\r\nGET /seen HTTP/1.1\r\nHost: k\r\n\r\n", 400),
    "no method of that name": (b"GET /__class__ HTTP/1.1\r\nHost: k\r\n\r\n", 403),
    "a bad argument": (b"GET /slow?seconds=x HTTP/1.1\r\nHost: k\r\n\r\n", 400),
    "a body that is no JSON": (post("Content-Length: 1", body=b"{"), 400),
    "a body of another type": (post("Content-Type: text/xml", "Content-Length: 1", body=b"<"), 400),
    "an error": (b"GET /fails HTTP/1.1\r\nHost: k\r\n\r\n", 500),
}


@pytest.mark.parametrize("name", [n for n, (_, s) in ANSWERED.items() if n != "blank lines before"])
def test_what_is_only_unusual_or_wrong_is_answered_and_the_connection_goes_on(target, name):
    request, status = ANSWERED[name]
    assert statuses(target.ask(GOOD + request + LAST)) == [200, status, 200]
    assert target.reached[0] == "good"
    assert target.reached[-1] == "last"


def test_a_head_without_a_body_and_a_body_that_looks_like_a_request(target):
    inner = post("Content-Type: application/json", f"Content-Length: {len(EVIL)}", body=EVIL)
    assert statuses(target.ask(inner + LAST)) == [400, 200]
    with target.connect() as sock:
        sock.sendall(GOOD.replace(b"GET", b"HEAD") + LAST)
        head, _, rest = everything(sock).partition(b"\r\n\r\n")
    assert b"Content-Length: " in head
    assert statuses(rest) == [200]
    assert target.reached == ["last", "good", "last"]


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_that_may_have_no_body_has_none_so_that_the_next_is_not_misread(target, code):
    ask = f"GET /bare?code={code} HTTP/1.1\r\nHost: k\r\n\r\n".encode()
    data = target.ask(ask + LAST)
    assert b"not for you" not in data
    (first, headers, _), (second, _, body) = answers(data)
    assert (first, second, body) == (code, 200, b'{"seen":"last"}')
    if code == 204:
        assert "content-length" not in headers  # RFC 9110, 8.6


@pytest.mark.parametrize("path", ["elsewhere?url=", "header?text="])
def test_a_value_that_would_split_the_answer_is_a_500_and_the_connection_goes_on(target, path):
    split = f"GET /{path}a%0d%0aX-Evil:%20b%0d%0a%0d%0aHTTP/1.1%20200 HTTP/1.1\r\nHost: k\r\n\r\n"
    data = target.ask(split.encode() + LAST)
    assert statuses(data) == [500, 200]
    assert b"X-Evil: b" not in data.partition(b"\r\n\r\n")[0]


def test_expect_is_answered_only_while_the_body_is_awaited(target):
    head = post("Content-Length: 14", "Expect: 100-continue", "Connection: close")
    with target.connect() as sock:
        sock.sendall(head)
        assert sock.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b'{"value":true}')
        assert statuses(everything(sock)) == [200]
    assert statuses(target.ask(head + b'{"value":true}')) == [200]
    assert statuses(target.ask(GOOD + post("Content-Length: 9999999", "Expect: 100-continue"))) == [200, 413]  # fmt: skip


def test_http_1_0_is_answered_once_and_closed(target):
    data = target.ask(b"GET /seen?value=old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + EVIL)
    assert statuses(data) == [200]
    assert target.reached == ["old"]


def test_after_the_last_request_nothing_more_runs(target):
    assert statuses(target.ask(LAST + EVIL)) == [200]
    assert target.reached == ["last"]


def test_half_a_request_and_the_end_reach_nothing(target):
    for half in (GOOD[:-2], post("Content-Length: 5", body=b"{}"), chunked(b"2\r\n{}\r\n")):
        assert target.ask(half, half_close=True) == b""
    assert target.reached == []


def test_half_close_after_a_request_still_gets_the_answer(target):
    slow = b"GET /slow HTTP/1.1\r\nHost: k\r\n\r\n"
    assert statuses(target.ask(slow, half_close=True)) == [200]


def test_a_head_of_10_mb_in_drips_is_refused_at_its_limit(target):
    with target.connect() as sock:
        sock.sendall(b"GET /seen HTTP/1.1\r\nHost: k\r\n")
        sent = 0
        try:
            while sent < 10_000_000:
                sent += sock.send(b"X: " + b"y" * 995 + b"\r\n")
        except OSError:
            pass
        try:
            data = everything(sock)
        except OSError:
            data = b""
    print(f"\n10 MB head: {sent} bytes taken, answer {data[:12]!r}")
    assert data == b"" or statuses(data) == [431]
    assert target.reached == []


def test_a_client_that_pipelines_and_never_reads_costs_bounded_memory(target):
    """100 KB for each request of 60 bytes: 2,000 of them would be 200 MB."""
    ask = b"GET /big HTTP/1.1\r\nHost: k\r\n\r\n"
    with target.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(ask * 2000)
        wait_for(lambda: "big" in target.reached)
        seen = -1
        while seen != (now := len(target.reached)):
            seen = now
            with target.connect() as other:
                other.sendall(LAST.replace(b"/seen?value=last", b"/slow"))
                assert statuses(everything(other)) == [200]
        waits = max(c.stream.buffered for c in target.service.runtime.server.connections)
    wait_for(lambda: target.connections <= 1, what="the connection is gone")
    assert len(target.reached) == seen  # what was asked behind them is not run for nobody
    print(f"\nunread answers: {seen} of 2000 made, {waits} bytes wait")
    assert seen < 150
    assert waits < 1_000_000


def test_600_random_mutations_are_answered_or_refused_and_never_lost(target):
    """Seed 7: bytes flipped, cut, doubled and swapped in valid requests."""
    chance = random.Random(7)
    valid = [GOOD, LAST, post("Content-Length: 14", body=b'{"value":true}'),
             chunked(b'e\r\n{"value":true}\r\n0\r\n\r\n')]  # fmt: skip
    told: dict[int, int] = {}
    for _ in range(600):
        data = bytearray(chance.choice(valid))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            what = chance.randrange(4)
            if what == 0:
                data[at] = chance.randrange(256)
            elif what == 1:
                del data[at : at + chance.randint(1, 4)]
            elif what == 2:
                data[at:at] = chance.choice([b"\r\n", b"\n", b"\r", b" ", b"\0", b":", b",", b"\t"])
            else:
                data[at:at] = data[at : at + chance.randint(1, 30)]
        found = target.ask(bytes(data), half_close=True)
        for status, _, _ in answers(found) if b"HTTP/1.1" in found else []:
            told[status] = told.get(status, 0) + 1
    print(f"\nmutations: {dict(sorted(told.items()))}")
    assert 500 not in told
    assert statuses(target.ask(LAST)) == [200]
