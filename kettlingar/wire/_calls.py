"""A call -> the bytes of its request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ._strict import clean
from .content import Kind, json_encoder, msgpack_encoder
from .fdtags import Default

_MOST_KEPT: Final = 256  # heads


class CallWriter:
    """Writes the requests of one connection; what is the same in all calls of a method is kept.

    `tagging` is `transport.fdpass.tagging`, where open files can be sent: their descriptors are then
    in `fds`, which whoever sends the request clears.
    """

    __slots__ = ("_default", "_encode", "_heads", "_host", "_prefix", "_token", "fds")

    def __init__(
        self,
        host: str = "localhost",
        prefix: str = "",
        token: str = "",
        tagging: Callable[[list[int]], Default] | None = None,
    ) -> None:
        self._host = host
        self._prefix = prefix.strip("/")
        self._token = token
        self._heads: dict[tuple[str, bool], bytes] = {}
        self._encode: dict[bool, Callable[[Any], bytes]] = {}
        self.fds: list[int] = []
        self._default = None if tagging is None else tagging(self.fds)

    def write(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        use_json: bool = False,
        extra: bytes = b"",
    ) -> bytes:
        """The request that calls method `name` of a service.

        `extra` is whole header lines, each with its CRLF.
        Raises TypeError or ValueError for arguments that cannot be sent.
        """
        if kwargs:
            if "_args" in kwargs:
                raise ValueError("cannot send an argument called _args; pass it by position")
            payload = {"_args": args, **kwargs} if args else kwargs
        else:
            payload = {"_args": args} if args else {}
        head = self._heads.get((name, use_json)) or self._head(name, use_json)
        body = self._encode[use_json](payload)
        if self.fds or extra:
            head += extra + b"Kettlingar-Fds: %d\r\n" % len(self.fds)
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def _head(self, name: str, use_json: bool) -> bytes:
        """Everything of a request's head that is the same for all calls of a method."""
        kind = Kind.JSON if use_json else Kind.MSGPACK
        path = (f"/{self._prefix}/" if self._prefix else "/") + _quoted(name)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}", f"Content-Type: {kind.mimetype}"]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        head = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        if not clean(head) or head.count(b"\n") != len(lines):
            raise ValueError(
                f"cannot call {name!r}: its host, prefix or token has a control character"
            )
        if use_json not in self._encode:
            self._encode[use_json] = (json_encoder if use_json else msgpack_encoder)(self._default)
        if len(self._heads) >= _MOST_KEPT:
            self._heads.clear()
        self._heads[name, use_json] = head
        return head


def reply_elsewhere(what: str = "answer", accept: str = Kind.JSON.mimetype) -> bytes:
    """Header lines of a call whose answer goes to the first descriptor that it brings."""
    return f"Kettlingar-Reply-To: {what}\r\nAccept: {accept}\r\n".encode()


def _quoted(name: str) -> str:
    if name.isascii() and name.isidentifier():
        return name
    from urllib.parse import quote

    return quote(name, safe="")
