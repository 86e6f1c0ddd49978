"""Chunks and server-sent events, as they are written."""

import pytest

from kettlingar.wire.streaming import LAST_CHUNK, chunk, sse
from tests.unit.wire.wire_help import bodies, chunked, parse


def test_chunks_are_read_back_by_the_parser():
    data = chunk(b"hello") + chunk(b"") + chunk(b"x" * 5000) + LAST_CHUNK
    assert bodies(parse(chunked(data))) == [b"hello" + b"x" * 5000]


def test_no_data_is_no_chunk_since_that_would_be_the_end():
    assert chunk(b"") == b""


@pytest.mark.parametrize(
    ("event", "written"),
    [
        ("hi", "data: hi\n\n"),
        ("", "data: \n\n"),
        (b"hi", "data: hi\n\n"),
        ("a\nb\r\nc\rd\n", "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        ({"a": 1}, 'data: {"a":1}\n\n'),
        ({"data": {"a": 1}}, 'data: {"a":1}\n\n'),
        ({}, "data: {}\n\n"),
        ([1], "data: [1]\n\n"),
        (None, "data: null\n\n"),
        ({"data": "x", "id": 7, "event": "tick"}, "id: 7\nevent: tick\ndata: x\n\n"),
        ({"retry": 10}, "retry: 10\n\n"),
        ({"id": None, "data": "é"}, "data: é\n\n"),
        ({"id": 1, "data": 2, "more": 3}, 'data: {"id":1,"data":2,"more":3}\n\n'),
    ],
)
def test_events_have_their_fields(event, written):
    assert sse(event) == written.encode()


@pytest.mark.parametrize(
    "event", [{"id": "a\nb"}, {"event": "a\rb"}, {"id": "\0"}, {"retry": "soon"}, {"retry": 1.5}]
)
def test_fields_that_would_break_the_event_are_refused(event):
    with pytest.raises(ValueError, match="cannot send the event"):
        sse(event)
