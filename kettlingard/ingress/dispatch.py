"""Connections that wait, to workers that have room: chosen one by one, sent in parcels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kettlingar.transport.channel import Channel
from kettlingar.transport.messages import Connections
from kettlingard.core.balance import choose
from kettlingard.core.listeners import SharedListener

from .connection import Connection
from .hold import Hold
from .worker import CREDIT, Worker

MOST = 250  # descriptors in one message

Parcels = dict[tuple[int, str], list[Connection]]  # by run and listener


def assigned(hold: Hold, workers: Mapping[int, Worker]) -> Parcels:
    """Take from the queue all for whom there is room: each is its worker's from here on."""
    room = {run: one.unfinished for run, one in sorted(workers.items()) if one.has_room}
    parcels: Parcels = {}
    for _ in range(len(hold)):
        if not room:
            break
        connection = hold.take()
        front = connection.front
        run = choose(front.spec.balance, room, front.last)
        assert run is not None
        front.last = run
        worker = workers[run]
        worker.give(connection)
        room[run] += 1
        if worker.untaken >= CREDIT:
            del room[run]
        parcels.setdefault((run, front.spec.name), []).append(connection)
    return parcels


def send(channel: Channel, listener: str, connections: Sequence[Connection]) -> None:
    """Copies of them, to their worker."""
    routed = isinstance(connections[0].front.spec, SharedListener)
    for start in range(0, len(connections), MOST):
        part = connections[start : start + MOST]
        message = Connections([one.number for one in part], listener, routed)
        try:
            channel.lend(message, [one.fd for one in part])
        except OSError:  # they must wait, and we may have no copies: rather served than safe
            channel.send(message, [one.let_go() for one in part])
