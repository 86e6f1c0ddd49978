"""Framing of streamed answers: chunks (RFC 9112, 7.1) and server-sent events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ._json import to_json

LAST_CHUNK: Final = b"0\r\n\r\n"  # the end mark: without it a stream is broken

_FIELDS: Final = ("id", "event", "retry", "data")
_LINE_END: Final = re.compile("\r\n|\r|\n")


def chunk(data: bytes) -> bytes:
    """One chunk. Nothing for no data: an empty chunk would be the end mark."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def sse(event: Any) -> bytes:
    """One server-sent event.

    A dict of nothing but `id`, `event`, `retry` and `data` gives these fields; anything
    else is data. Data that is no text is sent as JSON. ValueError for an `id` or
    `event` of several lines, or a `retry` that is no whole number of milliseconds.
    """
    if not (isinstance(event, Mapping) and event and set(event) <= set(_FIELDS)):
        event = {"data": event}
    lines: list[str] = []
    for name in _FIELDS:
        value = event.get(name)
        if value is None and name != "data":
            continue
        if name == "data":
            if name in event:
                lines += [f"data: {line}" for line in _LINE_END.split(_text(value))]
        else:
            lines.append(f"{name}: {_one_line(name, value)}")
    return ("\n".join(lines) + "\n\n").encode("utf-8")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8")
    return to_json(value).decode("utf-8")


def _one_line(name: str, value: Any) -> str:
    text = str(value)
    if name == "retry" and not (text.isascii() and text.isdigit()):
        raise ValueError(f"cannot send the event: retry is milliseconds, not {value!r}")
    if set("\r\n\0") & set(text):
        raise ValueError(f"cannot send the event: its {name} has more than one line ({text!r})")
    return text
