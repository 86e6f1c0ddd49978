"""WebSockets (RFC 6455): a method gets one by asking for it.

async def api_chat(self, request_info, ws: WebSocket):
    async for message in ws:
        await ws.send(message.upper())

`WebSocketKitten` adds `/ws`, on which all of a service's methods can be called.
"""

from __future__ import annotations

try:
    import websockets as _websockets
except ModuleNotFoundError as error:
    error.add_note("WebSockets need `pip install kettlingar[ws]`")
    raise

from .calls import WebSocketKitten
from .link import WebSocketClosed
from .socket import WebSocket, WebSocketOptions

__all__ = ["WebSocket", "WebSocketClosed", "WebSocketKitten", "WebSocketOptions"]

del _websockets
