"""call: a service's method, over a connection that the supervisor hands out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kettlingar.errors import HttpError, NeedInfoException, NotFound, Unavailable

from .ctl_args import Command
from .ctl_output import complain, paint, say

if TYPE_CHECKING:
    from kettlingar.sync import BlockingClient

    from .output import Output

FAILED = 1
COMING = 30.0  # seconds for a connection: the supervisor waits for a worker that is starting


def call(control: BlockingClient, command: Command) -> int:
    """Call one instance's method, or with SERVICE/* each one's."""
    service, *_ = command.words
    if service.endswith("/*"):
        return _call_each(control, command, service.removesuffix("/*"))
    _call_one(control, command, service)
    return 0


def _call_one(control: BlockingClient, command: Command, service: str) -> None:
    from .output import Output
    from .render import show

    output = Output(command.options.get("output", "plain"))
    client = _connected(control, service)
    try:
        result = _result(client, command)
        if not isinstance(result, Iterator):
            show(result, output, streaming=not _for_people(output))
            return
        for item in result:
            show(item, output, streaming=True)
    finally:
        client.close()


def _result(client: BlockingClient, command: Command) -> Any:
    """Call the method; a person at a terminal is asked for what it needs to know."""
    _, method, *words = command.words
    named, timeout = dict(command.named), command.options.get("timeout")
    while True:
        try:
            return client.call(method, *words, call_timeout=timeout, **named)
        except NeedInfoException as need:
            from .needs import asked

            named |= asked(need, method)


def _for_people(output: Output) -> bool:
    """Programs get one line of JSON, people a drawing of it."""
    return output.value == "plain"


def _connected(control: BlockingClient, service: str) -> BlockingClient:
    """A client of the service. The connection itself is the right to call: no secret is seen."""
    from kettlingar.sync import BlockingClient

    # Asked for here, and not when the client opens it: why it is refused has its own exit code.
    ready = [_ask(control, service)]
    return BlockingClient(lambda: ready.pop() if ready else _ask(control, service))


def _ask(control: BlockingClient, service: str) -> socket.socket:
    answer = control.call("connect", service, call_timeout=COMING)
    sock: Any = answer[0] if isinstance(answer, (list, tuple)) else answer
    if not isinstance(sock, socket.socket):
        raise Unavailable(f"cannot call {service}: the supervisor gave no connection")
    return sock


def _call_each(control: BlockingClient, command: Command, service: str) -> int:
    """Each instance's answer, or error, after its name."""
    (record,) = control.call("status", [service])["services"]
    numbers = sorted({run["instance"] for run in record["instances"] if run["state"] == "ready"})
    if not numbers:
        raise Unavailable(f"cannot call {service}: no instance is ready ({record['state']})")
    code = 0
    for number in numbers:
        name = f"{service}/{number}"
        say(paint(name, "1"))
        try:
            _call_one(control, command, name)
        except (HttpError, RuntimeError) as error:
            if isinstance(error, NotFound) and len(numbers) == 1:
                raise
            complain(f"{name}: {error}")
            code = FAILED
    return code
