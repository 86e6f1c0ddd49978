"""What a head must be, beyond what llhttp asks for (RFC 9112, 2 to 6).

llhttp has no limits and is generous to old peers. Here is what it lets pass and
we do not: whatever two readers of the same bytes could understand differently.
Everything here judges bytes or values; nothing is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .http11 import Limits, Refusal, is_token

# all but controls; obsolete text above 127 is legal in values (RFC 9110, 5.5)
_PRINTABLE: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
# no TRACE, which is to be answered with the request itself (RFC 9110, 9.3.8), token and all
_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
_VERSIONS: Final = {b"HTTP/1.1": False, b"HTTP/1.0": True}  # is it 1.0?
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_AUTHORITY: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]*)?")
_ABSOLUTE: Final = re.compile(r"https?://([^/?]*)([^?]*)(.*)", re.IGNORECASE)
_MAX_DIGITS: Final = 19  # of a length: below 2**64

UNTIL_CLOSE: Final = -1  # as a length: the body ends with the connection
CHUNKED: Final = -2  # as a length: the body says itself where it ends

BAD_BYTES: Final = Refusal(400, "cannot read the head: it has a bare CR or LF, or a control")

STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")

LineFault = Callable[[bytes], Refusal | None]
RequestLine = tuple[str, str, bool]  # method, target, is it HTTP/1.0?


def clean(part: bytes) -> bool:
    """Whether a part of a head has no control characters but whole CRLFs.

    A CR at its very end may still become a CRLF. (llhttp itself refuses folded lines.)
    """
    controls = len(part.translate(None, _PRINTABLE)) - part.endswith(b"\r")
    return controls == 2 * part.count(b"\r\n")


def printable(line: bytes) -> bool:
    """Whether a line, without its CRLF, has no control characters."""
    return not line.translate(None, _PRINTABLE)


def request_line(line: bytes) -> RequestLine | Refusal:
    """The parts of a request line (RFC 9112, 3)."""
    words = line.split(b" ")
    if len(words) == 3:
        method, target, version = words
        name = _METHODS.get(method)
        http10 = _VERSIONS.get(version)
        if name is not None and http10 is not None and target.isascii() and b"\t" not in target:
            return name, target.decode("ascii"), http10
    return _line_fault(words)


def _line_fault(words: list[bytes]) -> Refusal:
    if len(words) != 3:
        return Refusal(400, "cannot read the request line: it is not METHOD TARGET HTTP/1.1")
    method, _, version = words
    if version not in _VERSIONS:
        if _VERSION.fullmatch(version):
            return Refusal(505, f"cannot speak {version.decode()}; use HTTP/1.1")
        return Refusal(400, "cannot read the request line: it ends without HTTP/1.1")
    name = method.decode("latin-1")
    if not is_token(name):
        return Refusal(400, f"cannot read the request line: {name!r} is not a method")
    if method not in _METHODS:
        return Refusal(501, f"cannot do {name}: no such method here")
    # a target may hold a token: it is never in an error text
    return Refusal(400, "cannot read the target: percent-encode what is not printable ASCII")


def fault_so_far(part: bytes, limits: Limits, line_fault: LineFault) -> Refusal | None:
    """What is wrong with the beginning of a head; `line_fault` judges its first line.

    It looks in the order in which the bytes come, so that a head is refused for
    the same reason however it was split.
    """
    end = part.find(b"\n", 0, limits.max_line + 2)
    first = part[: end + 1 if end >= 0 else limits.max_line + 2]
    if not clean(first):
        return BAD_BYTES
    if end >= 0:
        refusal = line_fault(first[:-2])
        if refusal is not None:
            return refusal
    elif len(first) == limits.max_line + 2:
        return Refusal(414, f"cannot take the request line: it is over {limits.max_line} bytes")
    return None if clean(part) else BAD_BYTES


def over_limits(head: bytes, limits: Limits) -> Refusal | None:
    """Whether a whole head has too many or too long headers."""
    most = limits.max_headers
    if len(head) > 4 * most and head.count(b"\r\n") - 2 > most:  # the least is "a:" CRLF
        return Refusal(431, f"cannot take the head: it has over {most} headers")
    longest = limits.max_line
    if len(head) > longest and any(len(line) > longest for line in head.split(b"\r\n")):
        return Refusal(431, f"cannot take the head: a header is over {longest} bytes")
    return None


def split_target(method: str, target: str) -> tuple[str, str, str] | None:
    """(authority, path, query) of a request's target, or None (RFC 9112, 3.2).

    The authority is "" unless the target has the absolute form.
    """
    if "#" in target:
        return None
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return "", path, query
    if target == "*":
        return ("", "*", "") if method == "OPTIONS" else None
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not is_authority(match[1]):
        return None
    return match[1], match[2] or "/", match[3][1:]


def is_authority(text: str) -> bool:
    """Whether `text` is a host, perhaps with a port; no user, no list."""
    return _AUTHORITY.fullmatch(text) is not None


def body_length(headers: dict[str, str], limits: Limits, *, http10: bool) -> int | Refusal:
    """How long the body is: bytes, UNTIL_CLOSE or CHUNKED (RFC 9112, 6.3)."""
    coding = headers.get("transfer-encoding")
    text = headers.get("content-length")
    if coding is not None:
        return _coding_fault(coding, http10=http10, has_length=text is not None) or CHUNKED
    if text is None:
        return UNTIL_CLOSE
    # int() would also take signs, blanks, underscores and other scripts' digits
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return Refusal(400, f"cannot read the body: {text!r} is not a Content-Length")
    length = int(text)
    if length > limits.max_body:
        return Refusal(413, f"cannot take the body: {length} bytes are over {limits.max_body}")
    return length


def _coding_fault(coding: str, *, http10: bool, has_length: bool) -> Refusal | None:
    if http10:
        return Refusal(400, "cannot read the body: HTTP/1.0 has no Transfer-Encoding")
    if has_length:
        return Refusal(400, "cannot read the body: Content-Length with Transfer-Encoding")
    *others, last = [part.strip(" \t").lower() for part in coding.split(",")]
    if last != "chunked" or "chunked" in others:
        return Refusal(400, f"cannot read the body: {coding!r} does not end in one chunked")
    if others:
        return Refusal(501, f"cannot read the body: no such transfer coding here ({coding!r})")
    return None


def wants(headers: dict[str, str], name: str, token: str) -> bool:
    """Whether the list in header `name` holds `token` (both in lower case)."""
    text = headers.get(name)
    if text is None:
        return False
    text = text.lower()
    return text == token or token in [part.strip(" \t") for part in text.split(",")]
