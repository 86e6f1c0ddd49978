"""A request's query, body and descriptors -> the arguments of the method that it calls."""

from __future__ import annotations

from typing import Any

from kettlingar.api.binding import bind
from kettlingar.api.methods import Method
from kettlingar.transport.fdpass import give
from kettlingar.transport.requests import Incoming
from kettlingar.wire.content import decode_body, from_query
from kettlingar.wire.fdtags import FdTag

from .errors import BadRequest
from .request import RequestInfo
from .serving import Service

Arguments = tuple[list[Any], dict[str, Any]]


def arguments_of(
    incoming: Incoming, request: RequestInfo, method: Method, service: Service, max_depth: int
) -> Arguments:
    """Return the arguments by place and by name, converted. BadRequest: they do not fit."""
    head = incoming.head
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    route = request.route
    if route is not None and route.arguments is not None:  # a web kitten's page
        args, kwargs = list(route.arguments[0]), dict(route.arguments[1])
    elif head.query:
        kwargs = dict(from_query(head.query))
    if incoming.body:

        def resolve(tag: FdTag) -> object:
            return _take_fd(tag, incoming, request)

        payload = decode_body(
            head.headers.get("content-type", ""), incoming.body, max_depth, resolve
        )
        if payload is not None:
            more, kwargs = _merge(payload, kwargs)
            args += more
    return bind(method, args, kwargs, service.guarantee_type)


def _take_fd(tag: FdTag, incoming: Incoming, request: RequestInfo) -> object:
    """Turn a placeholder into the open file or socket that came with the request."""
    fds = incoming.fds
    if not request.authed:
        raise PermissionError("descriptors need credentials")
    if not 0 <= tag.index < len(fds) or fds[tag.index] < 0:
        raise BadRequest(f"no descriptor came for number {tag.index}")
    fd, fds[tag.index] = fds[tag.index], -1
    thing = give(tag, fd)
    request.fds.append(thing)
    return thing


def _merge(payload: object, query: dict[str, Any]) -> Arguments:
    if not isinstance(payload, dict):
        kind = type(payload).__name__
        raise BadRequest(f"the body holds a {kind}; send an object with arguments by name")
    args = payload.pop("_args", [])
    if not isinstance(args, (list, tuple)):
        raise BadRequest(f"_args is a {type(args).__name__}; send a list")
    if query and (doubled := sorted(query.keys() & payload.keys())):
        raise BadRequest(f"given twice, in the query and in the body: {', '.join(doubled)}")
    for name in payload:
        if not isinstance(name, str):
            raise BadRequest(f"an argument's name is a {type(name).__name__} ({name!r}); send text")
    return list(args), {**query, **payload} if query else payload
