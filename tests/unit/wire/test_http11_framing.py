"""Requests that two readers could understand differently are refused, all of them."""

import pytest

from kettlingar.wire._strict import body_length
from kettlingar.wire.http11 import END, Limits, Refusal
from tests.unit.wire.wire_help import chunked, parse, post, status_of


def line(first):
    return first + b"\r\nHost: k\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "content-length: 5"],
        ["Content-Length: +16"],
        ["Content-Length: -5"],
        ["Content-Length: 1_6"],
        ["Content-Length: 0x10"],
        ["Content-Length: 16,16"],
        ["Content-Length: 16, 16"],
        ["Content-Length: 1 6"],
        ["Content-Length:"],
        ["Content-Length: "],
        ["Content-Length: 18446744073709551616"],
        ["Content-Length: " + "9" * 5000],
        ["Content-Length: \xb2"],
        ["Content-Length: five"],
        ["Content-Length : 5"],
        [" Content-Length: 5"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunkedx"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding:"],
        ["Transfer-Encoding: ,chunked,"],
        ["Transfer-Encoding: \x0bchunked"],
        ["Transfer-Encoding : chunked"],
        ["Transfer-Encoding\t: chunked"],
        ["Transfer-Encoding: chunked;q=1"],
        ['Transfer-Encoding: "chunked"'],
        ["X: a\r\n b"],
        ["X: a\r\n\tb"],
        ["X: a\rb"],
        ["X: a\nb"],
        ["X: a\0b"],
        ["X: a\x1bb"],
        ["X: a\x7fb"],
        ["X"],
        [": a"],
        ["X Y: a"],
        ["X(: a"],
        ["\xe9: a"],
        ["Host: other"],
        ["Content-Type: a/b", "Content-Type: c/d"],
        ["Authorization: a", "Authorization: b"],
    ],
)
def test_ambiguous_headers_are_400(headers):
    assert status_of(post(*headers, body=b"0\r\n\r\n")) == 400


def test_a_coding_that_we_do_not_know_is_501():
    assert status_of(post("Transfer-Encoding: gzip, Chunked")) == 501


@pytest.mark.parametrize("text", ["+1", "-1", "1_0", " 1", "1 ", "", "0x1", "1,1", "9" * 20, "²"])
def test_our_own_reading_of_a_length_relies_on_nobody(text):
    refusal = body_length({"content-length": text}, Limits(), http10=False)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_our_own_reading_of_a_coding_relies_on_nobody():
    headers = {"content-length": "1", "transfer-encoding": "chunked"}
    for http10 in (False, True):
        assert body_length(headers, Limits(), http10=http10).status == 400


def test_http_1_0_has_no_transfer_encoding():
    assert status_of(post("Transfer-Encoding: chunked", version="HTTP/1.0")) == 400


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a, b", "a/b", "user@a", "a?b", "a#b", "a:b", "[::1", "a\\b", "<a>", "é"],
)
def test_a_host_is_a_host(host):
    status = status_of(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
    assert status == (400 if host else 0)


def test_http_1_1_needs_a_host():
    assert status_of(b"GET / HTTP/1.1\r\n\r\n") == 400


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"GET /", 400),  # HTTP/0.9
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET\t/ HTTP/1.1", 400),
        (b"GET /\t HTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET /\xc3\xa9 HTTP/1.1", 400),
        (b"GET /\x7f HTTP/1.1", 400),
        (b"GET /a#b HTTP/1.1", 400),
        (b"GET a HTTP/1.1", 400),
        (b"GET ?a HTTP/1.1", 400),
        (b"GET ftp://a/ HTTP/1.1", 400),
        (b"GET http:///a HTTP/1.1", 400),
        (b"GET http://u@a/ HTTP/1.1", 400),
        (b"GET  HTTP/1.1", 400),
        (b"G(T / HTTP/1.1", 400),
        (b" / HTTP/1.1", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/1.1x", 400),
        (b"GET / HTTP/11", 400),
        (b"GET / RTSP/1.0", 400),
        (b"GET / ICE/1.0", 400),
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/3.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"get / HTTP/1.1", 501),
        (b"BREW / HTTP/1.1", 501),
        (b"CONNECT a:443 HTTP/1.1", 501),
        (b"", 400),
    ],
)
def test_a_first_line_has_one_form(first, status):
    assert status_of(line(first)) == status


def test_no_error_text_repeats_a_target_since_it_may_hold_a_token():
    for first in (
        b"GET /T0KEN/# HTTP/1.1",
        b"GET /T0KEN/\xff HTTP/1.1",
        b"GET T0KEN HTTP/1.1",
        b"GET /T0KEN HTTP/9.9",
        b"GET /T0KEN x",
        b"GET /T0KEN\0 HTTP/1.1",
    ):
        (refusal,) = parse(line(first))
        assert "T0KEN" not in refusal.message


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /\r\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\r",
        b"SSH-2.0-OpenSSH\r\n",
        b"GET / HTTP/1.1\r\nHost: k\nX: y",
        b"GET / HTTP/1.1\r\nHost: k\0",
        b"\r\n",
    ],
)
def test_what_is_no_http_is_refused_before_a_head_could_end(data):
    assert status_of(data) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhelloX",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\rX",
        b"5\nhello\r\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"5;a\0\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5 ;a\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5;" + b"x" * 1_000_000,
        b"0x5\r\nhello\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"1_0\r\n",
        b"00000000000000005\r\nhello\r\n",
        b"10000000000000000\r\n",
        b"\r\nhello\r\n",
        b";a\r\n",
        b"g\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nhost: k\r\n\r\n",
        b"0\r\nX: y\n\r\n\r\n",
        b"0\r\nX: y\rz\r\n\r\n",
        b"0\r\nX\r\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\r\nX y: z\r\n\r\n",
        b"0\r\nX: \0\r\n\r\n",
        b"0\r\n\n",
        b"zz",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_broken_chunks_are_400(body):
    whole = chunked(body)
    # some of these are refused only when the line has come to its end
    assert status_of(whole + b"\r\n\r\n") == 400
    assert END not in parse(whole + b"\r\n\r\n")


def test_many_small_extensions_are_too_much_together():
    one = b"1;" + b"x" * 200 + b"\r\na\r\n"
    assert status_of(chunked(one * 80)) == 0
    assert status_of(chunked(one * 90)) == 400


def test_trailers_have_the_limits_of_heads():
    assert status_of(chunked(b"0\r\n" + b"X: y\r\n" * 100 + b"\r\n")) == 0
    assert status_of(chunked(b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n")) == 431
    assert status_of(chunked(b"0\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 17)) == 431


def test_a_smuggled_request_is_never_seen():
    smuggled = b"GET /secret HTTP/1.1\r\nHost: k\r\n\r\n"
    for outer in (
        post("Content-Length: 0", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post("Content-Length: 0", f"Content-Length: {len(smuggled)}"),
        post("Transfer-Encoding: xchunked"),
        chunked(b"0\r\nContent-Length: 0\r\n\r\n"),
    ):
        targets = [getattr(event, "target", "") for event in parse(outer + smuggled)]
        assert "/secret" not in targets
