"""A request's query, body and descriptors -> the arguments of the method that it calls."""

from __future__ import annotations

from functools import partial
from typing import Any

from kettlingar.api.binding import bind
from kettlingar.api.methods import Method
from kettlingar.errors import BadRequest, HttpError
from kettlingar.request import RequestInfo
from kettlingar.transport.fdpass import give
from kettlingar.transport.requests import Incoming
from kettlingar.wire.content import Kind, decode_body, from_query, kind_of
from kettlingar.wire.fdtags import FdTag

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
        content_type = head.headers.get("content-type", "")
        resolve = partial(take_fd, incoming.fds, request)
        if service.own_decoders and not incoming.fds:
            payload = _decoded(service, content_type, incoming.body, max_depth)
        else:
            payload = decode_body(content_type, incoming.body, max_depth, resolve)
        more, kwargs = merge(payload, kwargs)
        args += more
    return bind(method, args, kwargs, service.guarantee_type)


def _decoded(service: Service, content_type: str, body: bytes, max_depth: int) -> object:
    """The body as the author's own from_json or from_msgpack reads it, where there is one."""
    kind = kind_of(content_type) if content_type else Kind.JSON
    own = service.own_decoders.get(kind) if kind is not None else None
    if own is None:
        return decode_body(content_type, body, max_depth)
    try:
        return own(body)
    except HttpError:
        raise
    except ValueError as problem:
        raise BadRequest(f"cannot read the body: {problem}") from problem


def take_fd(fds: list[int], request: RequestInfo, tag: FdTag) -> object:
    """Turn a placeholder into the open file or socket that came with the request: one of `fds`, -1 then."""
    if not request.identity.authorised:
        raise PermissionError("descriptors need credentials")
    if not 0 <= tag.index < len(fds) or fds[tag.index] < 0:
        raise BadRequest(f"no descriptor came for number {tag.index}")
    fd, fds[tag.index] = fds[tag.index], -1
    thing = give(tag, fd)
    request.fds.append(thing)
    return thing


def drop_files(request: RequestInfo) -> None:
    """Close what came for a method that is not called: its arguments do not fit."""
    for thing in request.fds:
        thing.close()


def merge(payload: Any, query: dict[str, Any]) -> Arguments:
    """The arguments that a body and a query name. BadRequest: they are none."""
    if type(payload) is dict and len(payload) == 1 and not query:
        alone = payload.get("_args")
        if type(alone) is list:  # as most calls are
            return alone, {}
    if payload is None:
        return [], query
    _check(payload, query)
    args = payload.pop("_args", [])
    if not isinstance(args, (list, tuple)):
        raise BadRequest(f"_args is a {type(args).__name__}; send a list")
    return list(args), {**query, **payload} if query else payload


def _check(payload: object, query: dict[str, Any]) -> None:
    if not isinstance(payload, dict):
        kind = type(payload).__name__
        raise BadRequest(f"the body holds a {kind}; send an object with arguments by name")
    if query and (doubled := sorted(query.keys() & payload.keys())):
        raise BadRequest(f"given twice, in the query and in the body: {', '.join(doubled)}")
    for name in payload:
        if not isinstance(name, str):
            raise BadRequest(f"an argument's name is a {type(name).__name__} ({name!r}); send text")
