"""One accepted connection in our custody."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from msgspec import Struct

from kettlingar.transport.timeouts import Deadlines
from kettlingard.core.custody import Stage, Touch
from kettlingard.core.marks import Whose
from kettlingard.core.passage import PassedConnection
from kettlingard.host.touch import touch_of

from .front import Front

NONE = -1  # the descriptor of a copy that is closed


class Connection(Struct, eq=False):
    """An accepted connection until its worker says `done`.

    Its descriptor alone: a socket object is made only for those that end with us.
    """

    number: int
    front: Front
    fd: int  # our copy; NONE once an answer has begun
    stage: Stage = Stage.HELD
    waiting: Deadlines[Connection] | None = None  # where its time in the hold is kept
    since: float = 0.0  # when that began
    waited: float = 0.0  # seconds in the hold before that, if workers gave it back
    answered: bool = False  # it is kept by its client, and may have no request now

    def mark(self, whose: Whose) -> None:
        """Have our custodian know whose it is, should we be killed."""
        marks = self.front.marks
        if marks is not None and self.fd >= 0:
            marks.put(self.fd, whose, self.number, self.front.key)

    def mark_theirs(self) -> None:
        """The same, of one that was marked before and is a worker's now."""
        marks = self.front.marks
        if marks is not None and self.fd >= 0:
            marks.becomes(self.fd, Whose.THEIRS)

    def let_go(self) -> int:
        """Our copy, which is the caller's now."""
        fd, self.fd = self.fd, NONE
        self.front.forget(fd)
        return fd

    def touch(self) -> Touch:
        """What was done with it, as the kernel says."""
        sock = socket.socket(fileno=self.fd)
        try:
            return touch_of(sock)
        finally:
            sock.detach()

    def cut(self) -> None:
        """End it as its worker's death would have, had we not kept a copy."""
        if self.fd >= 0:
            with socket.socket(fileno=self.let_go()) as sock, suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # whoever else has a copy; OSError: it has gone

    def packed(self) -> PassedConnection:
        """As it is passed on to our next version."""
        stream = self.front.spec.stream
        return PassedConnection(
            self.number, stream, self.stage, self.fd, self.waited, self.answered
        )

    def close(self) -> None:
        """Close our copy; a worker's lives on."""
        fd = self.fd
        if fd >= 0:
            self.fd = NONE
            os.close(fd)
            self.front.forget(fd)


_WHOSE = {Stage.HELD: Whose.OURS, Stage.SENT: Whose.SENT}


def unpacked(passed: PassedConnection, front: Front) -> Connection:
    """The connection that was packed."""
    if passed.fd >= 0:
        os.set_inheritable(passed.fd, False)
    one = Connection(passed.number, front, passed.fd, passed.stage, waited=passed.waited)
    one.answered = passed.answered
    one.mark(_WHOSE.get(one.stage, Whose.THEIRS))
    return one
