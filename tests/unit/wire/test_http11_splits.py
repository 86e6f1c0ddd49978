"""However the bytes are split, the events are the same."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kettlingar.wire._httptools import RequestParser
from kettlingar.wire.http11 import Limits, Phase
from tests.unit.wire.generated import BODY, HEADER, LINE_END, streams
from tests.unit.wire.wire_help import answers, few, joined, parse

TIGHT = Limits(max_head=120, max_line=40, max_headers=5, max_body=20)


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
