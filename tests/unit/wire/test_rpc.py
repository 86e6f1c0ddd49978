"""Calls as bytes, and replies as values and exceptions."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingar.errors import (
    BadRequest,
    Conflict,
    HttpError,
    NeedInfoException,
    NotFound,
    RemoteError,
    TooManyRequests,
    Unavailable,
)
from kettlingar.wire.content import decode_body, to_json, to_msgpack
from kettlingar.wire.fdtags import FdTag
from kettlingar.wire.http11 import Limits
from kettlingar.wire.rpc import CallWriter, Failure, Items, ReplyReader, Result, StreamEnd
from kettlingar.wire.streaming import LAST_CHUNK, chunk
from tests.unit.wire.wire_help import few, parse

MSGPACK, JSON = "application/x-msgpack", "application/json"


# --- calls --------------------------------------------------------------------


def test_a_call_is_a_request_that_a_server_reads():
    writer = CallWriter(host="h:1", prefix="x/", token="T")
    data = writer.write("purr", ("a", 1), {"loud": True})
    assert writer.write("purr", ("a", 1), {"loud": True}) == data
    head, body, _ = parse(data)
    assert (head.method, head.path) == ("POST", "/x/purr")
    assert head.headers == {
        "host": "h:1", "content-type": MSGPACK, "authorization": "Bearer T",
        "content-length": str(len(body)),
    }  # fmt: skip
    assert decode_body(MSGPACK, body) == {"_args": ["a", 1], "loud": True}


def test_a_call_may_be_json_and_have_no_arguments():
    head, body, _ = parse(CallWriter().write("purr", (), {}, use_json=True))
    assert head.headers["content-type"] == JSON
    assert "authorization" not in head.headers
    assert body == b"{}"


def test_descriptors_are_counted_after_encoding():
    class Thing:
        def fileno(self):
            return 9

    def tagging(fds):
        def tag(thing):
            fds.append(thing.fileno())
            return FdTag(len(fds) - 1, "file", "r")

        return tag

    writer = CallWriter(tagging=tagging)
    head, body, _ = parse(writer.write("cat", (Thing(), Thing()), {}))
    assert writer.fds == [9, 9]
    assert head.headers["kettlingar-fds"] == "2"
    tags = decode_body(MSGPACK, body, resolve=lambda tag: tag.index)
    assert tags == {"_args": [0, 1]}


def test_odd_names_are_encoded_and_cannot_change_the_request():
    assert (
        parse(CallWriter().write("a/../b c?d\r\n", (), {}))[0].path == "/a%2F..%2Fb%20c%3Fd%0D%0A"
    )
    for options in ({"token": "a\r\nX: y"}, {"host": "a\nb"}, {"prefix": "a\r\n"}):
        with pytest.raises(ValueError, match="cannot call 'purr'"):
            CallWriter(**options).write("purr", (), {})
    with pytest.raises(ValueError, match="_args"):
        CallWriter().write("purr", (), {"_args": []})
    with pytest.raises(TypeError, match="cannot send a object"):
        CallWriter().write("purr", (object(),), {})


# --- replies ------------------------------------------------------------------


def answer(status, body, mimetype=JSON, *headers):
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {mimetype}", *headers]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def stream(*chunks, mimetype=JSON):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {mimetype}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(chunks)


def Item(value):
    """One of them, as an event."""
    return Items([value])


def read(*pieces, eof=False, **options):
    reader = ReplyReader(**options)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return one_by_one(events + (reader.eof() if eof else []))


def one_by_one(events):
    """How many items were read at once is nobody's business."""
    for event in events:
        assert not isinstance(event, Items) or event.values
    return [
        one
        for event in events
        for one in (map(Item, event.values) if isinstance(event, Items) else [event])
    ]


def failure(*pieces, eof=False):
    *_, last = read(*pieces, eof=eof)
    assert isinstance(last, Failure)
    return last.exception


