"""What a server sees of well-formed requests, and the limits of all."""

import pytest

from kettlingar.wire._httptools import RequestParser
from kettlingar.wire.http11 import END, Limits, Phase, Refusal
from tests.unit.wire.wire_help import GET, bodies, chunked, heads, parse, post, status_of


def test_a_get_is_a_head_and_an_end():
    head, end = parse(GET)
    assert end is END
    assert (head.method, head.target) == ("GET", "/purr?n=1")
    assert (head.path, head.query) == ("/purr", "n=1")
    assert head.headers == {"host": "kitty"}
    assert (head.http10, head.keep_alive) == (False, True)
    assert (head.expect_continue, head.upgrade, head.content_length) == (False, False, None)


def test_the_path_stays_encoded_and_only_the_first_question_mark_divides():
    (head, _) = parse(b"GET /a%2Fb%3f?x=%20&y=? HTTP/1.1\r\nHost: k\r\n\r\n")
    assert (head.path, head.query) == ("/a%2Fb%3f", "x=%20&y=?")


def test_a_body_with_a_length_comes_whole():
    head, body, end = parse(post("Content-Length: 5", body=b"hello"))
    assert (head.content_length, body, end) == (5, b"hello", END)


def test_a_length_of_zero_is_no_body():
    head, end = parse(post("Content-Length: 0"))
    assert (head.content_length, end) == (0, END)


def test_a_chunked_body_is_its_chunks():
    data = b"5\r\nhello\r\n00006;note=x;other\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
    events = parse(chunked(data) + GET)
    assert bodies(events) == [b"hello world", b""]
    assert events[0].content_length is None


def test_pipelined_requests_come_in_order():
    events = parse(GET + post("Content-Length: 2", body=b"ab") + chunked(b"0\r\n\r\n") + GET)
    assert [head.path for head in heads(events)] == ["/purr", "/meow", "/meow", "/purr"]
    assert bodies(events) == [b"", b"ab", b"", b""]


def test_requests_before_a_broken_one_are_still_seen():
    head, end, refusal, *nothing = parse(GET + b"nonsense\r\n\r\n" + GET)
    assert (head.path, end, nothing) == ("/purr", END, [])
    assert refusal.status == 400


def test_nothing_runs_after_a_refusal():
    parser = RequestParser(Limits())
    assert isinstance(parser.feed(b"\x16\x03\x01")[-1], Refusal)
    assert parser.feed(GET) == []
    assert parser.phase is Phase.REFUSED


def test_the_phase_says_what_is_awaited():
    parser = RequestParser(Limits())
    phases = [parser.phase]
    for piece in (b"POST / HTTP/1.1\r\n", b"Host: k\r\nContent-Length: 2\r\n\r\n", b"a", b"b"):
        parser.feed(piece)
        phases.append(parser.phase)
    assert phases == [Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.BODY, Phase.IDLE]


def test_repeated_headers_are_joined_and_cookies_in_their_own_way():
    (head, _) = parse(
        b"GET / HTTP/1.1\r\nhost: k\r\nX-A: 1\r\nx-a:\t2 \r\nCookie: a=1\r\nCOOKIE: b=2\r\n\r\n"
    )
    assert head.headers == {"host": "k", "x-a": "1, 2", "cookie": "a=1; b=2"}


def test_header_values_are_latin_1_without_outer_blanks():
    (head, _) = parse(b"GET / HTTP/1.1\r\nHost: k\r\nX-A: \t caf\xe9 \t\r\nX-B:\r\n\r\n")
    assert head.headers == {"host": "k", "x-a": "café", "x-b": ""}


@pytest.mark.parametrize(
    ("line", "keep"),
    [("close", False), ("Keep-Alive", True), ("foo, CLOSE", False), ("closed", True)],
)
def test_connection_says_whether_it_is_kept(line, keep):
    assert heads(parse(post(f"Connection: {line}")))[0].keep_alive is keep


