"""Results -> standard output: as their `_format` says, text and bytes as they are, else JSON."""

from __future__ import annotations

import os
import sys

from .output import Output
from .plain_json import indented, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeGuard

CHUNK = 64 * 1024
USUAL = frozenset((dict, list, str, bytes, int, float, bool, type(None)))


def show(value: Any, output: Output = Output.PLAIN, *, streaming: bool = False) -> None:
    """Print one result, or one item of a stream, at once."""
    for part in value if _are_files(value) else [value]:
        if output != Output.JSON and hasattr(part, "read"):
            _copy(part)
        elif output == Output.PLAIN and not streaming and _is_plain_data(part) and _on_terminal():
            _draw(part)
        else:
            _write(as_bytes(part, output, streaming=streaming))


def print_result(value: Any) -> None:
    """Print a result as `kitten.print_result` does."""
    show(value)


def complain(text: str) -> None:
    """Say something about the call itself, apart from results."""
    sys.stderr.write(f"{text}\n")


def as_bytes(value: Any, output: Output, *, streaming: bool = False) -> bytes:
    """What is printed for a value: items of streams take one line of JSON each."""
    if output != Output.JSON:
        content = _content(value, output)
        if content is not None:
            return content
    value = _without_format(value)
    try:
        return _plain(value, output, streaming=streaming).encode()
    except (TypeError, ValueError):
        return _encoded(value, output, streaming=streaming)


def _plain(value: Any, output: Output, *, streaming: bool) -> str:
    """What most results are; TypeError or ValueError for others."""
    if output == Output.RAW:
        return written(value)
    return f"{written(value) if streaming else indented(value)}\n"


def _encoded(value: Any, output: Output, *, streaming: bool) -> bytes:
    import json

    from kettlingar.wire.content import to_json

    data = to_json(value, repr)
    if output == Output.RAW or streaming:
        return data if output == Output.RAW else data + b"\n"
    return json.dumps(json.loads(data), indent=2, ensure_ascii=False).encode() + b"\n"


def _content(value: Any, output: Output) -> bytes | None:
    """Text and bytes as they are; None for what has to be encoded."""
    if _is_mapping(value):
        if output == Output.PLAIN and isinstance(value.get("_format"), str):
            return _formatted(value)
        if value.keys() == {"mimetype", "data"}:
            return _content(value["data"], Output.RAW)
    if isinstance(value, str):
        ended = output == Output.RAW or value.endswith("\n")
        return (value if ended else value + "\n").encode("utf-8", "surrogateescape")
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else None


def _formatted(value: Mapping[str, Any]) -> bytes | None:
    try:
        text = value["_format"] % value
    except (KeyError, TypeError, ValueError):
        return None  # a format that does not fit its result: print the result
    return f"{text}\n".encode("utf-8", "surrogateescape")


def _without_format(value: Any) -> Any:
    if _is_mapping(value):
        return {key: item for key, item in value.items() if key != "_format"}
    return value


def _is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    if type(value) in USUAL:
        return type(value) is dict
    from collections.abc import Mapping

    return isinstance(value, Mapping)


def _are_files(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(hasattr(v, "read") for v in value)


def _is_plain_data(value: Any) -> bool:
    if _is_mapping(value):
        return "_format" not in value and value.keys() != {"mimetype", "data"}
    return isinstance(value, list)


def _on_terminal() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _draw(value: Any) -> None:
    from rich.console import Console

    Console().print_json(as_bytes(value, Output.JSON).decode())


def _copy(file: Any) -> None:
    """An open file is a result too: what is in it gets printed."""
    with file:
        while data := file.read(CHUNK):
            _write(data.encode() if isinstance(data, str) else data)


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
