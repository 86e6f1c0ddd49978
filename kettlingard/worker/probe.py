"""Is a service there? Its own `ping`, called as any authorised client calls it."""

from __future__ import annotations

import os
import socket
from typing import Any

from kettlingar.calls.client import Client
from kettlingar.calls.endpoints import SocketEndpoint
from kettlingar.errors import NotRunning
from kettlingar.transport.channel import Channel
from kettlingar.transport.messages import Caller

PROBE = 0  # the caller's number that is nobody's
FAILURES = (OSError, RuntimeError, LookupError, ValueError, NotRunning)


async def ask(channel: Channel, method: str, **arguments: Any) -> Any:
    """Call one of its methods as its owner would. Raise what an authorised client sees."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    channel.send(Caller(id=PROBE, uid=os.getuid(), pid=os.getpid()), [theirs.detach()])
    client = Client(SocketEndpoint(ours))
    try:
        return await client.call(method, call_max_tries=1, **arguments)
    finally:
        client.close()


async def ping(channel: Channel, kitten: str) -> str:
    """Return "" if `kitten` ("module:Class") answers as such; else why it cannot be used.

    Waits without an end of its own: the run's timeout_start ends it.
    """
    try:
        pong = await ask(channel, "ping")
    except FAILURES as why:
        return f"its ping was not answered: {why}"
    wanted = kitten.partition(":")[2]
    found = pong.get("kitten", wanted) if isinstance(pong, dict) else None
    return "" if found == wanted else f"its ping answered as {found!r}, not as {wanted}"
