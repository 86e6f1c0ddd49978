"""The PROXY protocol's header, versions 1 and 2: who really calls, as a proxy says it.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; the sections are
in brackets. A listener that expects a header takes nothing else (2), so there is
no guessing; addresses are checked and lengths are bounded.
"""

from __future__ import annotations

import ipaddress

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_TEXT = 107  # bytes of a header of version 1, its CRLF included (2.1)
MAX_BINARY = 4096  # bytes behind the fixed part of version 2; 216 for addresses, the rest for TLVs
_FIXED = 16  # bytes
_TEXT = b"PROXY "
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES = {_TCP4: 12, _TCP6: 36}

Address = tuple[str, int]


class ProxyError(ValueError):
    """These bytes are no header; the text says why."""


def header_length(data: bytes) -> int | None:
    """How many bytes the header has that begins so; None: that is not known yet. Raise ProxyError."""
    if data[:12] == SIGNATURE[: len(data[:12])]:
        return _length_of_binary(data)
    if data[:6] != _TEXT[: len(data[:6])]:
        raise ProxyError("it does not begin with PROXY")
    end = data[:MAX_TEXT].find(b"\r\n")
    if end >= 0:
        return end + 2
    if len(data) >= MAX_TEXT:
        raise ProxyError("its line is too long")
    return None


def _length_of_binary(data: bytes) -> int | None:
    if len(data) < _FIXED:
        return None
    length = int.from_bytes(data[14:16])
    if length > MAX_BINARY:
        raise ProxyError(f"it announces {length} bytes")
    return _FIXED + length


def caller(header: bytes) -> Address | None:
    """Who calls; None where the proxy speaks for itself or does not know. Raise ProxyError."""
    return _of_binary(header) if header[:12] == SIGNATURE else _of_text(header)


def _of_text(header: bytes) -> Address | None:
    try:
        words = header.decode("ascii").removesuffix("\r\n").split(" ")
    except UnicodeDecodeError as why:
        raise ProxyError("it is not ASCII") from why
    if words[:2] == ["PROXY", "UNKNOWN"]:
        return None
    if len(words) != 6 or words[1] not in {"TCP4", "TCP6"}:
        raise ProxyError("it is not PROXY TCP4|TCP6 source destination port port")
    version = 4 if words[1] == "TCP4" else 6
    address, _ = _address(words[2], version), _address(words[3], version)
    ports = [_port(word) for word in words[4:]]
    return address, ports[0]


def _address(text: str, version: int) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError as why:
        raise ProxyError("an address is none") from why
    if found.version != version or "%" in text:
        raise ProxyError(f"an address is not of IPv{version}")
    return str(found)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or str(int(text)) != text or int(text) > 65535:
        raise ProxyError("a port is none")
    return int(text)


def _of_binary(header: bytes) -> Address | None:
    command, family = header[12], header[13]
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise ProxyError("its version or command is unknown")
    size = _ADDRESSES.get(family)
    if size is None:
        return None  # unspecified, UDP or a unix socket: whatever it is, no address for us (2.2)
    body = header[_FIXED:]
    if len(body) < size:
        raise ProxyError("it is too short for its addresses")
    half = (size - 4) // 2
    return str(ipaddress.ip_address(body[:half])), int.from_bytes(body[2 * half : 2 * half + 2])
