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
from kettlingar.api.methods import Method, MethodTable
from kettlingar.api.routing import route
from kettlingar.wire.http11 import RequestHead

from .errors import NotFound
from .request import RequestInfo
from .serving import Hooks, Origin, Service, Settings

MOST_KNOWN = 128  # heads; the parser keeps as many


class Admitted:
    """What was found out about a request by its head alone: who may call what."""

    __slots__ = ("head", "identity", "kind", "method", "methods", "origin", "route", "settings")

    def __init__(
        self,
        request: RequestInfo,
        method: Method,
        origin: Origin,
        methods: MethodTable,
        settings: Settings,
    ) -> None:
        self.head = request.head
        self.identity = request.identity
        self.kind = request.kind
        self.route = request.route
        self.method = method
        self.methods = methods
        self.origin = origin
        self.settings = settings

    def holds(self, origin: Origin, methods: MethodTable, settings: Settings) -> bool:
        """Whether the same would be found out now, for a request that came like this."""
        then = self.origin
        return (
            self.settings is settings
            and self.methods is methods
            and (
                origin is then
                or (
                    origin.trusted is then.trusted
                    and origin.tcp is then.tcp
                    and origin.caller == then.caller
                )
            )
        )


class Gate:
    """Admits requests to one service, and remembers what it decided for heads that come again."""

    def __init__(self, service: Service, hooks: Hooks) -> None:
        self.service = service
        self.hooks = hooks
        self._known: dict[int, Admitted] = {}  # by the head's identity; each holds its head
        # An author who looks at requests may see something else in the same one.
        self._remembers = not (
            hooks.validate_request_header
            or hooks.get_method_name
            or hooks.get_api_methods
            or hooks.get_default_methods
            or hooks.web_find_page
        )

    def known(self, head: RequestHead, origin: Origin, settings: Settings) -> Admitted | None:
        """What was decided for this head, if the same would be decided again."""
        found = self._known.get(id(head))
        if found is not None and found.holds(origin, self.service.methods, settings):
            return found
        return None

    def admit(
        self, request: RequestInfo, origin: Origin, settings: Settings, *, remember: bool
    ) -> Method:
        """Decide; `remember` if the very same head will come again."""
        service = self.service
        method = admit(request, origin, service, settings, self.hooks)
        if remember and self._remembers:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[id(request.head)] = Admitted(
                request, method, origin, service.methods, settings
            )
        return method


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
            raise PermissionError("this needs credentials, or there is no such method")
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
