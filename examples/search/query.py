"""What people type -> an FTS5 expression; what FTS5 marks -> text for people. Pure.

FTS5 has a query language of its own, and an unbalanced quote in it is an error.
People get a smaller one, in which every text is either understood or refused:

    cat dog          both words
    "open file"      these words, in this order
    descr*           words that begin so
    -coffee          not this one
    cat OR dog       either
"""

from __future__ import annotations

import html
import re

MAX_LENGTH = 400  # characters of a query
MAX_TERMS = 16

# Control characters cannot occur in a word, and the store removes them from texts:
# so they mark what was found without any doubt about what is text and what is a mark.
FOUND, END = "\x02", "\x03"

_TERM = re.compile(r'(?P<no>-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


class QueryError(ValueError):
    """This cannot be searched for; the text says why."""


def to_fts(text: str) -> str:
    """The FTS5 expression for what somebody typed. Raises QueryError."""
    if len(text) > MAX_LENGTH:
        raise QueryError(f"cannot search: {len(text)} characters are more than {MAX_LENGTH}")
    wanted: list[str] = []
    unwanted: list[str] = []
    either = False
    for match in _TERM.finditer(text):
        if match["word"] == "OR" and wanted:
            either = True
            continue
        term = _quoted(match)
        if not term:
            continue
        if match["no"]:
            unwanted.append(term)
        elif either:
            wanted[-1] = f"{wanted[-1]} OR {term}"
        else:
            wanted.append(term)
        either = False
    return _expression(wanted, unwanted)


def _expression(wanted: list[str], unwanted: list[str]) -> str:
    if not wanted:
        raise QueryError("cannot search: no word to look for")
    if len(wanted) + len(unwanted) > MAX_TERMS:
        raise QueryError(f"cannot search: more than {MAX_TERMS} words")
    found = " AND ".join(f"({term})" for term in wanted)
    return f"({found}) NOT ({' OR '.join(unwanted)})" if unwanted else found


def _quoted(match: re.Match[str]) -> str:
    """One term as a quoted FTS5 string; "" where nothing in it could be found."""
    word = match["phrase"] if match["word"] is None else match["word"]
    prefix = match["word"] is not None and word.endswith("*")
    if not any(character.isalnum() for character in word):
        return ""
    clean = "".join(character if character.isprintable() else " " for character in word)
    return f'"{clean.rstrip("*")}"' + ("*" if prefix else "")


def as_text(snippet: str) -> str:
    """A snippet on one line, with **what was found** between stars."""
    return " ".join(snippet.split()).replace(FOUND, "**").replace(END, "**")


def as_html(snippet: str) -> str:
    """A snippet as HTML; what was found is <b>bold</b>, everything else is escaped."""
    escaped = html.escape(" ".join(snippet.split()))
    return escaped.replace(FOUND, "<b>").replace(END, "</b>")