@pytest.mark.parametrize(
    ("mimetype", "body", "value"),
    [
        (JSON, b'{"a": 1}', {"a": 1}),
        (MSGPACK, b"\x81\x01\x02", {1: 2}),
        (MSGPACK, to_msgpack(2**99), 2**99),
        (JSON + "; charset=utf-8", b"null", None),
        ("text/plain", b"h\xc3\xa9", {"mimetype": "text/plain", "data": "hé"}),
        ("Text/Plain; charset=utf-8", b"hi", {"mimetype": "text/plain", "data": "hi"}),
        ('text/x; a=b; Charset="latin-1"', b"\xe9", {"mimetype": "text/x", "data": "é"}),
        ("text/plain", b"\xff", {"mimetype": "text/plain", "data": "\udcff"}),
        ("image/png", b"\xff", {"mimetype": "image/png", "data": b"\xff"}),
        ("", b"x", {"mimetype": "application/octet-stream", "data": b"x"}),
        ("text/plain", b"", {"mimetype": "text/plain", "data": ""}),
    ],
)
def test_a_result_is_a_value(mimetype, body, value):
    assert read(answer(200, body, mimetype)) == [Result(value, keep_alive=True)]


def test_an_answer_without_any_body_is_none():
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n") == [Result(None, keep_alive=True)]
    assert read(answer(200, b"")) == [Result(None, keep_alive=True)]
    assert read(answer(200, b"xx")[:-2], method="HEAD") == [Result(None, keep_alive=True)]


def test_a_connection_is_kept_only_if_it_can_be():
    assert read(answer(200, b"1", JSON, "Connection: close")) == [Result(1, keep_alive=False)]
    assert read(answer(200, b"1") + b"H") == [Result(1, keep_alive=False)]
    assert read(answer(200, b"1") + answer(200, b"2")) == [Result(1, keep_alive=False)]
    assert read(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n1", eof=True) == [
        Result(1, keep_alive=False)
    ]


def test_a_stream_is_its_items_and_an_end():
    data = stream(chunk(b"1\n"), chunk(b'{"a": 2}'), LAST_CHUNK)
    expected = [Item(1), Item({"a": 2}), StreamEnd(keep_alive=True)]
    assert read(data) == expected
    assert read(*[bytes([byte]) for byte in data]) == expected
    assert read(data + b"H")[-1] == StreamEnd(keep_alive=False)
    assert read(stream(LAST_CHUNK)) == [StreamEnd(keep_alive=True)]


def test_items_come_before_the_stream_ends():
    reader = ReplyReader()
    assert reader.feed(stream(chunk(b"1"))) == [Item(1)]
    assert reader.feed(chunk(b"2")) == [Item(2)]


def test_text_streams_as_text():
    data = stream(chunk(b"data: x\n\n"), LAST_CHUNK, mimetype="text/event-stream")
    assert read(data)[0] == Item({"mimetype": "text/event-stream", "data": "data: x\n\n"})


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        (400, (BadRequest, ValueError)),
        (403, (PermissionError,)),
        (404, (NotFound, KeyError)),
        (409, (Conflict,)),
        (423, (NeedInfoException,)),
        (429, (TooManyRequests,)),
        (503, (Unavailable,)),
        (418, (HttpError,)),
        (302, (OSError,)),
        (307, (OSError,)),
        (500, (RemoteError, RuntimeError)),
    ],
)
def test_a_status_is_an_exception(status, kinds):
    error = failure(answer(status, to_json({"error": "no", "type": "T"}), JSON, "Location: /there"))
    for kind in kinds:
        assert isinstance(error, kind)
    assert ("/there" if status < 400 else "no") in str(error)


def test_exceptions_carry_what_the_service_said():
    body = {"error": "who?", "type": "NeedInfoException", "needed_vars": ["a"], "resource": "r"}
    error = failure(answer(423, to_json(body)))
    assert (error.comment, error.needed_vars, error.resource) == ("who?", ["a"], "r")
    assert failure(answer(423, to_json({"error": "", "needed_vars": 1}))).needed_vars == []
    assert failure(answer(418, to_json({"error": "tea"}))).status == 418
    body = {"error": "no", "type": "KeyError", "traceback": "lines"}
    error = failure(answer(500, to_msgpack(body), MSGPACK))
    assert (str(error), error.remote_type, error.traceback) == ("KeyError: no", "KeyError", "lines")
    assert type(failure(answer(500, to_json({"error": "x", "type": "HttpError"})))) is HttpError


