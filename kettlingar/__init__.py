"""A class with `async def api_...` methods is a microservice.

The public names are resolved on first use (PEP 562): importing any submodule
runs this file, and `kettlingar ctl` must not pay for an event loop.
"""

from __future__ import annotations

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .calls.finding import connect
    from .errors import (
        BadRequest,
        ConfigError,
        Conflict,
        HttpError,
        NeedInfoException,
        NotFound,
        NotRunning,
        RedirectException,
        RemoteError,
        TooManyRequests,
        Unavailable,
    )
    from .kitten import RPCKitten
    from .request import HttpResult, RequestInfo

__all__ = [
    "BadRequest",
    "ConfigError",
    "Conflict",
    "HttpError",
    "HttpResult",
    "NeedInfoException",
    "NotFound",
    "NotRunning",
    "RPCKitten",
    "RedirectException",
    "RemoteError",
    "RequestInfo",
    "TooManyRequests",
    "Unavailable",
    "__version__",
    "connect",
]

_HOMES = {
    "RPCKitten": "kitten",
    "HttpResult": "request",
    "RequestInfo": "request",
    "connect": "calls.finding",
    "__version__": "_version",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kettlingar' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
