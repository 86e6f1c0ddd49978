"""WebKitten: pages at paths of one's own, with Jinja templates and static files.

Its routes are for visitors; RPC calls reach the methods as they always do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kettlingar.api.binding import bind
from kettlingar.api.methods import Method, MethodTable
from kettlingar.api.routing import normal_prefix
from kettlingar.errors import NotFound
from kettlingar.request import HttpResult, RequestInfo
from kettlingar.requests.respond import as_result
from kettlingar.wire.content import Kind, from_query, kind_of

from .files import open_below, sent
from .pages import run
from .routes import Match, Route
from .site import Site, folders

if TYPE_CHECKING:
    from kettlingar.requests.serving import Home

__all__ = ["Route", "WebKitten"]


class WebKitten:
    """A mix-in: `class MyKitten(RPCKitten, WebKitten)`."""

    WEB_PREFIX = ""  # of all routes, below the service's own
    WEB_ROUTES: Sequence[Route] = ()
    WEB_JINJA_LOADER_PACKAGE: str | None = None  # where the two folders are; else: of the module
    WEB_JINJA_DIR = "templates"
    WEB_STATIC_DIR = "static"

    class Configuration:
        """Folders that are searched before those of the class."""

        WEB_JINJA_DIR = ""
        WEB_STATIC_DIR = ""

    config: Any
    methods: MethodTable
    _home: Home | None

    # --- for methods to use ---------------------------------------------------

    def web_url(self, path: str | RequestInfo = "", public: bool = False) -> str:
        """Return the address of a page, with the token in it unless `public`.

        Of a request: the address that was asked for. Without a scheme and host where nobody
        has told this process by which name it is reached (a worker of kettlingard).
        """
        if isinstance(path, RequestInfo):
            return _origin_of(path) + path.path
        base, secret = self._web_address()
        below = f"/{normal_prefix(self.WEB_PREFIX).strip('/')}/".replace("//", "/")
        token = f"/{secret}" if secret and not public else ""
        return base + token + below + path.lstrip("/")

    def _web_address(self) -> tuple[str, str | None]:
        # RPCKitten knows where the service is: connected to, or this process itself.
        url, secret = getattr(self, "api_url", None), getattr(self, "api_secret", None)
        return url or normal_prefix(self.config.worker_url_path), secret

    # --- methods --------------------------------------------------------------

    async def api_web_routes(self, _request: RequestInfo) -> list[dict[str, Any]]:
        """List the pages."""
        return [
            {
                "path": route.path,
                "handler": route.handler,
                "template": route.template,
                "public": route.public,
                "methods": sorted(route.http_methods),
                "url": self.web_url(route.path, public=True),
            }
            for route in self.WEB_ROUTES
        ]

    async def public_api_web_static(
        self, request: RequestInfo, path: str = ""
    ) -> AsyncIterator[object]:
        """Send a file of WEB_STATIC_DIR."""
        opened = open_below(self._web_static, path)
        async with aclosing(sent(opened, request.method, request.headers)) as items:
            async for item in items:
                yield item

    # --- hooks of the server (see process.hooks_of) ---------------------------

    def service_begins(self) -> None:
        """Check the routes, now that all methods are there. ConfigError says what is wrong."""
        assert self._web

    def web_find_page(self, request: RequestInfo) -> Method | None:
        """Return what makes the page that is asked for, if a visitor asks for one."""
        where = request.route
        if where is None or (_is_rpc(request) and self._web_has_method(request)):
            return None
        match = self._web.router.match(where.path, request.method, private=request.authed)
        if match is None:
            return None
        request.route = replace(where, arguments=_arguments(match, request))
        return self._web.method_of(match, private=request.authed)

    async def web_error_page(
        self, request: RequestInfo, error: Exception, method: str
    ) -> HttpResult | None:
        """Show a visitor that a page is not there; None for all other errors and callers."""
        refused = not method and isinstance(error, PermissionError) and not request.authed
        if not (refused or isinstance(error, NotFound)) or request.route is None:
            return None
        if _is_rpc(request):
            return None
        others = [] if method else self._web_other_methods(request)
        if others and request.method not in others:
            return HttpResult(
                "text/plain", "405: not by this method\n", 405, headers={"Allow": ", ".join(others)}
            )
        return await self._web_not_found(request)

    async def _web_not_found(self, request: RequestInfo) -> HttpResult | None:
        page = self._web.not_found(private=request.authed)
        route = self._web.router.not_found
        if page is None or route is None or request.route is None:
            return None
        allowed = self._home.settings.public_over_tcp if self._home else None
        if allowed is not None and not request.authed and page.name not in allowed:
            return None
        subpath = (request.route.path,)
        match = Match(
            route,
            subpath if route.subpaths is True else (),
            {route.subpaths: subpath[0]} if isinstance(route.subpaths, str) else {},
        )
        args, kwargs = bind(page, *_arguments(match, request))
        result = as_result(await run(self, page, request, args, kwargs))
        if result.http_code == 200:
            result.http_code = 404
        return result

    def _web_other_methods(self, request: RequestInfo) -> list[str]:
        assert request.route is not None
        return self._web.router.methods(request.route.path, private=request.authed)

    def _web_has_method(self, request: RequestInfo) -> bool:
        assert request.route is not None
        return self.methods.find(request.route.name, private=request.authed) is not None

    @cached_property
    def _web(self) -> Site:
        return Site(
            self,
            self.WEB_ROUTES,
            self.WEB_PREFIX,
            folders(self, "WEB_JINJA_DIR", self.config.web_jinja_dir),
            self._web_static,
        )

    @cached_property
    def _web_static(self) -> list[Any]:
        return folders(self, "WEB_STATIC_DIR", self.config.web_static_dir)


def _arguments(match: Match, request: RequestInfo) -> tuple[tuple[Any, ...], dict[str, Any]]:
    query = from_query(request.query) if request.query and match.route.qs else {}
    allowed = {name: value for name, value in query.items() if match.route.query_allowed(name)}
    return match.args, allowed | match.values


def _is_rpc(request: RequestInfo) -> bool:
    """Programs call methods and want data; visitors look at pages."""
    if request.kind is Kind.MSGPACK or "application/json" in request.headers.get("accept", ""):
        return True
    sent_type = request.headers.get("content-type")
    return bool(sent_type) and kind_of(sent_type) in {Kind.JSON, Kind.MSGPACK}


def _origin_of(request: RequestInfo) -> str:
    if "://" in request.path:
        return ""  # it says so itself
    host = request.headers.get("host", "")
    return f"http://{host}" if host else ""
