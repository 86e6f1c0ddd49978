"""An argument that no caller sends: the connection itself, in another protocol than HTTP.

A method asks for it by its annotation, `ws: WebSocket` or, with what that type
wants to know, `ws: Annotated[WebSocket, WebSocketOptions(...)]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter as Kind
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from msgspec import Struct

if TYPE_CHECKING:
    from .methods import Parameter


class TakesConnection:
    """Base of the types that stand for the caller's connection in a method's signature."""

    @classmethod
    async def serve(cls, session: Any, options: Sequence[Any], run: Callable[[Any], Any]) -> Any:
        """Take the connection over and `run` the method with it.

        Return TAKEN, or else the result of a method that did not want the
        connection after all, which is then answered in HTTP.
        """
        raise NotImplementedError


TAKEN = object()


class Takeover(Struct, frozen=True):
    """Where in a signature the connection goes."""

    name: str
    kind: type[TakesConnection]
    options: tuple[Any, ...]  # the rest of Annotated[kind, ...]
    place: int | None  # among what goes by position; None: by name only

    def put(self, it: TakesConnection, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Add the connection to the arguments of a call."""
        if self.place is not None and self.place <= len(args):
            args.insert(self.place, it)
        else:
            kwargs[self.name] = it


def without_takeover(
    found: Sequence[Parameter], where: str
) -> tuple[list[Parameter], Takeover | None]:
    """Return the arguments that callers send, and how the connection is wanted, if it is.

    TypeError if a method wants it twice.
    """
    rest: list[Parameter] = []
    takeover = None
    for place, parameter in enumerate(found):
        kind, options = _parts(parameter.annotation)
        if kind is None:
            rest.append(parameter)
            continue
        if takeover is not None:
            raise TypeError(
                f"cannot understand {where}: {takeover.name} and {parameter.name} are both the"
                " connection; there is only one"
            )
        named = parameter.kind is Kind.KEYWORD_ONLY
        takeover = Takeover(parameter.name, kind, options, None if named else place)
    return rest, takeover


def _parts(annotation: Any) -> tuple[type[TakesConnection] | None, tuple[Any, ...]]:
    options: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        options = tuple(more)
    if isinstance(annotation, type) and issubclass(annotation, TakesConnection):
        return annotation, options
    return None, ()
