"""OpenSSL's TLS on two memory buffers: ciphertext in and out, and no socket."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress

from .fdpass import Bytes

RECORD = 16 * 1024  # bytes of plaintext, at most


class TlsBytes:
    """The server's half of one TLS connection. After each call, `unsent` is for the peer."""

    __slots__ = ("_incoming", "_outgoing", "_tls")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def feed(self, data: bytes) -> None:
        """Take ciphertext; `shake` or `read` makes something of it."""
        self._incoming.write(data)

    def unsent(self) -> bytes:
        """Take the ciphertext that is to be sent."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def shake(self) -> bool:
        """Go on with the handshake; true when it is finished. SSLError: it never will be."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self) -> tuple[Sequence[bytes], bool, ssl.SSLError | None]:
        """Return what has come, whether more may, and what was wrong with the rest."""
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(RECORD):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return pieces, True, None
        except ssl.SSLZeroReturnError:
            return pieces, False, None
        except ssl.SSLError as error:
            return pieces, False, error
        return pieces, False, None  # close_notify (RFC 8446, 6.1)

    def write(self, data: Bytes) -> None:
        """Encrypt. SSLError: goodbye has been said already."""
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]

    def say_goodbye(self) -> None:
        """Write a close_notify."""
        with suppress(ssl.SSLError):  # it wants the peer's own, which is not waited for
            self._tls.unwrap()
