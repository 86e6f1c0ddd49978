"""From a service's listeners to its workers: who gets a connection, and who answers for it.

A connection has one owner who may read it. Ours is the copy that we keep until
its worker says that an answer has begun (core.custody has the rules); we never
read from it. Workers without room, and no workers at all, are two things: with
the first, connections stay in the kernel's backlog, as they would at a server
that accepts by itself; with the second they are accepted, held, and answered
with an honest 503 when nobody came in time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from msgspec.structs import asdict, replace

from kettlingar.transport import messages
from kettlingar.transport.channel import Channel
from kettlingar.transport.messages import Progress
from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.passage import PassedService
from kettlingard.host.custodian import Kept
from kettlingard.host.handed import Handed
from kettlingard.host.marks import Marks
from kettlingard.host.refusal import Refusals

from .connection import Connection, unpacked
from .dispatch import assigned, send
from .ends import Ends
from .front import Front
from .fronts import Fronts
from .hold import Hold
from .moving import given_away
from .opening import Opening
from .router import Router
from .worker import Counts, Worker, Workers, counts_of

log = logging.getLogger(__name__)

REST = 0.1  # seconds for a worker that gave connections back though it is to take them


class Ingress:
    """The listeners and accepted connections of one service. Runs are known by their numbers."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: str,
        refusals: Refusals,
        handed: Handed | None = None,
        marks: Marks | None = None,
        *,
        router: Router | None = None,
    ) -> None:
        self._router = router  # has listeners by which some of our connections come
        self._loop = loop
        self._service = service
        self._numbers = count(1)
        self._accepts = True  # else those who have copies of the listeners do
        self._workers = Workers()
        self.on_load: Callable[[], None] = _nobody_asks  # connections came or went
        self._ends = Ends(service, refusals, Counts())
        self._hold = Hold(loop, self._ends.sorry)
        self._opening = Opening(service, handed or Handed([]))
        self._fronts = Fronts(loop, self._opening, self._accepted, self._ends.nobody, marks)

    # --- listeners ---

    def open(self, specs: Sequence[ListenerSpec]) -> None:
        """Listen on exactly these; one that is open already stays open.

        Raises ListenError, and then nothing has changed.
        """
        self._fronts.become(specs)
        self.share()
        self._guard()
        self._breathe()

    def share(self, *, now: bool = False) -> None:
        """Let workers accept from copies of the listeners: `now`, or should we be killed."""
        for worker in self._workers.values():
            if worker.admitted:
                self._fronts.share(worker.channel, now=now)

    def leave_to_others(self, others: bool) -> None:
        """Programs that are no kittens accept by themselves: we only keep the listeners open."""
        self._accepts = not others
        self._guard()

    def copies(self) -> list[tuple[str, int]]:
        """Name and a descriptor of each listener, to be given to a process. Raises OSError."""
        return self._fronts.copies()

    def inherit(self, listeners: Mapping[str, socket.socket]) -> None:
        """Sockets that workers guarded: used by `open` instead of new ones."""
        self._opening.inherit(listeners)

    def close(self) -> None:
        """Listen no longer, refuse who waits. What workers have, they may finish."""
        self._fronts.close()
        for connection in self._hold.empty():
            self._ends.sorry(connection)

    # --- workers ---

    def admit(self, run: int, channel: Channel) -> None:
        """This worker may get connections from now on."""
        worker = self._workers.setdefault(run, Worker(channel))
        worker.admitted = True
        if self._fronts:  # else it goes on accepting until they are open, should it be alone now
            self._fronts.share(channel)
        self._guard()
        self._dispatch()

    def adopt(self, run: int, channel: Channel, connections: Iterable[int], highest: int) -> None:
        """This worker had another supervisor, and has these connections. It is not admitted yet."""
        worker = Worker(channel, admitted=False, inherited=set(connections))
        self._workers[run] = worker
        self._go_on_after(highest)

    def _go_on_after(self, number: int) -> None:
        """Give no number that a worker has given by itself."""
        if number:
            self._numbers = count(max(next(self._numbers), number + 1))

    def withdraw(self, run: int) -> None:
        """It gets no more; what it has, it finishes or returns."""
        worker = self._workers.get(run)
        if worker is not None:
            worker.admitted = False
            self._guard()
            self._breathe()

    def in_flight(self, run: int) -> int:
        """How many connections it has that are not done."""
        worker = self._workers.get(run)
        return worker.unfinished if worker is not None else 0

    @property
    def load(self) -> int:
        """How many connections there are: in flight, and waiting."""
        return self._workers.unfinished + len(self._hold)

    def progress(self, run: int, said: Progress) -> None:
        """A worker said how far it is. It can speak of its own connections only."""
        worker = self._workers.get(run)
        if worker is None:
            return
        had_room = worker.has_room
        if said.own:
            self._go_on_after(max(said.own))
        worker.hear(said)
        if said.returned:
            self._take_back(worker, said.returned)
        elif not had_room:
            self._dispatch()
        if said.done:
            self.on_load()

    def _take_back(self, worker: Worker, numbers: Iterable[int]) -> None:
        back = [one for number in numbers if (one := worker.lose(number)) is not None]
        if worker.admitted and worker.rests is None:
            # It has no room for descriptors, or so: asking again at once would only spin.
            worker.rests = self._loop.call_later(REST, self._rested, worker)
        self._again(back)

    def moved(self, run: int, numbers: Sequence[int], fds: Sequence[int]) -> None:
        """A worker that drains gives kept connections away, between two requests."""
        worker, front = self._workers.get(run), next(iter(self._fronts), None)
        pairs = zip(numbers, fds, strict=True)
        self._again(given_away(worker, front, pairs, self._numbers))

    def _rested(self, worker: Worker) -> None:
        worker.rests = None
        self._dispatch()

    def gone(self, run: int) -> None:
        """The worker has died: its process is known to have ended, nobody reads any more."""
        if run not in self._workers:
            return
        self._workers[run].channel.drain_now()  # what it said before its end
        worker = self._workers.pop(run, None)
        if worker is None:
            return  # the channel's end made somebody call us again
        if worker.rests is not None:
            worker.rests.cancel()
        self._guard()
        self._again(self._ends.of_dead(run, worker))

    # --- connections ---

    def rescue(self, kept: Iterable[Kept], *, sure: bool) -> list[Kept]:
        """Go on with what a killed supervisor had accepted from our listeners; return the rest.

        `sure`: all its workers that live are adopted, so that what they have is known.
        """
        inherited = self._workers.inherited
        others: list[Kept] = []
        for one in kept:
            front = self._fronts.that_took(one)
            if front is None:
                others.append(one)
                continue
            connection = Connection(next(self._numbers), front, one.sock.detach())
            known = not sure or one.mark.number in inherited
            if self._ends.rescued(one.mark.whose, connection, known=known):
                self._hold.add([connection])
        self._dispatch()
        return others

    def take(self, front: Front, sock: socket.socket) -> None:
        """A connection that came by a listener which is not ours alone, for one request."""
        self._accepted(front, [sock.detach()])

    def placed(self, run: int, moved: messages.Moved, fds: Sequence[int]) -> None:
        """It has been answered: its next request is looked at before anybody gets it."""
        if run in self._workers:
            self._workers[run].over(moved.ids)
        for fd in fds:
            sock = socket.socket(fileno=fd)
            if self._router is None:
                sock.close()
            else:
                self._router.again(moved.listener, sock)
        self.on_load()

    def _accepted(self, front: Front, fds: list[int]) -> None:
        numbers = self._numbers
        self._hold.add([Connection(next(numbers), front, fd) for fd in fds])
        self._dispatch()

    def _again(self, connections: list[Connection]) -> None:
        """Give to others what a worker did not touch."""
        lost = [one for one in connections if one.fd < 0]
        self._ends.counts.lost += len(lost)
        kept = [one for one in connections if one.fd >= 0]
        self._ends.counts.redispatched += len(kept)
        self._ends.counts.passed -= len(kept)  # they will be counted again
        self._hold.add_first(kept)
        self._dispatch()

    def _dispatch(self) -> None:
        """Give what waits to those who have room; what then still waits, waits for a time."""
        for (run, listener), connections in assigned(self._hold, self._workers).items():
            self._ends.counts.passed += len(connections)
            send(self._workers[run].channel, listener, connections)
        for connection in self._hold.settle():
            self._ends.sorry(connection)
        self._breathe()
        self.on_load()

    def _breathe(self) -> None:
        """Accept, unless there are workers and none of them has room."""
        full = self._workers.full
        for front in self._fronts:
            if full or not self._accepts or front.spec.dispatch == "share":
                front.pause()
            else:
                front.resume()

    def _guard(self) -> None:
        """Have our custodian know whether workers have copies of the listeners."""
        self._fronts.guarded(by_workers=self._workers.admitted or not self._accepts)

    # --- becoming the next version ---

    def pack(self, service: PassedService) -> PassedService:
        """Add all that is ours: listeners, connections, copies of them."""
        return replace(
            service,
            next_number=next(self._numbers),
            counts=asdict(self._ends.counts),
            listeners={front.spec.stream: front.fileno() for front in self._fronts},
            held=[connection.packed() for connection in self._hold],
            runs={
                number: self._workers.packed(number, run) for number, run in service.runs.items()
            },
        )

    def unpack(self, service: PassedService, channels: Mapping[int, Channel]) -> None:
        """Have all this again. The listeners are open, nobody is admitted yet."""
        shared = self._router.fronts if self._router is not None else {}
        fronts = {**shared, **{front.spec.stream: front for front in self._fronts}}
        self._numbers = count(service.next_number)
        self._ends.counts = counts_of(service.counts)
        for number, run in service.runs.items():
            if number not in channels:
                continue  # a program that accepts by itself
            worker = Worker(channels[number], admitted=False, inherited=set(run.inherited))
            worker.unpack(unpacked(one, fronts[one.listener]) for one in run.connections)
            self._workers[number] = worker
        self._hold.add_first(unpacked(one, fronts[one.listener]) for one in service.held)
        self._dispatch()

    # --- what people see ---

    def counts(self) -> dict[str, int]:
        """What became of the connections, and how many are `held` now."""
        return {**asdict(self._ends.counts), "held": len(self._hold)}

    def describe(self) -> list[dict[str, object]]:
        """The listeners, as `ctl sockets` shows them."""
        return [{**front.describe(), "held": self._hold.held_for(front)} for front in self._fronts]


def _nobody_asks() -> None:
    """The size of this pool does not depend on its load."""
