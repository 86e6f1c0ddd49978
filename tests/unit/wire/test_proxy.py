"""Headers of the PROXY protocol: what is one, to its last byte, and who it says calls."""

import pytest

from kettlingar.wire.proxy import SIGNATURE, ProxyError, caller, header_length

V4 = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + (1234).to_bytes(2) + (80).to_bytes(2)
V6 = bytes(15) + b"\1" + bytes(15) + b"\2" + (1234).to_bytes(2) + (80).to_bytes(2)


def binary(command=0x21, family=0x11, body=V4):
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2) + body


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n", ("192.0.2.1", 1234)),
        (b"PROXY TCP6 ::1 ::2 1234 80\r\n", ("::1", 1234)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff:f...f:ffff whatever 65535\r\n", None),
        (binary(), ("192.0.2.1", 1234)),
        (binary(family=0x21, body=V6), ("::1", 1234)),
        (binary(body=V4 + b"\x04\0\1x"), ("192.0.2.1", 1234)),  # with a TLV behind it
        (binary(command=0x20), None),
        (binary(family=0, body=b""), None),
        (binary(family=0x31, body=bytes(216)), None),
    ],
)
def test_a_header_is_told_from_what_is_behind_it_however_it_comes(header, address):
    behind = b"GET / HTTP/1.1\r\n"
    assert header_length(header + behind) == len(header)
    for size in range(len(header)):
        assert header_length(header[:size]) in {None, len(header)}
    assert header_length(header) == len(header)
    assert caller(header) == address


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"proxy TCP4",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x21\x11" + (60000).to_bytes(2),
    ],
)
def test_what_is_no_header_is_refused_at_once(data):
    with pytest.raises(ProxyError):
        header_length(data)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80 x\r\n",
        b"PROXY TCP4 ::1 ::2 1234 80\r\n",
        b"PROXY TCP6 ::1%lo ::2 1234 80\r\n",
        b"PROXY TCP4 192.0.2.01 192.0.2.2 1234 80\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01234 80\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 80\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 80\r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 1 80\r\n",
        b"PROXY TCP4 \xff 192.0.2.2 1 80\r\n",
        binary(command=0x11),
        binary(command=0x22),
        binary(body=V4[:5]),
    ],
)
def test_a_header_that_says_nothing_that_can_be_is_refused(header):
    with pytest.raises(ProxyError):
        caller(header)