def test_errors_of_others_are_readable_too():
    assert str(failure(answer(500, b"oops\n", "text/plain"))) == "oops"
    assert str(failure(answer(503, b"", "text/plain"))) == "503 Said"
    assert str(failure(answer(404, b"[]"))) == "404 Said"
    assert str(failure(answer(502, b"\xff", "image/png"))) == "502 Said"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PermissionError", PermissionError),
        ("NotFound", NotFound),
        ("NeedInfoException", NeedInfoException),
        ("ZeroDivisionError", RemoteError),
        (None, RemoteError),
    ],
)
def test_an_error_within_a_stream_is_raised(name, kind):
    error = to_json({"error": "no"} | ({"type": name} if name else {}))
    data = stream(chunk(b"1"), chunk(error))
    assert read(data) == [Item(1)]
    assert type(failure(data, eof=True)) is kind
    broken_framing = failure(data + b"nonsense\r\n")
    assert isinstance(broken_framing, OSError)


def test_an_item_that_only_looks_like_an_error_is_an_item():
    error = {"error": "no"}
    data = stream(chunk(to_json(error)), chunk(b"1"), chunk(to_json(error)), LAST_CHUNK)
    assert read(data) == [Item(error), Item(1), Item(error), StreamEnd(keep_alive=True)]
    for item in ({"error": 1}, {"error": "x", "line": 3}, ["error"]):
        assert read(stream(chunk(to_json(item)))) == [Item(item)]


TYPED = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("mimetype", "error"),
    [
        ("text/plain", b'{"error":"no","type":"Conflict"}'),
        ("image/png", b'{"error":"no","type":"Conflict"}'),
        ("text/event-stream", b'event: error\ndata: {"error":"no","type":"Conflict"}\n\n'),
    ],
)
def test_an_error_within_a_stream_of_a_type_of_its_own_is_raised_and_no_item(mimetype, error):
    data = TYPED.format(mimetype).encode() + chunk(b"x") + chunk(error)
    assert len(read(data)) == 1
    assert type(failure(data, eof=True)) is Conflict
    items = read(data + LAST_CHUNK)  # with the end mark it was but an item
    assert len(items) == 3
    assert items[-1] == StreamEnd(keep_alive=True)
    half = TYPED.format(mimetype).encode() + chunk(error[:-9])
    assert type(failure(half, eof=True)) is OSError


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        answer(200, b"12")[:-1],
        stream(),
        stream(chunk(b"1")),
        stream(chunk(b"1"), b"0\r\n"),
        stream(b"5\r\n1"),
        answer(200, b"{"),
        answer(200, b"\xc1", MSGPACK),
        answer(200, b"x", "text/plain; charset=klingon"),
        stream(chunk(b"{"), chunk(b"1")),
        b"+PONG\r\n",
        answer(200, to_json(FdTag(0, "file"))),
    ],
    ids=lambda data: repr(data[-24:]),
)
def test_what_is_broken_is_an_oserror_and_the_last_event(data):
    *_, last = read(data, eof=True)
    assert isinstance(last, Failure)
    assert type(last.exception) is OSError
    assert str(last.exception).startswith("cannot read")


def test_nothing_comes_after_the_end():
    reader = ReplyReader()
    reader.feed(answer(200, b"1"))
    assert reader.feed(answer(200, b"2")) == []
    assert reader.eof() == []
    reader = ReplyReader()
    reader.feed(stream(chunk(b'{"error": "x"}')))
    assert len(reader.eof()) == 1
    assert reader.eof() == []


def test_a_plain_answer_in_one_piece_is_read_in_one_look():
    reader = ReplyReader()
    for number in (b"1", b"2"):
        assert reader.whole(answer(200, number)) == Result(int(number), keep_alive=True)
        assert reader.untouched
    assert isinstance(reader.whole(answer(200, b"{")), Failure)


