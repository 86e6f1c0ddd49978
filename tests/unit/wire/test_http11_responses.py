"""What a client sees of a server's answers, and how heads are written."""

import h11
import pytest

from kettlingar.wire._httptools import ResponseParser
from kettlingar.wire.http11 import END, REASONS, Limits, Phase, Refusal, response_head
from tests.unit.wire.wire_help import answers


def reply(*headers, body=b"", first="HTTP/1.1 200 OK"):
    return "".join(f"{line}\r\n" for line in (first, *headers)).encode() + b"\r\n" + body


def broken(events):
    return [event for event in events if isinstance(event, Refusal)]


def test_an_answer_is_a_head_a_body_and_an_end():
    head, body, end = answers(reply("Content-Length: 2", "X-A: b", body=b"hi"))
    assert (head.status, head.reason, head.keep_alive) == (200, "OK", True)
    assert head.headers == {"content-length": "2", "x-a": "b"}
    assert (body, end) == (b"hi", END)


def test_a_reason_may_be_missing():
    assert answers(reply("Content-Length: 0", first="HTTP/1.1 299"))[0].reason == ""
    assert answers(reply("Content-Length: 0", first="HTTP/1.1 299 "))[0].reason == ""


def test_no_length_means_until_the_end_of_the_connection():
    head, one, two, end = answers(reply(body=b"a"), b"b")
    assert (one, two, end) == (b"a", b"b", END)
    assert not head.keep_alive


def test_interim_answers_are_skipped():
    data = reply(first="HTTP/1.1 100 Continue") + reply(first="HTTP/1.1 103 Hints")
    head, end = answers(data + reply("Content-Length: 0"))
    assert (head.status, end) == (200, END)


def test_some_answers_have_no_body_whatever_they_say():
    length = "Content-Length: 5"
    data = reply(length) + reply(length, first="HTTP/1.1 204 No Content")
    data += reply(length, first="HTTP/1.1 304 Not Modified") + reply("Content-Length: 1", body=b"x")
    events = answers(data, methods=["HEAD", "GET", "GET", "GET"])
    assert [getattr(event, "status", event) for event in events] == [
        200, END, 204, END, 304, END, 200, b"x", END,
    ]  # fmt: skip


def test_whole_chunks_come_one_by_one_however_they_were_split():
    data = reply("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n1f40\r\n" + b"x" * 8000 + b"\r\n")
    data += b"2;note\r\nde\r\n0\r\n\r\n"
    for size in (1, 7, 100_000):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        events = answers(*pieces, whole_chunks=True)
        assert events[1:] == [b"abc", b"x" * 8000, b"de", END]


def test_whole_chunks_are_limited_one_by_one():
    chunk = b"5\r\nhello\r\n"
    data = reply("Transfer-Encoding: chunked", body=chunk * 3 + b"0\r\n\r\n")
    assert answers(data, whole_chunks=True, limits=Limits(max_body=5))[-1] is END
    assert broken(answers(data, whole_chunks=True, limits=Limits(max_body=4)))
    assert broken(answers(data, limits=Limits(max_body=14)))


def test_an_answer_may_switch_the_protocol():
    parser = ResponseParser(Limits())
    parser.expect("GET")
    switch = reply("Upgrade: websocket", "Connection: Upgrade", first="HTTP/1.1 101 Go")
    head, end = parser.feed(switch + b"\x81")
    assert (head.status, end, parser.phase, parser.rest) == (101, END, Phase.UPGRADED, b"\x81")
    assert parser.eof() == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        reply("Content-Length: 5", body=b"abc"),
        reply("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
        reply("Content-Length: 5", "Transfer-Encoding: chunked"),
        reply("Content-Length: x"),
        reply("Content-Length: 5", "Content-Length: 5"),
        reply("Transfer-Encoding: gzip"),
        reply("X: a\x01"),
        reply("X: " + "y" * 9000),
        reply(*["X: y"] * 101),
        reply(first="HTTP/1.1 99 Less"),
        reply(first="HTTP/1.1 2000 More"),
        reply(first="HTTP/2 200 OK"),
        reply(first="ICY 200 OK"),
        reply(first="HTTP/1.1  200 OK"),
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000,
        b"+PONG\r\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_a_broken_answer_is_the_last_event_and_has_no_status(data):
    *_, last = answers(data)
    assert isinstance(last, Refusal)
    assert last.status == 0
    assert last.message.startswith("cannot ")


def test_an_answer_to_nothing_is_refused():
    timeout = reply("Content-Length: 0", first="HTTP/1.1 408 Request Timeout")
    assert broken(answers(timeout, methods=()))
    assert answers(methods=()) == []


def test_an_idle_parser_knows_it():
    parser = ResponseParser(Limits())
    assert parser.is_idle
    parser.expect("GET")
    assert not parser.is_idle
    parser.feed(reply("Content-Length: 0"))
    assert parser.is_idle
    parser.feed(b"H")
    assert not parser.is_idle


# --- writing ------------------------------------------------------------------


def test_a_head_is_written_as_others_read_it():
    data = response_head(200, [("Content-Type", "text/plain"), ("Content-Length", "0")])
    assert data == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
    for status in (*REASONS, 599):
        if status < 200:
            continue
        head = response_head(status, [("X-A", "é"), ("Content-Length", "0")])
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "k")]))
        client.receive_data(head)
        assert client.next_event().status_code == status
        assert answers(head)[0].reason == REASONS.get(status, "")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "a\r\n\r\n", "☃"])
def test_no_value_can_add_a_header(value):
    with pytest.raises(ValueError, match="cannot send"):
        response_head(200, [("Location", value)])


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "é"])
def test_no_name_can_add_a_header(name):
    with pytest.raises(ValueError, match="not a token"):
        response_head(200, [(name, "x")])


def test_a_status_has_three_digits():
    with pytest.raises(ValueError, match="cannot answer with status 20"):
        response_head(20, [])
