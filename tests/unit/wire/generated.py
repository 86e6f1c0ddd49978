"""Requests that are often right, and wrong in the ways of attackers."""

from hypothesis import strategies as st

from tests.unit.wire.wire_help import GET

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
