"""What a connection needs from above: somebody who answers, and what that one remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kettlingar.wire.http11 import Refusal, RequestHead

if TYPE_CHECKING:
    from .connection import Connection
    from .requests import Incoming


class Usual(Protocol):
    """What the server remembers of requests with one and the same head."""

    size: int  # bytes of the whole request
    fds: int  # descriptors that come with it
    closes: bool  # whether the connection ends with it
    head: RequestHead
    at_once: bool  # whether `answer` can be tried

    def answer(self, connection: Any, body: bytes, fds: list[int]) -> Any:
        """Return the whole answer, or something else that the server goes on with."""


class Serve(Protocol):
    """What a connection needs from the server above it."""

    served: int  # requests

    def again(self, connection: Connection, usual: Any, incoming: Incoming, made: Any) -> None:
        """Answer one whose head came before, and of which `usual.answer` has `made` something."""

    def request(self, connection: Connection, incoming: Incoming) -> None:
        """Answer this; call `connection.finished` when that is done."""

    def refuse(self, connection: Connection, refusal: Refusal) -> None:
        """Write the answer to bytes that are no request; the connection then closes."""

    def answering(self, connection: Connection) -> None:
        """The first byte of the first answer goes out."""

    def place(self, connection: Connection) -> bool:
        """Have its next request placed, which is not ours to read; False: nobody does that now."""

    def closed(self, connection: Connection) -> None:
        """It has ended; whatever still runs for it is of no use."""
