"""Templates, and the pages that are made with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable
from pathlib import Path
from typing import Any

from kettlingar.api.methods import Method
from kettlingar.errors import ConfigError
from kettlingar.request import HttpResult, RequestInfo
from kettlingar.requests.respond import as_result

from .files import mimetype_of

OWN = Path(__file__).parent / "templates"  # what is found last
HTML = "text/html; charset=utf-8"


class Templates:
    """Jinja templates from a few folders. Autoescaping is on, whatever a file is called."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """ConfigError if Jinja is not installed."""
        try:
            import jinja2
        except ImportError as problem:
            raise ConfigError(
                ["cannot show templates: Jinja is not installed; pip install 'kettlingar[web]'"]
            ) from problem
        loader = jinja2.FileSystemLoader([*folders, OWN])
        self._environment = jinja2.Environment(loader=loader, autoescape=True)

    def problem_with(self, name: str) -> str | None:
        """Return why a template cannot be used."""
        import jinja2

        try:
            self._environment.get_template(name)
        except jinja2.TemplateNotFound as problem:
            return f"there is no template {problem.name}"
        except jinja2.TemplateSyntaxError as problem:
            return f"{problem.filename}:{problem.lineno}: {problem.message}"
        return None

    def render(self, name: str, values: Mapping[str, Any]) -> HttpResult:
        """Return a page; its type comes from the name without `.jinja`, or is HTML."""
        text = self._environment.get_template(name).render(values)
        mimetype = mimetype_of(name.removesuffix(".jinja"))
        return HttpResult(HTML if mimetype == "application/octet-stream" else mimetype, text)


class TemplatePage:
    """Runs a method, and shows what it returns: what stands in its place for one route."""

    def __init__(
        self,
        service: object,
        method: Method,
        template: str,
        show: Callable[[str, RequestInfo, Mapping[str, Any]], HttpResult],
    ) -> None:
        self._service = service
        self._method = method
        self._template = template
        self._show = show

    async def answer(self, request: RequestInfo, /, *args: Any, **kwargs: Any) -> object:
        """Return the page; what already has a type of its own, or goes elsewhere, as it is."""
        value = await run(self._service, self._method, request, args, kwargs)
        result = as_result(value)
        if result.mimetype is not None or result.redirect_to:
            return value
        data = result.data
        page = self._show(
            self._template, request, data if isinstance(data, Mapping) else {"data": data}
        )
        page.http_code = result.http_code
        page.headers = result.headers
        return page


async def run(
    service: object, method: Method, request: RequestInfo, args: Sequence[Any], kwargs: Any
) -> object:
    """Call a method that does not stream."""
    first: tuple[Any, ...] = (request,)
    if method.legacy:
        first = (request.method, request.headers, request.body)
    result = method.function(service)(*first, *args, **kwargs)
    return await result if isawaitable(result) else result
