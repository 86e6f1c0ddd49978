"""call: a service's method, over a connection that the supervisor hands out."""

from __future__ import annotations

from kettlingar.errors import HttpError, NeedInfoException, NotFound, Unavailable

from .brief import Brief
from .ctl_output import complain, paint, say, say_json
from .output import Output
from .render import as_bytes, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

    from .ctl_args import Command

FAILED, NOT_FOUND = 1, 4
COMING = 30.0  # seconds for a connection: the supervisor waits for a worker that is starting


def call(control: Brief, command: Command) -> int:
    """Call one instance's method, or with SERVICE/* each one's."""
    service, *_ = command.words
    if service.endswith("/*"):
        return _call_each(control, command, service.removesuffix("/*"))
    _call_one(control, command, service)
    return 0


def _call_one(control: Brief, command: Command, service: str) -> None:
    output = _output_of(command)
    client = _connected(control, service)
    try:
        result = _result(client, command)
        if not hasattr(result, "__next__"):
            show(result, output, streaming=not _for_people(output))
            return
        for item in result:
            show(item, output, streaming=True)
    finally:
        client.close()


def _output_of(command: Command) -> Output:
    return Output(command.options.get("output", "plain"))


def _result(client: Brief, command: Command) -> Any:
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
    return output == Output.PLAIN


def _connected(control: Brief, service: str) -> Brief:
    """A client of the service. The connection itself is the right to call: no secret is seen."""
    # Asked for here, and not when the client opens it: why it is refused has its own exit code.
    return Brief(_ask(control, service), lambda: _ask(control, service))


def _ask(control: Brief, service: str) -> socket:
    sock: socket | None = control.connected("connect", service, call_timeout=COMING)
    if sock is None:
        raise Unavailable(f"cannot call {service}: the supervisor gave no connection")
    return sock


def _call_each(control: Brief, command: Command, service: str) -> int:
    """Each instance's answer, or error, after its name."""
    (record,) = control.call("status", [service])["services"]
    numbers = sorted({run["instance"] for run in record["instances"] if run["state"] == "ready"})
    if not numbers:
        raise Unavailable(f"cannot call {service}: no instance is ready ({record['state']})")
    failures: list[HttpError | RuntimeError] = []
    for number in numbers:
        name = f"{service}/{number}"
        try:
            _call_as(control, command, name)
        except (HttpError, RuntimeError) as error:
            failures.append(error)
            complain(f"{name}  {error}")
    if len(failures) == len(numbers) and all(isinstance(one, NotFound) for one in failures):
        return NOT_FOUND
    return FAILED if failures else 0


def _call_as(control: Brief, command: Command, name: str) -> None:
    """One instance's answer: behind its name, or below it; for programs as an object of both."""
    output = _output_of(command)
    client = _connected(control, name)
    try:
        result = _result(client, command)
        for value in result if hasattr(result, "__next__") else [result]:
            if output == Output.JSON:
                say_json({"instance": name, "result": value})
                continue
            text = b"" if hasattr(value, "read") else as_bytes(value, output, streaming=True)
            if text and text.count(b"\n") <= 1:
                say(f"{paint(name, '1')}  {text.decode(errors='backslashreplace').rstrip()}")
            else:
                say(paint(name, "1"))
                show(value, output, streaming=True)
    finally:
        client.close()
