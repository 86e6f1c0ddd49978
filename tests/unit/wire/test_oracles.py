"""Never laxer than others: what we take h11, httptools and aiohttp take too, in the same sense."""

import asyncio

import h11
import httptools
import pytest
from hypothesis import given

from kettlingar.wire.http11 import END, RequestHead
from tests.unit.wire.generated import streams
from tests.unit.wire.wire_help import GET, chunked, few, joined, parse, post


def read_by_us(data):
    """Method, target and body of the first request; None if we refuse it or wait for more."""
    events = joined(parse(data))
    if END not in events:
        return None
    head, *body = events[: events.index(END)]
    assert isinstance(head, RequestHead)
    return head.method.encode(), head.target.encode(), b"".join(body)


def read_by_h11(data):
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


class First:
    """What httptools says of the first request."""

    def __init__(self):
        self.target, self.body, self.whole = b"", b"", None
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url):
        self.target += b"" if self.whole else url

    def on_body(self, body):
        self.body += b"" if self.whole else body

    def on_message_complete(self):
        self.whole = self.whole or (self.parser.get_method(), self.target, self.body)


def read_by_httptools(data):
    first = First()
    try:
        first.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # what is behind it is no HTTP: the request itself is whole
    except httptools.HttpParserError:
        pass  # and so may be those before a wrong one
    return first.whole


def read_by_aiohttp(data):
    parsing = pytest.importorskip("aiohttp.http_parser")
    errors = pytest.importorskip("aiohttp.http_exceptions")
    from aiohttp.base_protocol import BaseProtocol

    loop = asyncio.new_event_loop()
    parser = parsing.HttpRequestParserPy(
        BaseProtocol(loop), loop, 1 << 16, max_line_size=1 << 16, max_field_size=1 << 16,
        auto_decompress=False,
    )  # fmt: skip
    first = None
    try:
        for byte in data:  # one by one: what is wrong behind the first request is no matter
            messages, _, _ = parser.feed_data(bytes([byte]))
            first = first or next(iter(messages), None)
            if first and first[1].is_eof():
                head, body = first
                return head.method.encode(), head.path.encode(), body.read_nowait()
    except errors.HttpProcessingError:
        pass
    finally:
        loop.close()
    return None


ORACLES = {"h11": read_by_h11, "httptools": read_by_httptools, "aiohttp": read_by_aiohttp}


@pytest.mark.parametrize("oracle", ORACLES)
def test_what_we_take_others_take_too_and_in_the_same_sense(oracle):
    @few
    @given(streams())
    def check(data):
        ours = read_by_us(data)
        assert ours is None or ORACLES[oracle](data) == ours

    check()


@pytest.mark.parametrize("oracle", ORACLES)
def test_usual_requests_are_taken_by_all(oracle):
    for data in (GET, post("Content-Length: 3", body=b"abc"), chunked(b"3\r\nabc\r\n0\r\n\r\n")):
        ours = read_by_us(data)
        assert ours is not None
        assert ORACLES[oracle](data) == ours
