"""The method table as an OpenAPI 3.1 document: each method is a path, its arguments a body."""

from __future__ import annotations

import inspect
import typing
from collections import abc
from collections.abc import Iterable
from typing import Any

from .describe import arguments, one_each, plain_default
from .methods import EMPTY, Method, Parameter
from .schema import schema_of

_JSON = "application/json"
_STREAMS = (abc.AsyncIterator, abc.AsyncGenerator, abc.AsyncIterable)
_SIMPLE = frozenset({"string", "integer", "number", "boolean"})
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
_ERRORS = {
    "400": "an argument is unknown, missing or of another type",
    "403": "this needs credentials",
    "500": "the method failed",
    "default": "what the method raised instead",
}


def openapi(
    title: str, doc: str, version: str, methods: Iterable[Method], prefix: str = ""
) -> dict[str, Any]:
    """Describe a service for programs that read OpenAPI; plain data."""
    methods = list(methods)
    components: dict[str, Any] = {"Error": _error_schema()}
    open_to_all = {method.name for method in methods if method.public}
    paths = {
        f"/{method.name}": _path(method, components, _security(method, open_to_all))
        for method in one_each(methods)
        if not method.raw
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version or "0", "description": doc.strip()},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _security(method: Method, open_to_all: set[str]) -> list[dict[str, list[str]]]:
    """Whether a token is needed; of a pair, callers without one get the public method."""
    if method.public:
        return []
    return [{"token": []}, {}] if method.name in open_to_all else [{"token": []}]


def _path(
    method: Method, components: dict[str, Any], security: list[dict[str, list[str]]]
) -> dict[str, Any]:
    plain = {p.name: _argument(p, components) for p in arguments(method) if p.kind in _NAMED}
    required = [p.name for p in arguments(method) if p.kind in _NAMED and p.default is EMPTY]
    common = {
        "summary": method.doc.strip().partition("\n")[0],
        "description": method.doc,
        "security": security,
        "responses": _responses(method, components),
    }
    post = {**common, "operationId": method.name}
    body = _body(method, plain, required, components)
    if body is not None:
        post["requestBody"] = {"required": bool(required), "content": {_JSON: {"schema": body}}}
    path: dict[str, Any] = {"post": post}
    if all(schema.get("type") in _SIMPLE or "enum" in schema for schema in plain.values()):
        path["get"] = {
            **common,
            "operationId": f"get_{method.name}",
            "parameters": [
                {"name": name, "in": "query", "required": name in required, "schema": schema}
                for name, schema in plain.items()
            ],
        }
    return path


def _body(
    method: Method, plain: dict[str, Any], required: list[str], components: dict[str, Any]
) -> dict[str, Any] | None:
    """All arguments as one object; nothing at all will do where none is required."""
    properties = dict(plain)
    if any(p.kind in _PLACED for p in arguments(method)):
        properties["_args"] = {"type": "array", "description": "arguments by their place"}
    others = method.var_kwargs
    if not properties and others is None:
        return None
    more = False if others is None else schema_of(others.annotation, components) or True
    return {
        "type": "object" if required else ["object", "null"],
        "properties": properties,
        "additionalProperties": more,
        **({"required": required} if required else {}),
    }


def _argument(p: Parameter, components: dict[str, Any]) -> dict[str, Any]:
    schema = dict(schema_of(p.annotation, components))
    if p.default is not EMPTY:
        schema["default"] = plain_default(p.default)
    return schema


def _responses(method: Method, components: dict[str, Any]) -> dict[str, Any]:
    returned = method.returns
    if method.streams and typing.get_origin(returned) in _STREAMS:
        returned = (typing.get_args(returned) or (EMPTY,))[0]
    schema = schema_of(returned, components, result=True)
    what = "items, one a line (JSON) or chunk" if method.streams else "the result"
    content = {_JSON: {"schema": schema}} if schema and not method.streams else {"*/*": {}}
    failed = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {status: {"description": why, "content": failed} for status, why in _ERRORS.items()}
    return {"200": {"description": what, "content": content}, **errors}


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {"error": text, "type": text, "traceback": text},
        "required": ["error"],
    }
