"""All listeners of a service: made what a definition says, in one step or not at all."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from kettlingar.transport.channel import Channel
from kettlingar.transport.fdpass import close_all
from kettlingar.transport.messages import Guard, Way
from kettlingard.core.listeners import URL_SOCKET, ListenerSpec
from kettlingard.core.marks import Whose
from kettlingard.errors import ListenError
from kettlingard.host.custodian import Kept
from kettlingard.host.listeners import is_path
from kettlingard.host.marks import Marks

from .front import Front
from .opening import Opening

log = logging.getLogger(__name__)


class Fronts:
    """Owns the open listeners, whose sockets come from `opening`.

    `on_connections(front, fds)` gets what they accept; `refusal` is the answer where no
    descriptor is left for one more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        opening: Opening,
        on_connections: Callable[[Front, list[int]], None],
        refusal: bytes,
        marks: Marks | None,
    ) -> None:
        self._loop = loop
        self._opening = opening
        self._on_connections = on_connections
        self._refusal = refusal
        self._marks = marks
        self._open: list[Front] = []

    def _make(self, spec: ListenerSpec) -> Front:
        """Open one, or raise ListenError."""
        sock, handed = self._opening.open(spec)
        return Front(
            self._loop,
            spec,
            sock,
            on_connections=self._on_connections,
            refusal=self._refusal,
            goes_on=lambda: handed or self._opening.goes_on(spec),
            marks=self._marks,
            key=self._opening.key(spec),
        )

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Front]:
        return iter(self._open)

    def become(self, specs: Sequence[ListenerSpec]) -> None:
        """Listen on exactly these. One whose address stays is never closed.

        Raises ListenError; then all are as they were.
        """
        old = {_place(front.spec): front for front in self._open}
        kept = [(old.pop(_place(spec)), spec) for spec in specs if _place(spec) in old]
        stay = {_place(spec) for _, spec in kept}
        made: list[Front] = []
        leaving = list(old.values())
        try:
            new = (spec for spec in specs if _place(spec) not in stay)
            # Those that were made before an error stay in the list.
            made.extend(self._make_instead(spec, leaving) for spec in new)
        except ListenError:
            for front in made:
                front.close()
            self._reopen()
            raise
        for front in leaving:
            front.close()
        for front, spec in kept:
            front.apply(spec)
        self._open = [front for front, _ in kept] + made

    def _make_instead(self, spec: ListenerSpec, leaving: list[Front]) -> Front:
        """127.0.0.1:80 cannot become 0.0.0.0:80 while the first one is still open."""
        try:
            return self._make(spec)
        except ListenError as why:
            port = _port(spec)
            same = [front for front in leaving if _port(front.spec) == port and not front.closed]
            if why.errno != errno.EADDRINUSE or port is None or not same:
                raise
        for front in same:
            front.close()
        return self._make(spec)

    def _reopen(self) -> None:
        """Those that were closed for others that then could not be opened."""
        for index, front in enumerate(self._open):
            if front.closed:
                with suppress(
                    ListenError
                ):  # somebody was faster; the error that we raise says more
                    self._open[index] = self._make(front.spec)

    def copies(self) -> list[tuple[str, int]]:
        """Name and a descriptor of each, to be given to a process. Raises OSError."""
        found: list[tuple[str, int]] = []
        try:
            for front in self._open:
                fd = front.copy()
                found.append((front.spec.name, fd))
                os.set_blocking(fd, True)  # as programs expect it; nobody else uses it
        except OSError:
            close_all(fd for _, fd in found)
            raise
        return found

    def share(self, channel: Channel, *, now: bool = False) -> None:
        """Let a worker guard copies of all that are open, for the time without us: `now`, or later."""
        fronts = [front for front in self._open if not front.closed]
        fds: list[int] = []
        try:
            fds.extend(front.copy() for front in fronts)
        except OSError as why:
            log.warning("listeners not shared reason=%s", why.strerror)
            close_all(fds)
            return
        ways = [way_of(front) for front in fronts]
        channel.send(Guard([front.spec.stream for front in fronts], now, ways), fds)

    def that_took(self, kept: Kept) -> Front | None:
        """The one that a killed supervisor's connection came by; None if it is none of these."""
        key, name = kept.mark.listener, kept.sock.getsockname()
        return next((f for f in self._open if (f.key == key if key else f.took(name))), None)

    def guarded(self, *, by_workers: bool) -> None:
        """Have our custodian know whether anybody but us has these."""
        for front in self._open:
            front.guard(Whose.THEIRS if by_workers else Whose.LISTENER)

    def close(self) -> None:
        """Listen on nothing."""
        for front in self._open:
            front.close()
        self._open = []
        self._opening.close()


def way_of(front: Front) -> Way:
    """How a worker is to treat what comes by it."""
    spec = front.spec
    return Way(
        spec.name,
        accepts=spec.dispatch == "share",
        local=spec.name == URL_SOCKET,
        proxies=list(spec.proxy_from) if spec.proxy_protocol else None,
    )


def _place(spec: ListenerSpec) -> tuple[str, bool, bool]:
    """What a socket keeps for ever: another one of these is another socket."""
    return spec.stream, spec.freebind, spec.ipv6_only


def _port(spec: ListenerSpec) -> str | None:
    return None if is_path(spec.stream) else spec.stream.rpartition(":")[2]
