"""One request's life: who calls, which method, with what; and its answer.

This is the only place where an exception becomes a response. What the wire
carries is decoded below (wire, api), what an author wrote runs above (kitten).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from types import CoroutineType
from typing import Any

from kettlingar.api.methods import Method
from kettlingar.errors import Unavailable
from kettlingar.request import HttpResult
from kettlingar.transport.sender import ReaderGoneError

from .arguments import arguments_of, drop_files
from .at_length import at_length
from .delegation import REPLY_TO
from .exchange import Exchange
from .failures import describe, without_secret
from .stepping import in_a_task

log = logging.getLogger(__name__)


async def answer(exchange: Exchange, done: Callable[[Exchange, bool], None]) -> None:
    """Answer the request; tell `done` in the end whether the connection may carry another one.

    One coroutine, since each one more is paid for by every request.
    """
    keep_alive = False
    try:
        try:
            if exchange.made is not None:
                result = exchange.made.result()
            else:
                method = exchange.method or await _admitted(exchange)
                if method.needs_task and not exchange.in_task:
                    await in_a_task()  # the author's code may ask for its task
                result = _call(exchange, method)
            if type(result) is CoroutineType or isawaitable(result):
                result = await result
            exchange.write(result)
        except Exception as error:  # noqa: BLE001  here, and only here, failures become answers
            keep_alive = await _fail(exchange, error)
        else:
            keep_alive = await exchange.finish() if exchange.unusual else exchange.goes_on
    except asyncio.CancelledError:
        _cancelled(exchange)
        raise
    except BaseException:
        log.exception("cannot answer: this is a defect of kettlingar, or of a hook")
        raise
    finally:
        done(exchange, keep_alive)


async def _admitted(exchange: Exchange) -> Method:
    look = exchange.gate.hooks.validate_request_header
    if look is not None:
        await look(exchange.request.path, exchange.request.headers)
    return exchange.admit()


def _call(exchange: Exchange, method: Method) -> Any:
    """Return what the method does, or an awaitable for it; WRITTEN where it has answered itself."""
    request, incoming, service = exchange.request, exchange.incoming, exchange.gate.service
    replies_to = incoming.head.headers.get(REPLY_TO)
    if replies_to is not None:
        exchange.give_answer_to(replies_to)
    try:
        args, kwargs = arguments_of(incoming, request, method, service, exchange.settings.max_depth)
    except Exception:
        drop_files(request)
        raise
    function = method.function(service)
    if method.legacy:
        function = partial(function, request.method, request.headers, request.body)
    elif not method.at_length:
        return function(request, *args, **kwargs)
    else:
        function = partial(function, request)
    if method.at_length:
        return at_length(exchange, method, function, args, kwargs)
    return function(*args, **kwargs)


def _cancelled(exchange: Exchange) -> None:
    """Its client has gone; or the service ends: then say so, where the answer is ours to end."""
    log.info("request cancelled method=%s", exchange.name)
    if not exchange.gate.ends:
        return
    method, stream = exchange.method, exchange.stream
    ours = method is not None and not method.raw and method.takeover is None
    if not ours or exchange.unusual or exchange.connection.stream.closing:
        return
    error = Unavailable("the service ended before this was done")
    _, body, extra = describe(error, authed=exchange.request.authed)
    if stream is not None and stream.begun:
        stream.cut_off(body)
    elif stream is not None or not exchange.status:
        _tell(exchange, error.status, body, extra)


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
    stream.cut_off(body)
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
