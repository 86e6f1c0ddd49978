"""The method table as an OpenAPI 3.1 document: each method is a path, its arguments a body."""

from __future__ import annotations

import inspect
import typing
from collections import abc
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .describe import arguments, one_each, plain_default
from .methods import EMPTY, Method, Parameter

_JSON = "application/json"
_REF = "#/components/schemas/{name}"
_STREAMS = (abc.AsyncIterator, abc.AsyncGenerator, abc.AsyncIterable)
_SIMPLE = frozenset({"string", "integer", "number", "boolean"})
_ERRORS = {
    "400": "an argument is unknown, missing or of another type",
    "403": "this needs credentials",
    "500": "the method failed",
}


def openapi(
    title: str, doc: str, version: str, methods: Iterable[Method], prefix: str = ""
) -> dict[str, Any]:
    """Describe a service for programs that read OpenAPI; plain data."""
    components: dict[str, Any] = {"Error": _error_schema()}
    paths = {
        f"/{method.name}": _path(method, components)
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


def _path(method: Method, components: dict[str, Any]) -> dict[str, Any]:
    named = [p for p in arguments(method) if p.kind is not inspect.Parameter.VAR_POSITIONAL]
    named = [p for p in named if p.kind is not inspect.Parameter.POSITIONAL_ONLY]
    plain = {p.name: _argument(p, components) for p in named if p is not method.var_kwargs}
    required = [p.name for p in named if p.default is EMPTY and p is not method.var_kwargs]
    body = {
        "type": "object",
        "properties": plain,
        "additionalProperties": method.var_kwargs is not None,
        **({"required": required} if required else {}),
    }
    common = {
        "summary": method.doc.strip().partition("\n")[0],
        "description": method.doc,
        "security": [] if method.public else [{"token": []}],
        "responses": _responses(method, components),
    }
    post = {**common, "operationId": method.name}
    if plain or method.var_kwargs:
        content = {_JSON: {"schema": body}}
        post["requestBody"] = {"required": bool(required), "content": content}
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


def _argument(p: Parameter, components: dict[str, Any]) -> dict[str, Any]:
    schema = dict(schema_of(p.annotation, components))
    if p.default is not EMPTY:
        schema["default"] = plain_default(p.default)
    return schema


def _responses(method: Method, components: dict[str, Any]) -> dict[str, Any]:
    returned = method.returns
    if method.streams and typing.get_origin(returned) in _STREAMS:
        returned = (typing.get_args(returned) or (EMPTY,))[0]
    schema = schema_of(returned, components)
    what = "items, one a line (JSON) or chunk" if method.streams else "the result"
    content = {_JSON: {"schema": schema}} if schema and not method.streams else {"*/*": {}}
    failed = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {status: {"description": why, "content": failed} for status, why in _ERRORS.items()}
    return {"200": {"description": what, "content": content}, **errors}


def schema_of(rule: Any, components: dict[str, Any]) -> Mapping[str, Any]:
    """A type as JSON Schema; {} (anything) where nothing is said, or nothing can be."""
    if rule is EMPTY or isinstance(rule, str):
        return {}
    try:
        (schema,), found = msgspec.json.schema_components([rule], ref_template=_REF)
    except (TypeError, RuntimeError):
        return {}
    components.update(found)
    return schema


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {"error": text, "type": text, "traceback": text},
        "required": ["error"],
    }
