"""The method table as one page of HTML, which needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from inspect import Parameter as Kind
from typing import Any

from .convert import type_name
from .describe import arguments, one_each, plain_default, signature
from .methods import EMPTY, Method, Parameter

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
section {{ border-top: 1px solid #ccc; padding: .5rem 0 }}
code, pre, input {{ font-family: ui-monospace, monospace }}
pre {{ white-space: pre-wrap; color: #444 }}
label {{ display: block; margin: .2rem 0 }}
small {{ color: #777 }}
</style>
<h1>{title}</h1>
<pre>{doc}</pre>
<p><a href="openapi.json">openapi.json</a> says the same to programs.</p>
{methods}
<script>
addEventListener("submit", event => {{
  for (const input of event.target.querySelectorAll("input"))
    input.disabled = input.value === "";
  setTimeout(() => {{
    for (const input of event.target.querySelectorAll("input")) input.disabled = false;
  }});
}});
</script>
"""

_METHOD = """<section id="{name}">
<h2>{name} <small>{access}</small></h2>
<p><code>{signature}</code></p>
<pre>{doc}</pre>
<form action="{name}" method="get" target="_blank">{inputs}<button>Call {name}</button></form>
</section>
"""


def docs_page(title: str, doc: str, methods: Iterable[Method]) -> str:
    """A page that shows each method, with a form that calls it."""
    shown = "".join(_method(method) for method in one_each(methods))
    return _PAGE.format(title=escape(title), doc=escape(doc.strip()), methods=shown)


def _method(method: Method) -> str:
    access = "public" if method.public else "needs credentials"
    return _METHOD.format(
        name=escape(method.name),
        access=access + (", streams" if method.streams else ""),
        signature=escape(signature(method)),
        doc=escape(method.doc),
        inputs="".join(_input(p) for p in arguments(method) if _has_name(p)),
    )


def _has_name(p: Parameter) -> bool:
    return p.kind in (Kind.POSITIONAL_OR_KEYWORD, Kind.KEYWORD_ONLY)


def _input(p: Parameter) -> str:
    kind = "" if p.annotation is EMPTY else type_name(p.annotation)
    default: Any = "" if p.default is EMPTY else plain_default(p.default)
    required = " required" if p.default is EMPTY else ""
    hint = escape(f"{kind} {default!r}" if p.default is not EMPTY else kind)
    name = escape(p.name)
    return f'<label>{name} <input name="{name}" placeholder="{hint}"{required}></label>'
