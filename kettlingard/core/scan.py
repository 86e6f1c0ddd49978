"""Where each key of a TOML text stands: tomli gives values without places.

The text has been accepted by tomli, so that this scanner only follows its
structure. A key path is a tuple of names, with the number of the element after
the name of an array of tables: ("listen", 0, "stream").
"""

from __future__ import annotations

import re
from typing import NamedTuple

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|'[^'\n]*'|"(?:[^"\\\n]|\\.)*\"""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_BARE = re.compile(r"[^,\]}\s#]+(?: \d\d:[^,\]}\s#]*)?")  # a blank may stand inside a date


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class _Scanner:
    """One walk over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line, self.counted = 1, 0
        self.places: dict[KeyPath, Place] = {}
        self.counts: dict[KeyPath, int] = {}  # elements of each array of tables so far

    def walk(self) -> dict[KeyPath, Place]:
        table: KeyPath = ()
        while self._skip(_BLANK):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.places

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go past `pattern`; False at the end of the text."""
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.at < len(self.text)

    def _note(self, path: KeyPath, at: int) -> None:
        self.line += self.text.count("\n", self.counted, at)
        self.counted = at  # paths are noted in the order of the text
        self.places.setdefault(path, Place(self.line, at - self.text.rfind("\n", 0, at)))

    def _dotted(self) -> list[str]:
        """A key, its parts without quotes."""
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            match = _KEY_PART.match(self.text, self.at)
            if match is None:
                return parts
            self.at = match.end()
            parts.append(match[0].strip("\"'"))
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] != ".":
                return parts
            self.at += 1

    def _header(self) -> KeyPath:
        start = self.at
        double = self.text.startswith("[[", start)
        self.at += 2 if double else 1
        path = self._inside(self._dotted(), last_is_new=double)
        self.at += 2 if double else 1
        self._note(path, start)
        return path

    def _inside(self, parts: list[str], *, last_is_new: bool) -> KeyPath:
        """Names -> path: below an array of tables its newest element is meant."""
        path: KeyPath = ()
        for number, part in enumerate(parts):
            path = (*path, part)
            if last_is_new and number == len(parts) - 1:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        path = (*table, *self._dotted())
        for length in range(len(table) + 1, len(path) + 1):
            self._note(path[:length], start)
        self.at += 1  # =
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        opening = self.text[self.at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if opening in "\"'" else _BARE)

    def _array(self, path: KeyPath) -> None:
        number = 0
        self.at += 1
        while self._skip(_BLANK) and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._note((*path, number), self.at)
            self._value((*path, number))
            number += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self._skip(_BLANK) and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
            else:
                self._pair(path)
        self.at += 1


def places(text: str) -> dict[KeyPath, Place]:
    """Key path -> place, for a text that tomli has accepted."""
    return _Scanner(text).walk()
