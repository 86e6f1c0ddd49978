"""One request's life: who calls, which method, with what; and its answer.

This is the only place where an exception becomes a response. What the wire
carries is decoded below (wire, api), what an author wrote runs above (kitten).
"""

from __future__ import annotations

import logging
import time
from functools import partial
from inspect import isawaitable
from typing import Any

from kettlingar.transport.sender import ReaderGoneError

from .arguments import arguments_of
from .at_length import at_length
from .delegation import REPLY_TO
from .exchange import Exchange
from .failures import describe, without_secret
from .request import HttpResult
from .stepping import in_a_task

log = logging.getLogger(__name__)


async def answer(exchange: Exchange) -> bool:
    """Answer the request; return whether the connection may carry another one."""
    try:
        await _answer(exchange)
    except Exception as error:  # noqa: BLE001  here, and only here, failures become answers
        return await _fail(exchange, error)
    finally:
        if exchange.gate.hooks.request_done:
            _tell_observers(exchange)
    return await exchange.finish() if exchange.unusual else exchange.goes_on


async def _answer(exchange: Exchange) -> None:
    request, incoming, service = exchange.request, exchange.incoming, exchange.service
    hooks, settings = exchange.gate.hooks, exchange.settings
    if hooks.validate_request_header is not None:
        await hooks.validate_request_header(request.path, request.headers)
    method = exchange.method or exchange.admit()
    replies_to = incoming.head.headers.get(REPLY_TO)
    if replies_to is not None:
        exchange.give_answer_to(replies_to)
    args, kwargs = arguments_of(incoming, request, method, service, settings.max_depth)
    function = method.function(service)
    if method.legacy:
        first: tuple[Any, ...] = (request.method, request.headers, request.body)
    else:
        first = (request,)
    if method.raw or method.streams or method.takeover is not None:
        if not exchange.in_task:
            await in_a_task()
        await at_length(exchange, method, partial(function, *first), args, kwargs)
        return
    if method.waits and not exchange.in_task:
        await in_a_task()  # the author's code may ask for its task
    result = function(*first, *args, **kwargs)
    exchange.write(await result if isawaitable(result) else result)


# --- failures -----------------------------------------------------------------


async def _fail(exchange: Exchange, error: Exception) -> bool:
    gone = isinstance(error, ReaderGoneError) or exchange.connection.stream.closing
    if gone and exchange.sink is exchange.connection:
        log.info("client gone method=%s: %s", exchange.name, error)
        return False
    status, body, extra = describe(error, authed=exchange.request.authed)
    body["error"] = without_secret(body["error"], exchange.settings.secret)
    if status == 500:
        log.error("method failed method=%s", exchange.name, exc_info=error)
    exchange.status = status
    stream = exchange.stream
    if stream is None or not stream.begun:
        page = await _own_page(exchange, error)
        if page is not None:
            exchange.status = page.http_code
            exchange.one(page)
        else:
            _tell(exchange, status, body, extra)
        return await exchange.finish()
    # The head is out: the error is the last item, and the end mark stays away.
    if stream.left is None:
        stream.item(body)
    stream.flush()
    await exchange.finish()
    return False


async def _own_page(exchange: Exchange, error: Exception) -> HttpResult | None:
    make = exchange.gate.hooks.web_error_page
    return None if make is None else await make(exchange.request, error, exchange.name)


def _tell(exchange: Exchange, status: int, body: dict[str, Any], extra: dict[str, str]) -> None:
    try:
        exchange.one(HttpResult(None, body, http_code=status, headers=extra))
    except (TypeError, ValueError):  # a Location that would be two headers, say
        log.exception("cannot send what method=%s raised", exchange.name)
        exchange.status = 500
        told = {"error": "the service failed; its log says how"}
        exchange.one(HttpResult(None, told, http_code=500))


def _tell_observers(exchange: Exchange) -> None:
    for done in exchange.gate.hooks.request_done:
        done(exchange.request, exchange.name, exchange.status, time.monotonic() - exchange.begun)
