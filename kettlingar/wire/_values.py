"""What dataclasses are elsewhere: values by their fields.

Written out, since the module dataclasses (with inspect behind it) takes longer to import than
all of the wire, and a command line such as `kettlingar ctl` lives for milliseconds.
"""

from __future__ import annotations

from typing import Any


class Value:
    """Equal to another of its class with equal fields, which are its `__slots__`; never changed."""

    __slots__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({', '.join(shown)})"
