"""What an answer's body holds, and which exception an answer of failure stands for.

This is the table of `kettlingar.errors`, read backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from kettlingar.errors import (
    BY_STATUS,
    HttpError,
    NeedInfoException,
    RemoteError,
)

from .content import Kind, from_json, from_msgpack, kind_of
from .fdtags import Resolve
from .http11 import REASONS, ResponseHead

MAX_DEPTH: Final = 256  # of an answer
# these classes are made from their message alone
_BY_STATUS: Final = cast("dict[int, Callable[[str], HttpError]]", BY_STATUS)
_ERROR_FIELDS: Final = frozenset(("error", "type", "needed_vars", "resource", "traceback"))
_STATUS_BY_TYPE: Final = {cls.__name__: status for status, cls in BY_STATUS.items()} | {
    "PermissionError": 403,
    "NeedInfoException": 423,
}


def body_reader(content_type: str, resolve: Resolve | None) -> Callable[[bytes], Any]:
    """The function that makes a value of a body, or of one chunk of a stream.

    It raises ValueError for a body that is not of its type.
    """
    kind = kind_of(content_type)
    if kind is Kind.MSGPACK:
        return partial(from_msgpack, max_depth=MAX_DEPTH, resolve=resolve, any_keys=True)
    if kind is Kind.JSON:
        return partial(from_json, max_depth=MAX_DEPTH, resolve=resolve, trusted=True)
    mimetype, _, parameters = content_type.partition(";")
    mimetype = mimetype.strip().lower() or "application/octet-stream"
    if not mimetype.startswith("text/"):
        return lambda data: {"mimetype": mimetype, "data": data}
    charset = _charset(parameters)
    return lambda data: {"mimetype": mimetype, "data": _text(data, charset)}


def is_nothing(head: ResponseHead, body: bytes) -> bool:
    """Whether there is no value at all: an empty text is one, an empty JSON body is not."""
    content_type = head.headers.get("content-type", "")
    return not body and (not content_type or kind_of(content_type) is not None)


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return "utf-8"


def _text(data: bytes, charset: str) -> str:
    try:
        # what is no text in it survives, as it does in file names
        return data.decode(charset, "surrogateescape")
    except LookupError:
        raise ValueError(f"there is no charset {charset!r}") from None


def errors_of(content_type: str) -> tuple[str, Callable[[dict[str, Any]], dict[str, Any] | None]]:
    """How a stream of that type ends in error: a name in its last item, and what reads that."""
    if kind_of(content_type) in {Kind.MSGPACK, Kind.JSON}:
        return "error", _error_in_value
    return "data", _error_in_text


def _error_in_value(value: dict[str, Any]) -> dict[str, Any] | None:
    """The item of a stream of plain values, if it could be the error that ends it."""
    return value if isinstance(value["error"], str) and value.keys() <= _ERROR_FIELDS else None


def _error_in_text(value: dict[str, Any]) -> dict[str, Any] | None:
    """The same of a stream of a type of its own: there an error is JSON, or an event with that."""
    data = value["data"]
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    data = data.removeprefix(b"event: error\ndata: ")
    if not data.startswith(b'{"error":'):
        return None
    try:
        return _error_in_value(from_json(data))
    except ValueError:
        return None


def failure_in_stream(body: dict[str, Any]) -> Exception:
    """The exception for an error that came as a stream's last item."""
    return _failure(_STATUS_BY_TYPE.get(str(body.get("type")), 500), body)


def failure_of(head: ResponseHead, value: Any) -> Exception:
    """The exception for an answer whose status is no success."""
    status = head.status
    body: dict[str, Any] = value if isinstance(value, dict) else {}
    if "error" not in body:
        said = body.get("data", "")  # of another server, or of a web kitten's own page
        text = said.strip() if isinstance(said, str) else ""
        body = {"error": text or f"{status} {head.reason or REASONS.get(status, '')}".strip()}
    if 300 <= status < 400:
        where = head.headers.get("location", "")
        return OSError(f"cannot follow the answer elsewhere: {where or body['error']}")
    return _failure(status, body)


def _failure(status: int, body: dict[str, Any]) -> Exception:
    message = str(body.get("error", ""))
    kind = str(body.get("type", ""))
    if status == 403:
        return PermissionError(message)
    if status == 423:
        return NeedInfoException(message, _list(body.get("needed_vars")), body.get("resource"))
    if status in _BY_STATUS:
        return _BY_STATUS[status](message)
    if status != 500 or kind == "HttpError":
        return HttpError(status, message)
    text = f"{kind}: {message}" if kind else message
    return RemoteError(text, kind, str(body.get("traceback", "")))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