@pytest.mark.parametrize(
    "data",
    [
        answer(200, b"1")[:-1],
        answer(200, b"1") + b"1",
        answer(404, b'{"error": "no"}'),
        stream(chunk(b"3"), LAST_CHUNK),
        answer(200, b"x", "text/plain"),
        answer(200, b"1", JSON, "Connection: close"),
    ],
)
def test_all_others_are_left_to_the_parser(data):
    reader = ReplyReader()
    assert reader.whole(data) is None
    reader.feed(data)
    assert not reader.untouched


def test_open_files_in_a_reply_are_resolved():
    body = to_msgpack([FdTag(0, "file", "rb"), FdTag(1, "socket")])
    result = read(answer(200, body, MSGPACK), resolve=lambda tag: (tag.index, tag.kind))
    assert result == [Result([(0, "file"), (1, "socket")], keep_alive=True)]

    def unable(_):
        raise OSError("nothing came")

    (failed,) = read(answer(200, body, MSGPACK), resolve=unable)
    assert "nothing came" in str(failed.exception)


def test_a_reply_has_a_limit():
    (failed,) = read(answer(200, b"123"), limits=Limits(max_body=2))
    assert "over 2" in str(failed.exception)


@few
@given(st.lists(st.integers() | st.text(max_size=5), max_size=5), st.integers(1, 30))
def test_any_split_of_a_reply_is_the_same_reply(items, size):
    chunks = [chunk(to_json(item)) for item in items]
    for data in (stream(*chunks, LAST_CHUNK), answer(200, to_json(items))):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert read(*pieces, eof=True) == read(data)


# --- many items at once ---------------------------------------------------------


def read_stream(*bodies):
    return read(stream(*map(chunk, bodies), LAST_CHUNK, mimetype=MSGPACK), eof=True)


@pytest.mark.parametrize(
    "values",
    [
        [{"n": n, "name": "item", "ok": True} for n in range(3000)],
        [{"deep": [{"a": [n, {"b": n / 3}]}]} for n in range(600)],
        [n / 7 for n in range(500)],
        ["text", b"bytes", None, [], {}, {1: 2}, -1, 2**63],
        [2**70, {"far": -(2**80)}],
        ["x" * 5000, {"small": 1}],
    ],
    ids=lambda values: repr(values)[:20],
)
def test_many_items_of_one_read_are_what_each_of_them_is(values):
    *items, end = read_stream(*map(to_msgpack, values))
    assert [item.values[0] for item in items] == values
    assert end == StreamEnd(keep_alive=True)


SHORT = b"\xca\x3f\x80\x00\x00"  # 1.0 in four bytes


@pytest.mark.parametrize(
    "broken",
    [
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\xa1x\x82\xa1a\x01\xa1a\x02",
        b"\x83\xa1a\x01\xa1a\x02\xa1f" + SHORT,  # the float is longer in eight bytes
        b"\x83\x01\x01\x01\x02\x02" + SHORT,
        b"\x81\xa1a",  # with the next one it would be whole
        b"\x01\x02",
        b"\xc1",
    ],
)
def test_a_broken_item_among_many_is_found(broken):
    good = to_msgpack({"n": 1})
    for bodies in ([good, broken, good], [broken, b"\x01", b"\x01"], [broken]):
        *items, last = read_stream(*bodies)
        assert isinstance(last, Failure)
        assert len(items) == bodies.index(broken)


def test_short_floats_are_items_like_others():
    bodies = [b"\x81\xa1f" + SHORT, to_msgpack({"n": 0xCA})]
    assert read_stream(*bodies)[:2] == [Item({"f": 1.0}), Item({"n": 0xCA})]


def test_moments_are_items_like_others():
    stamp = b"\xd6\xff\x00\x00\x00\x00"
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    assert read_stream(stamp, to_msgpack(1), stamp)[:3] == [Item(moment), Item(1), Item(moment)]