def test_http_1_0_closes_and_needs_no_host():
    (head, end) = parse(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (head.http10, head.keep_alive, end) == (True, False, END)


def test_expect_continue_is_told_only_when_a_body_will_come():
    expect = "Expect: 100-Continue"
    assert heads(parse(post(expect, "Content-Length: 3")))[0].expect_continue
    assert heads(parse(post(expect, "Transfer-Encoding: chunked")))[0].expect_continue
    assert not heads(parse(post(expect)))[0].expect_continue
    old = post(expect, "Content-Length: 3", version="HTTP/1.0")
    assert not heads(parse(old))[0].expect_continue
    assert status_of(post("Expect: miracles")) == 417


def test_the_absolute_form_replaces_the_host():
    (head, _) = parse(b"GET HTTP://other:81/a?b HTTP/1.1\r\nHost: k\r\n\r\n")
    assert (head.path, head.query, head.headers["host"]) == ("/a", "b", "other:81")
    (head, _) = parse(b"GET https://[::1]?b HTTP/1.1\r\nHost: k\r\n\r\n")
    assert (head.path, head.query, head.headers["host"]) == ("/", "b", "[::1]")


def test_options_may_ask_about_the_whole_server():
    (head, _) = parse(b"OPTIONS * HTTP/1.1\r\nHost: k\r\n\r\n")
    assert (head.method, head.path) == ("OPTIONS", "*")
    assert status_of(b"GET * HTTP/1.1\r\nHost: k\r\n\r\n") == 400


WEBSOCKET = (
    b"GET /ws HTTP/1.1\r\nHost: k\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
)


def test_what_follows_a_websocket_request_is_left_alone():
    parser = RequestParser(Limits())
    head, end = parser.feed(WEBSOCKET + b"\x81\x05")
    assert (head.upgrade, end, parser.phase) == (True, END, Phase.UPGRADED)
    assert parser.feed(b"hello") == []
    assert parser.rest == b"\x81\x05hello"


def test_a_declined_upgrade_goes_on_with_http():
    parser = RequestParser(Limits())
    parser.feed(WEBSOCKET + GET)
    assert [head.path for head in heads(parser.decline_upgrade())] == ["/purr"]
    assert parser.phase is Phase.IDLE


def test_other_upgrades_are_ignored():
    (head, end) = parse(
        b"GET / HTTP/1.1\r\nHost: k\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n"
    )
    assert (head.upgrade, end) == (False, END)


def test_the_same_headers_again_mean_the_same():
    parser = RequestParser(Limits())
    post_ab = b"POST /%b HTTP/1.1\r\nHost: k\r\nX: y\r\nContent-Length: 2\r\n\r\nab"
    first, second = heads(parser.feed(post_ab % b"one") + parser.feed(post_ab % b"two?q"))
    assert (second.path, second.query, second.content_length) == ("/two", "q", 2)
    assert second.headers == first.headers


def test_headers_cannot_be_changed_since_the_next_request_may_have_the_same():
    (head, _end) = parse(GET)
    with pytest.raises(TypeError, match="assignment"):
        head.headers["host"] = "spoilt"


def test_a_head_that_always_means_the_same_is_told_with_its_bytes():
    parser = RequestParser(Limits())
    assert heads(parser.feed(GET))[0].raw == GET
    post = b"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 2\r\n\r\n"
    assert [head.raw for head in heads(parser.feed((post + b"ab") * 2))] == [post, post]


@pytest.mark.parametrize(
    "more",
    [
        b"Expect: 100-continue\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X: " + b"x" * 600 + b"\r\n",
    ],
)
def test_an_unusual_head_is_told_without_its_bytes(more):
    for _ in range(2):
        (head,) = heads(parse(b"POST / HTTP/1.1\r\nHost: k\r\n" + more + b"\r\n"))
        assert head.raw == b""


def test_fewer_headers_are_not_the_same_even_where_the_last_ones_are():
    parser = RequestParser(Limits())
    parser.feed(b"GET / HTTP/1.1\r\nX-Kitten: token\r\nHost: k\r\n\r\n")
    (head,) = heads(parser.feed(b"GET / HTTP/1.1\r\nHost: k\r\n\r\n"))
    assert head.headers == {"host": "k"}


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /\x01 HTTP/1.1", 400),
        ("GET /#f HTTP/1.1", 400),
        ("CONNECT a:1 HTTP/1.1", 501),
        ("TRACE / HTTP/1.1", 501),
        ("GET / HTTP/1.0", 0),
        ("POST / HTTP/1.1", 0),
        ("GET http://other/ HTTP/1.1", 0),
        ("GET /" + "a" * 9000 + " HTTP/1.1", 414),
    ],
)
def test_known_headers_make_no_first_line_better(line, status):
    warm = parse(GET, f"{line}\r\nHost: kitty\r\n\r\n".encode())
    cold = parse(f"{line}\r\nHost: kitty\r\n\r\n".encode())
    assert warm[2:] == cold
    assert status_of(GET, f"{line}\r\nHost: kitty\r\n\r\n".encode()) == status


