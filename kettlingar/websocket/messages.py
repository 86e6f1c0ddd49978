"""One WebSocket as values: bytes in, messages out, by `websockets`' protocol without I/O."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from websockets.datastructures import Headers
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from kettlingar.wire.http11 import RequestHead

VERSION = "13"  # RFC 6455, 4.1; there is no other
MAX_REASON = 123  # bytes: a control frame has 125, two are the code (RFC 6455, 5.5)

# What that library logs of each connection is ours to say.
_quiet = logging.getLogger("kettlingar.websocket.wire")
_quiet.setLevel(logging.WARNING)


class CloseCode(int, Enum):
    """Why a socket ends, as both sides say it (RFC 6455, 7.4.1)."""

    DONE = 1000
    GOING_AWAY = 1001
    POLICY = 1008
    FAILED = 1011


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that cannot become a WebSocket: what to answer instead."""

    status: int
    message: str
    headers: dict[str, str]


class Messages:
    """A server's end of one WebSocket."""

    __slots__ = ("_handshake", "_is_text", "_pieces", "_protocol", "accepted", "finished")

    def __init__(self, subprotocols: Sequence[str], max_size: int) -> None:
        """`max_size` is of one message, in bytes, however many frames it has."""
        # Two of the library's: one for the handshake, which would read the request itself,
        # and one for what follows it.
        self._handshake = ServerProtocol(
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            select_subprotocol=_ours_first,
            logger=_quiet,
        )
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=max_size, logger=_quiet)
        self.accepted = b""  # the answer that makes the request a WebSocket
        self._pieces: list[bytes] = []  # of a message that is not whole yet
        self._is_text = False
        self.finished = False  # nothing more comes, and nothing more may be sent

    # --- the handshake --------------------------------------------------------

    def refuse(self, head: RequestHead) -> Refused | None:
        """Read a request; return why it cannot become a WebSocket, None if it can."""
        if not head.upgrade:
            return Refused(426, "this method speaks WebSocket only", {"Upgrade": "websocket"})
        if head.headers.get("sec-websocket-version") != VERSION:
            return Refused(
                426,
                f"cannot speak this version of WebSocket; use {VERSION}",
                {"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION},
            )
        response = self._handshake.accept(Request(head.target, Headers(head.headers.items())))
        if response.status_code != 101:
            why = self._handshake.handshake_exc
            return Refused(400, f"cannot open a WebSocket: {why}", {})
        self.accepted = response.serialize()
        return None

    @property
    def subprotocol(self) -> str | None:
        """The one of ours that the client knows too."""
        return self._handshake.subprotocol

    # --- in -------------------------------------------------------------------

    def feed(self, data: bytes) -> list[str | bytes | Pong]:
        """Take bytes; return the messages and pongs that are whole now."""
        self._protocol.receive_data(data)
        found: list[str | bytes | Pong] = []
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.PONG:
                found.append(Pong(bytes(event.data)))
            elif event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                whole = self._add(event)
                if whole is not None:
                    found.append(whole)
        return found

    def _add(self, frame: Frame) -> str | bytes | None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._pieces.append(bytes(frame.data))
        if not frame.fin:
            return None
        data, self._pieces = b"".join(self._pieces), []
        if not self._is_text:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            self._protocol.fail(1007, "the text is not UTF-8")  # RFC 6455, 8.1
            return None

    def end(self) -> None:
        """Nothing more comes: the connection has ended."""
        self._protocol.receive_eof()
        self._protocol.data_to_send()
        self.finished = True

    # --- out ------------------------------------------------------------------

    def output(self) -> bytes:
        """Return the bytes that are to be sent now; `finished` if those are the last."""
        pieces = self._protocol.data_to_send()
        if b"" in pieces:
            self.finished = True
        return b"".join(pieces)

    def send(self, message: str | bytes) -> None:
        """Write a message of one frame."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)

    def ping(self, data: bytes) -> None:
        """Ask the peer for a sign of life."""
        self._protocol.send_ping(data)

    def close(self, code: int, reason: str) -> None:
        """Begin to close. ValueError if this is no code that may be sent."""
        if self.open:
            try:
                self._protocol.send_close(code, shortened(reason))
            except ProtocolError as error:
                raise ValueError(f"cannot close with code {code}: {error}") from error

    def fail(self, code: int, reason: str) -> None:
        """End it without waiting for the peer."""
        if not self.finished:
            self._protocol.fail(code, shortened(reason))

    @property
    def open(self) -> bool:
        """Whether messages may be sent."""
        return self._protocol.state is State.OPEN

    @property
    def closed_by(self) -> Close | None:
        """What was said at the end: by the peer, or else by us; None if it just ended."""
        return self._protocol.close_rcvd or self._protocol.close_sent


def _ours_first(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose what we like best of what the client offers; none is no reason to refuse."""
    ours = protocol.available_subprotocols or ()
    return next((name for name in ours if name in offered), None)


def shortened(reason: str) -> str:
    """Cut a reason to what a close frame can hold."""
    return reason.encode()[:MAX_REASON].decode(errors="ignore")
