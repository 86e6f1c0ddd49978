"""The usual request, in one straight way: its head came before, its method never waits.

What a request costs is not the work in it but the number of different functions on its way
(docs/performance.md), so what its head says is decided once and kept here, and what is left for
each request is in one function. Whatever is not that plain goes the general way (`answering`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from kettlingar.api.access import Identity
from kettlingar.api.binding import bind
from kettlingar.api.methods import Method
from kettlingar.request import RequestInfo
from kettlingar.transport.connection import Connection
from kettlingar.transport.requests import COUNTS, FDS_HEADER
from kettlingar.wire.content import decoder_of

from .arguments import drop_files, merge, take_fd
from .delegation import REPLY_TO
from .respond import plainly

if TYPE_CHECKING:
    from .admission import Gate


class Made:
    """What a method has made of a request, where that is no plain answer."""

    __slots__ = ("_error", "_value", "request")

    def __init__(self, request: RequestInfo, value: object, error: BaseException | None) -> None:
        self.request = request
        self._value = value
        self._error = error

    def result(self) -> object:
        """Return what the method has returned, or raise what it has raised."""
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error  # which would be a cycle by this frame, with the request and its files in it


class Usual:
    """What is known of requests with one and the same head: who calls what, and what they get."""

    __slots__ = ("_bare", "_call", "_decode", "_encode", "_gate", "_identity", "_kind", "_route",
                 "at_once", "closes", "fds", "head", "method", "methods", "settings", "size")  # fmt: skip

    def __init__(self, request: RequestInfo, method: Method | None, gate: Gate) -> None:
        """`method` is None where it is to be decided anew for each request."""
        service = gate.service
        self.head = head = request.head
        self.size = len(head.raw) + (head.content_length or 0)  # bytes of the whole request
        self.fds = COUNTS.get(head.headers.get(FDS_HEADER, "0"), 0)
        self.closes = not head.keep_alive  # it is its connection's last one
        self.method = method
        self.methods = service.methods
        self.settings = gate.settings
        self._gate = gate
        self._identity = request.identity
        self._kind = request.kind
        self._route = request.route
        self._decode = decoder_of(head.headers.get("content-type", ""), service.own_decoders)
        self._encode = service.encoders[request.kind]
        self._bare = method is not None and not method.parameters  # nothing may come with it
        self.at_once = (
            method is not None
            and self._decode is not None
            and not (method.needs_task or method.legacy or gate.hooks.request_done)
            and not (head.query or REPLY_TO in head.headers)
            and (request.route is None or request.route.arguments is None)
            and head.method != "HEAD"
        )

    @property
    def holds(self) -> bool:
        """Whether the same would be decided now."""
        gate = self._gate
        return self.settings is gate.settings and self.methods is gate.service.methods

    def request(self, connection: Connection, body: bytes) -> RequestInfo:
        """One more of them, as its method sees it."""
        identity, caller = self._identity, connection.context.caller
        if identity.caller is not caller:
            identity = Identity(identity.authorised, caller)
        request = RequestInfo(self.head, body, identity, self._kind, connection)
        request.route = self._route
        return request

    def answer(self, connection: Connection, body: bytes, fds: list[int]) -> bytes | Made | None:
        """The whole answer. Else what the method has made, if it has run; None: it has not."""
        gate, method, decode = self._gate, self.method, self._decode
        service = gate.service
        assert method is not None
        assert decode is not None
        if self.settings is not gate.settings or self.methods is not service.methods:
            return None
        request = self.request(connection, body)
        args: Any = ()
        kwargs: dict[str, Any] = {}
        if body or not self._bare:
            try:
                resolve = partial(take_fd, fds, request) if fds else None
                payload = decode(body, self.settings.max_depth, resolve) if body else None
                args, kwargs = bind(method, *merge(payload, {}), service.guarantee_type)
            except Exception as error:  # noqa: BLE001  the general way says what it is
                # and meets it again, unless descriptors have been taken
                drop_files(request)
                return Made(request, None, error) if fds else None
        target = service if method.target is None else method.target
        try:
            getattr(target, method.attribute)(request, *args, **kwargs).send(None)
        except StopIteration as done:
            value = done.value
        except BaseException as error:  # noqa: BLE001  it is raised again, where it becomes an answer
            return Made(request, None, error)
        try:
            answer = plainly(value, self._kind, self._encode, close=self.closes)
        except Exception:  # noqa: BLE001  as above
            answer = None
        return Made(request, value, None) if answer is None else answer
