"""`/ws`: calls of a service's methods over one WebSocket, any number at once.

    -> {"id": 1, "call": "echo", "args": ["a"], "kwargs": {"times": 2}}
    <- {"id": 1, "result": {"value": "a", "times": 2}}
    -> {"id": 2, "call": "purr", "args": [2]}
    <- {"id": 2, "item": {"purr": "purr"}}
    <- {"id": 2, "item": {"purr": "purrpurr"}}
    <- {"id": 2, "end": true}
    -> {"id": 3, "call": "nothing"}
    <- {"id": 3, "error": "no such method: nothing", "type": "NotFound", "status": 404}
    -> {"id": 2, "cancel": true}

Text messages are JSON, binary ones msgpack; each is answered in kind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kettlingar.api.access import may_call
from kettlingar.api.methods import MethodTable
from kettlingar.errors import BadRequest, NotFound
from kettlingar.local import LocalStream
from kettlingar.request import RequestInfo
from kettlingar.requests.failures import describe
from kettlingar.wire import content

from .socket import WebSocket

log = logging.getLogger(__name__)

AT_ONCE = 32  # calls that run; further messages wait to be read


class WebSocketKitten:
    """A mix-in: `/ws` calls any method of the service, for those with credentials."""

    async def api_ws(self, request_info: RequestInfo, ws: WebSocket) -> None:
        """Call methods over one WebSocket: {"id", "call", "args", "kwargs"}, any number at once."""
        await _Calls(self, request_info, ws).run()


class _Calls:
    """The calls of one socket."""

    def __init__(self, kitten: Any, request: RequestInfo, ws: WebSocket) -> None:
        self._kitten = kitten
        self._request = request
        self._ws = ws
        self._running: dict[Any, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Answer calls until the socket closes; what still runs then is cancelled."""
        async with asyncio.TaskGroup() as group:
            async for message in self._ws:
                await self._take(message, group)
            for task in self._running.values():
                task.cancel()

    async def _take(self, message: str | bytes, group: asyncio.TaskGroup) -> None:
        pack = _packed if isinstance(message, bytes) else _text
        try:
            wanted = _read(message)
        except ValueError as error:  # BadRequest is one
            await self._say(pack, {"id": None, "error": str(error), "status": 400})
            return
        number = wanted.get("id")
        if wanted.get("cancel"):
            if number in self._running:
                self._running[number].cancel()
        elif number in self._running:
            await self._say(pack, {"id": number, "error": "this id still runs", "status": 409})
        else:
            await self._slots.acquire()
            task = group.create_task(self._answer(number, wanted, pack))
            self._running[number] = task
            task.add_done_callback(lambda _task: self._done(number))

    def _done(self, number: Any) -> None:
        self._running.pop(number, None)
        self._slots.release()

    async def _answer(
        self, number: Any, wanted: dict[str, Any], pack: Callable[[Any], str | bytes]
    ) -> None:
        try:
            result = await self._call(wanted)
            if isinstance(result, LocalStream):
                async for item in result:
                    await self._say(pack, {"id": number, "item": item})
                await self._say(pack, {"id": number, "end": True})
            else:
                await self._say(pack, {"id": number, "result": result})
        except ConnectionError:
            return  # nobody is there to be told
        except Exception as error:
            status, body, _ = describe(error, authed=True)
            if status == 500:
                log.exception("method failed method=%s", wanted.get("call"))
            await self._say(pack, {"id": number, **body, "status": status})

    async def _call(self, wanted: dict[str, Any]) -> Any:
        name, args, kwargs = wanted.get("call"), wanted.get("args", []), wanted.get("kwargs", {})
        if not (isinstance(name, str) and isinstance(args, list) and isinstance(kwargs, dict)):
            raise BadRequest("call is a name, args a list, kwargs an object")
        methods: MethodTable = self._kitten.methods
        method = methods.find(name, private=True)
        if method is None or method.raw or method.takeover is not None:
            raise NotFound(f"no such method: {name}")
        if not may_call(self._request.identity, method):
            raise PermissionError(f"you may not call {name}")
        return await self._kitten.call(name, *args, **kwargs)

    async def _say(self, pack: Callable[[Any], str | bytes], value: dict[str, Any]) -> None:
        try:
            data = pack(value)
        except TypeError as error:
            data = pack({"id": value["id"], "error": str(error), "status": 500})
        try:
            await self._ws.send(data)
        except ConnectionError:
            return


def _read(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        value = content.from_msgpack(message)
    else:
        value = content.from_json(message.encode())
    if not isinstance(value, dict):
        raise BadRequest("a message is an object: id, call, args, kwargs")
    if not isinstance(value.get("id"), (int, str, type(None))):
        raise BadRequest("id is a number or a text")
    return value


def _packed(value: Any) -> bytes:
    return content.to_msgpack(value)


def _text(value: Any) -> str:
    return content.to_json(value).decode()
