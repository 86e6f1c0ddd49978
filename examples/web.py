"""A small web site in one file: pages by Jinja, a static file, server-sent events, numbers.

python3 -m examples.web start --worker-listen-port=12380
python3 -m examples.web web_routes
curl http://127.0.0.1:12380/                      # or a browser: the purring is live
curl -N http://127.0.0.1:12380/events?count=3
curl http://127.0.0.1:12380/metrics?openmetrics=y
python3 -m examples.web stop
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from kettlingar import HttpResult, NotFound, RequestInfo, RPCKitten
from kettlingar.metrics import MetricsKitten
from kettlingar.webkitten import Route, WebKitten

CATS = {"tabby": "Sleeps on warm things.", "tuxedo": "Dressed for dinner, always."}


class WebExample(RPCKitten, WebKitten, MetricsKitten):
    """webexample - a few pages about cats, one of them alive"""

    WEB_JINJA_DIR = "web_templates"
    WEB_STATIC_DIR = "web_static"
    WEB_ROUTES = (
        Route("/", "public_api_front", "front.jinja", public=True),
        Route("/cats/<slug:name>/", "api_cat", "cat.jinja", public=True),
        Route("/events", "public_api_events", public=True, qs=["count"]),
        Route("/static/", "public_api_web_static", public=True, subpaths=True),
        Route("404", "api_missing", "missing.jinja", subpaths=True),
    )

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "webexample"
        WORKER_NAME = "Web"
        PURR_INTERVAL = 1.0  # seconds between two events

    async def public_api_front(self, _request: RequestInfo) -> dict[str, Any]:
        """What the front page shows."""
        return {"title": "Cats", "cats": sorted(CATS)}

    async def api_cat(self, _request: RequestInfo, name: str) -> dict[str, str]:
        """Tell about one cat."""
        if name not in CATS:
            raise NotFound(f"there is no cat called {name}")
        self.metrics_count("cats_shown", public=True, cat=name)
        return {"title": name, "about": CATS[name]}

    async def public_api_events(
        self, _request: RequestInfo, count: int = 60
    ) -> AsyncIterator[HttpResult | dict[str, Any]]:
        """Purr `count` times, as server-sent events."""
        yield self.sse_start_result({"event": "purr", "data": "hello"})
        for number in range(1, min(count, 600) + 1):
            await asyncio.sleep(self.config.purr_interval)
            yield {"event": "purr", "id": number, "data": f"{time.strftime('%X')} purr {number}"}
        yield {"event": "end", "data": "asleep"}

    async def api_missing(self, _request: RequestInfo, path: str = "") -> dict[str, str]:
        """What is shown of a page that does not exist."""
        return {"title": "No such cat", "path": path}


if __name__ == "__main__":
    WebExample.Main()
