"""What a definition asks for that this machine, or this supervisor's rights, cannot give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kettlingard.core.spec import ServiceSpec

from . import journal

Wrong = tuple[str, str]  # dotted key, and why it cannot be done here


def impossible(spec: ServiceSpec) -> list[Wrong]:
    """Everything of this definition that cannot be done here."""
    return [wrong for look in _LOOKS for wrong in look(spec)]


def _journal(spec: ServiceSpec) -> Iterator[Wrong]:
    why = journal.missing() if spec.log.target == "journal" else ""
    if why:
        yield "log.target", f"{why}; use file or inherit"


_LOOKS: tuple[Callable[[ServiceSpec], Iterator[Wrong]], ...] = (_journal,)
