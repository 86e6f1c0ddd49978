"""The methods that every service has. An author may override any of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from kettlingar.api.describe import help_method, help_overview, method_record
from kettlingar.api.routing import normal_prefix

from .errors import BadRequest, ConfigError, NotFound
from .logs import set_level
from .request import HttpResult, RequestInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kettlingar.api.methods import MethodTable
    from kettlingar.config.schema import Configuration


class StandardApi:
    """ping, help, config, quitquitquit: ordinary methods, over what every kitten has."""

    methods: MethodTable
    config: Configuration
    stop_wanted: asyncio.Event | None
    documented: Callable[[], tuple[str, MethodTable]]
    shutdown: Callable[[], Awaitable[None]]

    async def public_api_ping(self, _request: RequestInfo) -> HttpResult:
        """Say that the service is there. Needs no token."""
        return HttpResult("text/plain", "Pong\n")

    async def api_ping(
        self, request: RequestInfo, docs: bool = False, sent: float = 0.0
    ) -> dict[str, Any]:
        """Say that the service is there, by which way, and what it offers (docs: at length).

        `lag` is for how many seconds the loop let this wait: since `sent`, by the
        monotonic clock that all processes of a machine share, or for one turn.
        """
        since = sent or time.monotonic()
        await asyncio.sleep(0)
        lag = max(0.0, time.monotonic() - since)
        connection = request.connection
        conn = "loopback" if connection is None else str(request.peer or "unix socket")
        pong: dict[str, Any] = {
            "pong": True,
            "conn": conn,
            "kitten": type(self).__name__,
            "lag": lag,
            "methods": {
                ("public_" if method.public else "") + method.name: method_record(method, docs=docs)
                for method in (self.documented()[1] if docs else self.methods)
            },
            "_format": "Pong via %(conn)s!",
        }
        if connection is None:
            pong["loopback"] = True
        return pong

    async def api_help(self, _request: RequestInfo, command: str = "") -> HttpResult:
        """Describe the service, or one of its methods."""
        program = self.config.app_name
        doc, methods = self.documented()
        if not command:
            return HttpResult("text/plain", help_overview(doc, list(methods), program))
        found = methods.find(command, private=True)
        if found is None:
            raise NotFound(f"no such method: {command}")
        return HttpResult("text/plain", help_method(found, program))

    async def api_config(
        self,
        _request: RequestInfo,
        key: str = "",
        *,
        val: Any = None,
        append: Any = None,
        remove: Any = None,
        pop: int | None = None,
        reset: str = "",
        save: str | bool = "",
    ) -> dict[str, Any]:
        """Show the configuration, perhaps after a change; secrets are masked.

        key     the setting to change: to VAL, or in its list APPEND or REMOVE
                an item, or POP the one at a place
        reset   the setting to give its default back
        save    a file to keep the settings in; y means the usual one
        """
        from kettlingar.config.edit import edit

        try:
            changed = edit(
                self.config, key, val=val, append=append, remove=remove,
                pop=pop, reset=reset, save=save,
            )  # fmt: skip
        except ConfigError as why:
            raise BadRequest(str(why)) from why
        if changed and self.stop_wanted is not None:
            from .remembered import renew

            renew(self.config)
        for name in changed:
            hook = getattr(self, f"on_config_{name}", None)
            if hook is not None:
                await hook()
        return self.config.as_dict(mask_secrets=True)

    async def on_config_worker_log_level(self) -> None:
        """Log as the setting says from now on."""
        set_level(self.config.worker_log_level)

    async def api_openapi(self, _request: RequestInfo) -> HttpResult:
        """A page that shows all methods, and can call them. It needs nothing from elsewhere."""
        from kettlingar.api.page import docs_page

        page = docs_page(self.config.app_name, *self.documented())
        return HttpResult("text/html", page)

    async def api_quitquitquit(self, _request: RequestInfo) -> HttpResult:
        """Stop the service, after this answer and those that are being made."""
        if self.stop_wanted is not None:
            asyncio.get_running_loop().call_soon(self.stop_wanted.set)
        else:  # loopback: there is no server to stop
            await self.shutdown()
        return HttpResult("text/plain", "Goodbye!\n")


async def _openapi_json(self: StandardApi, _request: RequestInfo) -> dict[str, Any]:
    """All methods for programs that read OpenAPI."""
    from kettlingar.api.openapi import openapi

    version = str(getattr(self, "__version__", ""))
    prefix = normal_prefix(self.config.worker_url_path)
    doc, methods = self.documented()
    return openapi(self.config.app_name, doc, version, methods, prefix)


# Its path is /openapi.json, and a path is a method's name.
setattr(StandardApi, "api_openapi.json", _openapi_json)
