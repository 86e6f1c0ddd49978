"""What the commands of a service's command line do: one coroutine each, over the kitten."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

from kettlingar import remembered
from kettlingar.api.binding import bind
from kettlingar.api.describe import help_method, help_overview
from kettlingar.config.edit import edit
from kettlingar.config.schema import DEFAULT, read_schema
from kettlingar.config.values import written
from kettlingar.errors import NeedInfoException, NotRunning
from kettlingar.managed import manager_of
from kettlingar.transport.rendezvous import StartLock

from .args import Request, UsageError, nearest
from .needs import asked
from .output import Output
from .render import complain, show

if TYPE_CHECKING:
    from kettlingar.kitten import RPCKitten

GRACE = 10.0  # seconds that a service may take to end, after its drain
GLANCE = 0.02  # between two looks at whether it has


async def start(kitten: RPCKitten, request: Request) -> None:
    """Start the service, unless it runs."""
    if request.settings and await manager_of(kitten) is not None:
        complain("note: kettlingard manages it; its settings are in its definition")
    try:
        await kitten.connect(retry=0)
        done, note = False, "was running already"
    except NotRunning:
        await kitten.connect(auto_start=True, retry=1)
        done, note = True, "is running"
    if not done and request.settings:
        complain("note: it keeps the settings that it was started with; `restart` changes them")
    show(_told(kitten, note, started=done), request.output)


async def stop(kitten: RPCKitten, request: Request) -> None:
    """Stop the service, and wait for its end; NotRunning if it does not run."""
    managed = await manager_of(kitten)
    if managed is not None:
        await managed.command("stop")
    else:
        await kitten.connect(retry=0)
        await kitten.call("quitquitquit")
        await _end_of(kitten)
    told = {"name": kitten.name, "stopped": True, "_format": "%(name)s has stopped"}
    show(told, request.output)


async def restart(kitten: RPCKitten, request: Request) -> None:
    """Stop the service if it runs, and start it: as it was, but for settings that are given now."""
    managed = await manager_of(kitten)
    if managed is not None:
        await managed.command("restart")
    else:
        await _ended(kitten)
    await kitten.connect(auto_start=True, retry=1)
    show(_told(kitten, "is running", started=True), request.output)


async def _ended(kitten: RPCKitten) -> None:
    """End the running service, if there is one, and take over its settings."""
    config = kitten.config
    kept = remembered.read(config)
    try:
        await kitten.connect(retry=0)
        await kitten.call("quitquitquit")
        await _end_of(kitten)
    except NotRunning:
        return
    known = read_schema(type(config))
    config.apply(
        "running service",
        {name: v for name, v in kept.items() if name in known and config.origin(name) == DEFAULT},
    )


async def ping(kitten: RPCKitten, request: Request) -> None:
    """Print `Pong via PATH!`."""
    request.kwargs.setdefault("sent", time.monotonic())
    pong = await _called(kitten, request, "ping")
    if isinstance(pong, dict):
        pong["conn"] = _where(kitten, tcp="tcp" in request.flags)
    show(pong, request.output)


async def config(kitten: RPCKitten, request: Request) -> None:
    """Print the settings of the running service, or those that it would start with."""
    try:
        settings = await _called(kitten, request, "config")
    except NotRunning:
        complain("note: it is not running; it would start with these settings")
        settings = _edited(kitten, request)
    if request.output == Output.PLAIN and isinstance(settings, dict):
        fields = read_schema(type(kitten.config))
        kinds = {name: field.kind for name, field in fields.items()}
        lines = (f"{name} = {written(v, kinds.get(name))}" for name, v in settings.items())
        settings = "\n".join(lines)
    show(settings, request.output)


def _edited(kitten: RPCKitten, request: Request) -> dict[str, Any]:
    """Settings of a service that does not run, after the change that was asked for."""
    method = kitten.methods.find("config", private=True)
    assert method is not None
    args, kwargs = bind(method, request.args, request.kwargs)
    edit(kitten.config, *args, **kwargs)
    return kitten.config.as_dict(mask_secrets=True)


async def describe(kitten: RPCKitten, request: Request) -> None:
    """Print help, from the class: the service need not run, unless only it knows the method."""
    name = request.args[0] if request.args else ""
    doc, methods = kitten.documented()
    method = methods.find(name, private=True)
    if not name:
        show(help_overview(doc, methods, program()))
    elif method is not None:
        show(help_method(method, program()))
    else:
        show(await _help_of_running(kitten, name))


async def _help_of_running(kitten: RPCKitten, name: str) -> Any:
    try:
        await kitten.connect(retry=0)
        return await kitten.call("help", name)
    except (NotRunning, KeyError):
        raise UsageError(nearest(name, kitten.methods)) from None


async def call(kitten: RPCKitten, request: Request) -> None:
    """Call a method and print what it gives, streams as they come."""
    result = await _called(kitten, request, request.method)
    if not hasattr(result, "__aiter__"):
        _print(kitten, request, result)
        return
    async for item in result:
        _print(kitten, request, item, streaming=True)


def _print(kitten: RPCKitten, request: Request, value: Any, *, streaming: bool = False) -> None:
    from kettlingar.kitten import RPCKitten as Base

    own = type(kitten).print_result is not Base.print_result
    if own and request.output == Output.PLAIN:
        kitten.print_result(value)
    else:
        show(value, request.output, streaming=streaming)


async def _called(kitten: RPCKitten, request: Request, name: str) -> Any:
    """Call a method as the flags say; ask the person for what the method needs to know."""
    await kitten.connect(retry=0)
    options = {
        "call_use_json": "json_rpc" in request.flags,
        "call_allow_unix": "tcp" not in request.flags,
    }
    given = dict(request.kwargs)
    while True:
        try:
            return await kitten.call(name, *request.args, **options, **given)
        except NeedInfoException as need:
            given |= await asyncio.to_thread(asked, need, name)


async def _end_of(kitten: RPCKitten) -> None:
    """Wait until its process has let go of the start lock: then all its files are gone too."""
    lock = StartLock(kitten.config.app_state_dir, kitten.config.worker_name)
    try:
        async with asyncio.timeout(kitten.config.worker_drain_timeout + GRACE):
            while not lock.acquire():  # noqa: ASYNC110  another process's flock sets no event
                await asyncio.sleep(GLANCE)
    except FileNotFoundError:
        pass  # its folder is gone
    except TimeoutError:
        raise OSError(
            f"cannot stop {kitten.name}: it was asked to, and still runs; see its log"
        ) from None
    finally:
        lock.release()


def _told(kitten: RPCKitten, note: str, **more: bool) -> dict[str, Any]:
    where = _where(kitten, tcp=True)
    return {"name": kitten.name, "at": where, **more, "_format": f"%(name)s {note} at %(at)s"}


def _where(kitten: RPCKitten, *, tcp: bool) -> str:
    url, address = kitten.whereabouts()
    return url if tcp and url and not url.endswith(":0") else str(address)


def program() -> str:
    """How this command line was begun, for help texts."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        return f"python3 -m {spec.name.removesuffix('.__main__')}"
    return sys.argv[0].rpartition("/")[2] or "kitten"
