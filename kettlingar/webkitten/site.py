"""One service's pages: its routes, each with the method that makes it, checked before it serves."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from kettlingar.api.methods import Method, MethodTable
from kettlingar.errors import ConfigError
from kettlingar.request import HttpResult, RequestInfo

from .pages import TemplatePage, Templates
from .routes import Match, Route, Router


class Service(Protocol):
    """What is needed of a kitten."""

    methods: MethodTable

    def web_url(self, path: str | RequestInfo = "", public: bool = False) -> str:
        """Return a page's address."""


class Site:
    """Routes, templates and folders of one service."""

    def __init__(
        self,
        service: Service,
        routes: Sequence[Route],
        prefix: str,
        templates: Sequence[Path],
        static: Sequence[Path],
    ) -> None:
        """ConfigError: all that is wrong with the routes."""
        self.static = static
        self._service = service
        self._templates = Templates(templates) if any(r.template for r in routes) else None
        problems = [p for route in routes for p in self._problems(route)]
        try:
            self.router = Router(routes, prefix)
        except ValueError as problem:
            problems.append(str(problem))
        if problems:
            raise ConfigError(problems)
        self._methods = {
            (id(route), private): self._method(route, private=private)
            for route in routes
            for private in (False, True)
        }

    def method_of(self, match: Match, *, private: bool) -> Method:
        """Return what a route's visitors call."""
        return self._methods[id(match.route), private]

    def not_found(self, *, private: bool) -> Method | None:
        """Return what shows that something is not there."""
        route = self.router.not_found
        return None if route is None else self._methods[id(route), private]

    def show(self, template: str, request: RequestInfo, values: Mapping[str, Any]) -> HttpResult:
        """Fill a template. It knows the `request`, and `web_url(path)` of its neighbours."""
        assert self._templates is not None
        base = base_of(request) + self._below("")

        def web_url(path: str = "") -> str:
            return base + path.lstrip("/")

        return self._templates.render(template, {"request": request, "web_url": web_url, **values})

    def _below(self, path: str) -> str:
        prefix = self.router.prefix
        return f"/{prefix}/{path}" if prefix else f"/{path}"

    def _handler(self, route: Route, *, private: bool) -> Method | None:
        """A name of a pair of methods means the private one to callers with credentials."""
        table = self._service.methods
        name = route.handler.removeprefix("public_").partition("_")[2]
        found = table.find(name, private=True)
        if not route.handler.startswith("public_"):
            return found if found and found.attribute == route.handler else None
        public = table.find(name, private=False)
        if public is None or public.attribute != route.handler:
            return None
        return found if private else public

    def _problems(self, route: Route) -> list[str]:
        where = f"cannot route {route.path}"
        method = self._handler(route, private=True)
        if method is None:
            return [f"{where}: there is no method {route.handler}"]
        if method.streams and (route.template or route.path == "404"):
            return [f"{where}: {route.handler} streams; a template or 404 page needs `return`"]
        if route.template and self._templates:
            problem = self._templates.problem_with(route.template)
            return [f"{where}: {problem}"] if problem else []
        return []

    def _method(self, route: Route, *, private: bool) -> Method:
        method = self._handler(route, private=private)
        assert method is not None
        if route.template is None:
            return replace(method, public=route.public)
        page = TemplatePage(self._service, method, route.template, self.show)
        return replace(
            method,
            public=route.public,
            legacy=False,
            target=page,
            attribute="answer",
        )


def base_of(request: RequestInfo) -> str:
    """Return what stands before a request's own path: url prefix, and the token if it was there."""
    path = request.path
    if "://" in path:  # as proxies are asked (RFC 9112, 3.2.2)
        path = "/" + path.partition("://")[2].partition("/")[2]
    own = request.route.path if request.route else ""
    return path[: len(path) - len(own)].rstrip("/") if own and path.endswith(own) else ""


def folders(service: object, attribute: str, configured: str) -> list[Path]:
    """Return where files are looked for: as configured, then beside the code of each class.

    A relative name in a class is meant from the package in WEB_JINJA_LOADER_PACKAGE, or else
    from the module of the class.
    """
    found = [Path(configured).resolve()] if configured else []
    name = getattr(service, attribute)
    package = getattr(service, "WEB_JINJA_LOADER_PACKAGE", None)
    modules = [package] if package else _modules(type(service))
    for module in modules if name else []:
        origin = _file_of(module)
        if origin is not None and (folder := (origin.parent / name).resolve()) not in found:
            found.append(folder)
    return found


def _modules(cls: type) -> list[str]:
    own = __name__.partition(".")[0]
    return [
        c.__module__ for c in cls.__mro__ if c.__module__.partition(".")[0] not in {own, "builtins"}
    ]


def _file_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    if loaded is not None:
        name = getattr(loaded, "__file__", None)
    else:  # found, not run: a program's own module goes by another name
        spec = find_spec(module)
        name = spec.origin if spec else None
    return Path(name) if name else None
