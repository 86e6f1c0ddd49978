"""Methods that make more of their connection than one answer: streams, `raw_` ones, other protocols."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kettlingar.api.methods import Method
from kettlingar.api.takeover import TAKEN, Takeover

from . import respond
from .exchange import WRITTEN, Exchange
from .serving import Session
from .stream_writer import StreamWriter
from .turns import turns

FLUSH_AT = 16 * 1024  # bytes of a stream that are joined before they are written
FIRST = 512  # bytes, where many streams begin at once


async def at_length(
    exchange: Exchange,
    method: Method,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
) -> object:
    """Run such a method to its end, and write what it answers."""
    if method.takeover is not None:
        await _take_over(exchange, method.takeover, function, args, kwargs)
    elif method.raw:
        await _raw(exchange, function(*args, **kwargs))
    else:
        await _stream(exchange, function(*args, **kwargs))
    return WRITTEN


async def _take_over(
    exchange: Exchange,
    takeover: Takeover,
    function: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
) -> None:
    def run(it: Any) -> Any:
        takeover.put(it, args, kwargs)
        return function(*args, **kwargs)

    session = Session(exchange.request, exchange.connection, exchange.settings, exchange.encode)
    result = await takeover.kind.serve(session, takeover.options, run)
    if result is TAKEN:
        exchange.status = 101
    else:
        exchange.write(result)


async def _raw(exchange: Exchange, running: Any) -> None:
    connection = exchange.connection
    exchange.request.respond = exchange.sink.send
    written = connection.written
    try:
        result = await running
    except Exception:
        if connection.written > written:
            connection.abort()  # half an answer is out: there is no honest way on
        raise
    finally:
        exchange.request.respond = None
    if result is not None:
        exchange.write(result)
    if exchange.sink is connection:
        connection.close()


async def _stream(exchange: Exchange, generator: Any) -> None:
    exchange.status = 200
    writer = exchange.stream = exchange.stream or exchange.writer()
    if exchange.request.method == "HEAD":
        await _head_of_stream(exchange, generator, writer)
        return
    try:
        await _joined(exchange, generator, writer)
        if not exchange.request.given_away:
            writer.end()
            await exchange.sink.drained()
    finally:
        exchange.status = writer.status
        await generator.aclose()


async def _joined(exchange: Exchange, generator: Any, writer: StreamWriter) -> None:
    """Write the items: many in one go while they come without a pause, at once when there is one."""
    call_soon, request = asyncio.get_running_loop().call_soon, exchange.request
    turn = turns()
    enough = FIRST if turn.wanted else FLUSH_AT
    late = False  # the next item comes after a pause

    def paused() -> None:  # by the loop, whose next turn comes as soon as the generator waits
        nonlocal late
        late = True
        writer.flush()

    async for value in generator:
        if request.given_away:
            continue
        waits = len(writer.buffer) > 0
        if writer.item(value) >= enough:
            enough = FLUSH_AT
            await writer.flushed()
            await turn.next()  # others want the loop too
            late = False
        elif not waits:
            if late:
                late = False
                writer.flush()
            call_soon(paused)


async def _head_of_stream(exchange: Exchange, generator: Any, writer: StreamWriter) -> None:
    """The first item says the type, and what else a GET would be told (RFC 9110, 9.3.2)."""
    try:
        writer.begin(respond.as_result(await anext(generator, None)))
    finally:
        await generator.aclose()
    exchange.status = writer.status
    writer.flush()
