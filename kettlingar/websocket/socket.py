"""WebSocket: what a method reads messages from and writes them to.

Until its first use everything is HTTP: what the method raises or returns is a
plain answer. From then on the method ends the socket by returning.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from inspect import isasyncgen, isawaitable
from typing import Any

from kettlingar.api.takeover import TAKEN, TakesConnection
from kettlingar.errors import HttpError
from kettlingar.request import HttpResult, RequestInfo
from kettlingar.requests.serving import Session
from kettlingar.wire.content import Kind

from .link import Link, WebSocketClosed
from .messages import CloseCode, Messages, Refused

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """What a method wants of its sockets: `ws: Annotated[WebSocket, WebSocketOptions(...)]`."""

    subprotocols: Sequence[str] = ()  # the ones we speak, the best first
    max_size: int | None = None  # bytes of a message; None: WORKER_HTTP_REQUEST_MAX_SIZE


class WebSocket(TakesConnection):
    """One client's socket: iterate it for messages, `send` others.

    Texts are `str`, binary messages `bytes`. When either side closes the
    iteration ends, and `send` and `receive` raise WebSocketClosed.
    """

    def __init__(self, session: Session, link: Link) -> None:
        """Made by the server, for a method that asks for it."""
        self.request: RequestInfo = session.request
        self._encode = session.encode
        self._link = link

    async def accept(self) -> None:
        """Open the socket now, for a method that will neither read nor write for a while.

        The first `send`, `receive` or iteration does it too.
        """
        self._link.accept()

    async def send(self, message: object) -> None:
        """Send a text, bytes, or any plain value as JSON; return when the reader keeps up.

        WebSocketClosed if it cannot arrive any more.
        """
        self._write(message)
        try:
            await self._link.connection.drained()
        except ConnectionError as error:
            raise self._link.closed() from error

    def offer(self, message: object) -> bool:
        """Send without waiting, unless the reader is behind or gone: then False.

        For telling many clients the same, where the slow ones shall not hold up the others.
        """
        stream = self._link.connection.stream
        if self.closed or stream.buffered > stream.high_water:
            return False
        self._write(message)
        return True

    def _write(self, message: object) -> None:
        self._link.accept()
        if isinstance(message, (bytearray, memoryview)):
            message = bytes(message)
        elif not isinstance(message, (str, bytes)):
            message = self._encode(Kind.JSON, message).decode()
        self._link.write(message)

    async def receive(self) -> str | bytes:
        """Return the next message. WebSocketClosed when there will be none."""
        self._link.accept()
        return await self._link.take()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Give all messages until either side closes."""
        while True:
            try:
                message = await self.receive()
            except WebSocketClosed:
                return
            yield message

    async def ping(self) -> float:
        """Ask the peer for a sign of life; return how many seconds it took."""
        self._link.accept()
        return await self._link.ping()

    async def close(self, code: int = CloseCode.DONE, reason: str = "") -> None:
        """Close, and wait a while until the peer has, too.

        ValueError for a code that may not be sent (RFC 6455, 7.4: 1000 to 1003, 1007 to 1014,
        and the application's own from 3000 to 4999).
        """
        self._link.accept()
        self._link.begin_close(code, reason)
        await self._link.over()

    @property
    def subprotocol(self) -> str | None:
        """Which of the method's subprotocols is spoken: the best that the client knows too."""
        return self._link.messages.subprotocol

    @property
    def closed(self) -> bool:
        """Whether either side has closed."""
        return self._link.accepted and not self._link.messages.open

    @property
    def close_code(self) -> int | None:
        """The code with which it was closed; 1006 if it just broke; None while it is open."""
        return self._link.closed().code if self.closed else None

    @property
    def close_reason(self) -> str:
        """The text that came with the code."""
        return self._link.closed().reason if self.closed else ""

    # --- a method's life with it ----------------------------------------------

    @classmethod
    async def serve(
        cls, session: Session, options: Sequence[Any], run: Callable[[Any], Any]
    ) -> Any:
        """Run a method with a socket, and close it when the method returns or fails."""
        wanted = next((o for o in options if isinstance(o, WebSocketOptions)), WebSocketOptions())
        max_size = wanted.max_size or session.settings.limits.max_body
        messages = Messages(wanted.subprotocols, max_size)
        refused = messages.refuse(session.request.head)
        if refused is not None:
            return _plain_answer(refused)
        link = Link(session, messages, max_size)
        try:
            result = await _run(cls(session, link), link, run)
            if not link.accepted:
                return result
            link.begin_close(CloseCode.DONE, "")
            await link.over()
        finally:
            link.stop()
        return TAKEN


async def _run(ws: WebSocket, link: Link, run: Callable[[Any], Any]) -> object:
    try:
        result = run(ws)
        if isasyncgen(result):
            await _send_all(ws, result)
            return None
        return await result if isawaitable(result) else result
    except Exception as error:
        if not link.accepted:
            raise
        code, reason = _verdict(error, ws)
        link.begin_close(code, reason)
        return None


async def _send_all(ws: WebSocket, items: Any) -> None:
    """Run a method that yields what it sends."""
    try:
        async for item in items:
            await ws.send(item)
    finally:
        await items.aclose()


def _verdict(error: Exception, ws: WebSocket) -> tuple[int, str]:
    """Return how a socket closes whose method has failed; log it if that is our fault."""
    if isinstance(error, WebSocketClosed) and ws.closed:
        return CloseCode.DONE, ""  # not said any more: it was closed before
    if isinstance(error, PermissionError):
        return CloseCode.POLICY, str(error)
    if isinstance(error, HttpError) and error.status < 500:
        return CloseCode.POLICY, str(error)
    method = ws.request.route.name if ws.request.route else ""
    log.error("method failed method=%s", method, exc_info=error)
    return CloseCode.FAILED, "the service failed; its log says how"


def _plain_answer(refused: Refused) -> HttpResult:
    body = {"error": refused.message, "type": "HttpError"}
    return HttpResult(None, body, http_code=refused.status, headers=refused.headers)
