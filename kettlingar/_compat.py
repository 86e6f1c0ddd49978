"""Every optional import, and what stands in its place."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any


def loop_factory(kind: str = "auto") -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop's where it is installed, or as `kind` says.

    `kind` is `auto`, `asyncio` or `uvloop`; a uvloop that is asked for by name
    and missing raises ModuleNotFoundError.
    """
    if kind != "asyncio":
        try:
            import uvloop
        except ModuleNotFoundError:
            if kind == "uvloop":
                raise
        else:
            factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
            return factory
    return asyncio.new_event_loop


def run(main: Coroutine[Any, Any, int], kind: str = "auto") -> int:
    """Run `main` on a new event loop to its end; cancel what it leaves."""
    with asyncio.Runner(loop_factory=loop_factory(kind)) as runner:
        return runner.run(main)


def import_if_there(name: str) -> None:
    """Import an optional module now, where it is installed, so that it need not be later."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)


def set_process_title(title: str) -> None:
    """Show `title` in ps and top, where setproctitle is installed."""
    # It would write over the environment's first memory, where /proc shows whose run we are.
    os.environ["SPT_NOENV"] = "1"
    try:
        from setproctitle import setproctitle
    except ModuleNotFoundError:
        return
    else:
        setproctitle(title)
    finally:
        del os.environ["SPT_NOENV"]


if sys.version_info >= (3, 12):

    def start(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Start `work` at once: where it never waits, it costs no turn of the loop."""
        return asyncio.Task(work, loop=loop, eager_start=True)

else:

    def start(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Start `work` in the loop's next turn (3.11 has no eager tasks)."""
        return loop.create_task(work)
