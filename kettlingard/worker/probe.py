"""Is a service there? Its own `ping`, called as any authorised client calls it."""

from __future__ import annotations

import os
import socket

from kettlingar.client import Client
from kettlingar.endpoints import SocketEndpoint
from kettlingar.errors import NotRunning
from kettlingar.transport.channel import Channel
from kettlingar.transport.messages import Caller

PROBE = 0  # the caller's number that is nobody's


async def ping(channel: Channel, kitten: str) -> str:
    """Return "" if `kitten` ("module:Class") answers as such; else why it cannot be used.

    Waits without an end of its own: the run's timeout_start ends it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    channel.send(Caller(id=PROBE, uid=os.getuid(), pid=os.getpid()), [theirs.detach()])
    client = Client(SocketEndpoint(ours))
    try:
        pong = await client.call("ping", call_max_tries=1)
    except (OSError, RuntimeError, LookupError, ValueError, NotRunning) as why:
        return f"its ping was not answered: {why}"
    finally:
        client.close()
    wanted = kitten.partition(":")[2]
    found = pong.get("kitten", wanted) if isinstance(pong, dict) else None
    return "" if found == wanted else f"its ping answered as {found!r}, not as {wanted}"
