"""One accepted connection in our custody."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass

from kettlingar.transport.timeouts import Deadlines
from kettlingard.core.custody import Stage
from kettlingard.core.marks import Whose
from kettlingard.core.passage import PassedConnection

from .front import Front


@dataclass(slots=True, eq=False)
class Connection:
    """An accepted connection until its worker says `done`."""

    number: int
    front: Front
    sock: socket.socket | None  # our copy; None once an answer has begun
    stage: Stage = Stage.HELD
    waiting: Deadlines[Connection] | None = None  # where its time in the hold is kept
    since: float = 0.0  # when that began
    waited: float = 0.0  # seconds in the hold before that, if workers gave it back
    answered: bool = False  # it is kept by its client, and may have no request now

    def mark(self, whose: Whose) -> None:
        """Have our custodian know whose it is, should we be killed."""
        if self.sock is not None:
            self.front.mark(self.sock.fileno(), whose, self.number)

    def copy(self) -> int:
        """A descriptor to give away. At our limit it is our only one: rather served than safe."""
        assert self.sock is not None
        try:
            return os.dup(self.sock.fileno())
        except OSError:
            return self.let_go().detach()

    def let_go(self) -> socket.socket:
        """Our copy, which is the caller's now."""
        assert self.sock is not None
        sock, self.sock = self.sock, None
        self.front.forget(sock.fileno())
        return sock

    def cut(self) -> None:
        """End it as its worker's death would have, had we not kept a copy."""
        if self.sock is not None:
            with suppress(OSError):  # the client has gone
                self.sock.shutdown(socket.SHUT_RDWR)  # whoever else has a copy
        self.close()

    def packed(self) -> PassedConnection:
        """As it is passed on to our next version."""
        fd = self.sock.fileno() if self.sock is not None else -1
        stream = self.front.spec.stream
        return PassedConnection(self.number, stream, self.stage, fd, self.waited, self.answered)

    def close(self) -> None:
        """Close our copy; a worker's lives on."""
        if self.sock is not None:
            number = self.sock.fileno()
            self.sock.close()
            self.front.forget(number)
            self.sock = None


_WHOSE = {Stage.HELD: Whose.OURS, Stage.SENT: Whose.SENT}


def unpacked(passed: PassedConnection, front: Front) -> Connection:
    """The connection that was packed."""
    sock = socket.socket(fileno=passed.fd) if passed.fd >= 0 else None
    if sock is not None:
        sock.setblocking(False)
        os.set_inheritable(passed.fd, False)
    one = Connection(passed.number, front, sock, passed.stage, waited=passed.waited)
    one.answered = passed.answered
    one.mark(_WHOSE.get(one.stage, Whose.THEIRS))
    return one