# --- limits -------------------------------------------------------------------

SMALL = Limits(max_head=200, max_line=60, max_headers=5, max_body=10)


def head_of(size):
    start = b"GET / HTTP/1.1\r\nHost: k\r\n"
    lines = b""
    while len(start + lines) + 2 + 40 < size:
        lines += b"X: " + b"x" * 30 + b"\r\n"
    left = size - len(start + lines) - 2 - 5
    return start + lines + b"Y: " + b"y" * left + b"\r\n\r\n"


def test_a_head_may_have_its_limit_and_no_byte_more():
    assert len(head_of(200)) == 200
    limits = Limits(max_head=200)
    assert status_of(head_of(200), limits=limits) == 0
    assert status_of(head_of(201), limits=limits) == 431


def test_a_request_line_may_have_its_limit_and_no_byte_more():
    for size, status in ((60, 0), (61, 414), (5000, 414)):
        line = b"GET /".ljust(size - 9, b"a") + b" HTTP/1.1"
        assert len(line) == size
        assert status_of(line + b"\r\nHost: k\r\n\r\n", limits=SMALL) == status


def test_a_header_may_have_its_limit_and_no_byte_more():
    for size, status in ((60, 0), (61, 431)):
        header = b"X: ".ljust(size, b"a")
        assert status_of(b"GET / HTTP/1.1\r\nHost: k\r\n" + header + b"\r\n\r\n", limits=SMALL) == (
            status
        )


def test_there_may_be_as_many_headers_as_the_limit_and_not_one_more():
    for count, status in ((5, 0), (6, 431)):
        headers = [f"X{number}: y" for number in range(count - 1)]
        assert status_of(post(*headers), limits=SMALL) == status


def test_a_body_may_have_its_limit_and_no_byte_more():
    assert status_of(post("Content-Length: 10", body=b"x" * 10), limits=SMALL) == 0
    assert status_of(post("Content-Length: 11"), limits=SMALL) == 413
    assert status_of(chunked(b"6\r\n123456\r\n4\r\n1234\r\n0\r\n\r\n"), limits=SMALL) == 0
    assert status_of(chunked(b"6\r\n123456\r\n5\r\n"), limits=SMALL) == 413


def test_a_head_that_drips_for_ever_is_refused_with_bounded_memory():
    parser = RequestParser(Limits())
    parser.feed(b"GET / HTTP/1.1\r\nHost: k\r\n")
    events = []
    for _ in range(10_000):
        events += parser.feed(b"X: " + b"x" * 1000 + b"\r\n")
    assert [event.status for event in events] == [431]


def test_a_megabyte_without_a_line_end_is_too_long_a_line():
    assert status_of(*[b"GET /aaaaaaa"] * 80_000) == 414


def test_ten_thousand_headers_are_too_many():
    assert status_of(post(*["A: b"] * 10_000)) == 431
