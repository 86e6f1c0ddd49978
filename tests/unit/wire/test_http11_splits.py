"""However the bytes are split, the events are the same; and never laxer than h11."""

import itertools

import h11
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.wire._httptools import RequestParser
from kettlingar.wire.http11 import END, Limits, Phase, RequestHead
from tests.unit.wire.wire_help import GET, answers, chunked, few, joined, parse, post

TIGHT = Limits(max_head=120, max_line=40, max_headers=5, max_body=20)

FIRST = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"GET / HTTP/1.0", b"PUT http://h/x HTTP/1.1"] * 3
    + [b"GET /", b"get / HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET / HTTP/2.0", b" GET / HTTP/1.1"]
    + [b"", b"G\x00T / HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET /" + b"a" * 40 + b" HTTP/1.1"]
)
HEADER = st.sampled_from(
    [b"Host: h", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"X: y", b"x:\tz "] * 3
    + [b"Content-Length: 03", b"content-length: +3", b"Content-Length: 3, 3", b"X : y", b" X: y"]
    + [b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding:chunked ", b"X: \x01", b"X"]
    + [b"Connection: close", b"Expect: 100-continue", b"X: a\rb", b"X: a\nb", b"Host: a b"]
    + [b"Transfer-Encoding: chunked, identity", b"Content-Length: 99", b": x", b"X: \xe9"]
    + [b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Z: " + b"z" * 50]
)
BODY = st.sampled_from(
    [b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"] * 3
    + [b"3\r\nabcd\r\n0\r\n\r\n", b"0x3\r\nabc\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n"]
    + [b"ff\r\n", b"3\r\nabc\r\n0\r\nContent-Length: 1\r\n\r\n", b"0\r\nbad\r\n\r\n", b"-0\r\n"]
)
LINE_END = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n"])


@st.composite
def requests(draw):
    """Requests that are often right, and wrong in the ways of attackers."""
    lines = [draw(FIRST), *draw(st.lists(HEADER, max_size=5))]
    if draw(st.booleans()):
        lines.insert(1, b"Host: h")
    head = b"".join(line + draw(LINE_END) for line in lines)
    return head + draw(LINE_END) + draw(BODY)


@st.composite
def streams(draw):
    """Some requests in a row, now and then with a byte changed."""
    data = bytearray(b"".join(draw(st.lists(requests() | st.just(GET), min_size=1, max_size=3))))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def split(data, places):
    cuts = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


@few
@given(streams(), st.lists(st.integers(0, 2000), max_size=6), st.sampled_from([Limits(), TIGHT]))
def test_any_split_of_requests_gives_the_same_events(data, places, limits):
    whole = joined(parse(data, limits=limits))
    assert joined(parse(*split(data, places), limits=limits)) == whole
    assert joined(parse(*[bytes([byte]) for byte in data], limits=limits)) == whole


def leaves_idle(data):
    parser = RequestParser(Limits())
    parser.feed(data)
    return parser.phase is Phase.IDLE


@few
@given(st.lists(streams(), min_size=2, max_size=3))
def test_a_parser_that_has_read_before_reads_no_other(parts):
    """Remembered headers change nothing: the same as with a parser for each request."""
    messages = [part for part in parts if leaves_idle(part)]
    fresh = [event for message in messages for event in parse(message)]
    assert joined(parse(*messages)) == joined(fresh)


def read_by_h11(data):
    """The first request as h11 understands it, or None if it refuses or waits."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    connection.receive_data(data)
    head, body = None, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return head.method, head.target, body
            else:
                return None
    except h11.RemoteProtocolError:
        return None


@few
@given(streams())
def test_what_we_take_h11_takes_too_and_in_the_same_sense(data):
    events = joined(parse(data))
    if END not in events:
        return
    first = events[: events.index(END)]
    head = first[0]
    assert isinstance(head, RequestHead)
    ours = head.method.encode(), head.target.encode(), b"".join(first[1:])
    assert read_by_h11(data) == ours


def test_usual_requests_are_taken_by_both():
    for data in (GET, post("Content-Length: 3", body=b"abc"), chunked(b"3\r\nabc\r\n0\r\n\r\n")):
        assert END in parse(data)
        assert read_by_h11(data)


@st.composite
def replies(draw):
    first = draw(st.sampled_from([b"HTTP/1.1 200 OK"] * 4 + [b"HTTP/1.1 204", b"HTTP/1.0 200 OK"]))
    first = draw(st.sampled_from([first] * 5 + [b"HTTP/1.1 100 Go", b"HTTP/1.1 20", b"HTTP/2 200"]))
    lines = [first, *draw(st.lists(HEADER, max_size=4))]
    head = b"".join(line + draw(LINE_END) for line in lines)
    return head + b"\r\n" + draw(BODY)


@few
@given(st.lists(replies(), min_size=1, max_size=3), st.lists(st.integers(0, 999), max_size=6))
def test_any_split_of_answers_gives_the_same_events(parts, places):
    data = b"".join(parts)
    methods = ("GET", "HEAD", "POST")
    whole = joined(answers(data, methods=methods))
    assert joined(answers(*split(data, places), methods=methods)) == whole
    assert joined(answers(*[bytes([byte]) for byte in data], methods=methods)) == whole
