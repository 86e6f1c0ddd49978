"""The blocking client: calls and streams without an event loop or a thread behind them.

`client.py` finds a connection and sends a request (again only where it cannot
have run), `connection.py` is one connection and the reply that comes on it,
`lines.py` is where connections come from.
"""

from __future__ import annotations

from .client import BlockingClient, connect_control, read_on
from .connection import NotExecutedError
from .lines import Line
from .stream import BlockingStream

__all__ = [
    "BlockingClient",
    "BlockingStream",
    "Line",
    "NotExecutedError",
    "connect_control",
    "read_on",
]
