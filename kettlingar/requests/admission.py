"""Who calls, and which method do they mean? A request passes here before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kettlingar.api.access import (
    NOBODY,
    Identity,
    host_allowed,
    may_call,
    same_secret,
    token_in_headers,
)
from kettlingar.api.methods import Method
from kettlingar.api.routing import route
from kettlingar.errors import NotFound
from kettlingar.request import RequestInfo
from kettlingar.wire.content import Kind, negotiate
from kettlingar.wire.http11 import RequestHead

from .serving import Hooks, Origin, Service, Settings
from .usual import Usual

MOST_KNOWN = 256  # heads in one memory

Memory = dict[bytes, Usual]


class Gate:
    """Admits requests to one service, and remembers what it decided for heads that come again."""

    def __init__(self, service: Service, settings: Settings, hooks: Hooks) -> None:
        self.service = service
        self.settings = settings
        self.hooks = hooks
        self.ends = False  # what still runs is cut off: its callers are told
        self._memories: dict[tuple[bool, bool, bool], Memory] = {}
        # An author who looks at requests may see something else in the same one.
        self._decides = not (
            hooks.validate_request_header
            or hooks.get_method_name
            or hooks.get_api_methods
            or hooks.get_default_methods
            or hooks.web_find_page
        )

    def memory(self, origin: Origin) -> Memory:
        """What is remembered of heads that came on connections like this one."""
        caller = origin.caller
        if caller is not None and caller.methods is not None:
            return {}  # nobody else may call just these
        return self._memories.setdefault((origin.trusted, origin.tcp, caller is None), {})

    def adjust(self, settings: Settings) -> None:
        """Decide by other settings. Connections from now on may have other limits: other memories."""
        self.settings = settings
        self._memories = {}

    def admit(self, request: RequestInfo, origin: Origin, memory: Memory) -> Method:
        """Decide; put into `memory` what will hold for the very same head."""
        method = admit(request, origin, self.service, self.settings, self.hooks)
        raw = request.head.raw
        known = memory.get(raw)
        if raw and (known is None or not known.holds):
            if len(memory) >= MOST_KNOWN:
                memory.clear()
            memory[raw] = Usual(request, method if self._decides else None, self)
        return method


def kind_of(head: RequestHead, settings: Settings) -> Kind:
    """What kind of answer a request asks for."""
    if not settings.msgpack:
        return Kind.JSON
    return negotiate(head.headers.get("accept", ""), head.headers.get("content-type", ""))


def admit(
    request: RequestInfo,
    origin: Origin,
    service: Service,
    settings: Settings,
    hooks: Hooks,
) -> Method:
    """Return the method that the request may call; note in `request` who it is.

    PermissionError for everything that is not the caller's, known or not;
    NotFound only to callers with credentials.
    """
    head = request.head
    # A browser, which this is against, cannot reach a unix socket.
    hosts = settings.allowed_hosts if origin.tcp else ()
    if hosts and not host_allowed(head.headers, hosts):
        raise PermissionError("this service does not answer to that Host or Origin")
    secret = settings.secret
    where = route(head.path, lambda text: same_secret(text, secret), settings.prefix)
    authorised = (
        origin.trusted
        or (where is not None and where.token)
        or token_in_headers(head.headers, secret)
    )
    known = authorised or origin.caller is not None
    request.identity = Identity(authorised, origin.caller) if known else NOBODY
    request.route = where
    name = where.name if where else ""
    if hooks.get_method_name is not None:
        name = hooks.get_method_name(request) or name
    method = _look_up(name, request, service, settings, hooks)
    if method is None:
        if not authorised:
            raise PermissionError(
                "this needs credentials, or there is no such method; send the token as the first part"
                " of the path, or in Authorization: Bearer"
            )
        raise NotFound(f"no such method: {name}{_nearest(name, service)}")
    if not may_call(request.identity, method):
        who = origin.caller.uid if origin.caller else None
        raise PermissionError(f"uid {who} may not call {name}")
    return method


def _nearest(name: str, service: Service) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name[:64], service.methods.names(), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _look_up(
    name: str, request: RequestInfo, service: Service, settings: Settings, hooks: Hooks
) -> Method | None:
    private = request.authed
    method = None
    if hooks.get_api_methods is not None:
        method = _first(hooks.get_api_methods(request), service, private=private)
    if method is None and hooks.web_find_page is not None:
        method = hooks.web_find_page(request)
    if method is None:
        method = service.methods.find(name, private=private)
    if method is None and hooks.get_default_methods is not None:
        method = _first(hooks.get_default_methods(request), service, private=private)
    allowed = settings.public_over_tcp
    if method is not None and method.public and allowed is not None and not private:
        return method if method.name in allowed else None
    return method


def _first(functions: Sequence[Any] | None, service: Service, *, private: bool) -> Method | None:
    """Read what a hook returned: bound methods, of which the first that may be used counts."""
    for function in functions or ():
        attribute = getattr(function, "__name__", "")
        for method in service.methods:
            if method.attribute == attribute and (private or method.public):
                return method
    return None
