"""Fixtures for all tests. Those for real processes are in helpers.py and supervision.py."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import textwrap
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from tests import helpers
from tests.nursery import Nursery
from tests.supervision import Supervisor

T = TypeVar("T")
_PLAIN = SimpleNamespace(params={})  # of a test without parameters

# Debug mode keeps the stack of every callback: its innermost frame is enough to find it, and
# ten of them, most of them pytest's, take longer than what is tested.
asyncio.constants.DEBUG_STACK_DEPTH = 1

# Processes that tests start shall not compile our modules each time anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there is no uvloop (`make ways`), what is there for it is left out."""
    if find_spec("uvloop") is None:
        for item in items:
            if "uvloop" in getattr(item, "callspec", _PLAIN).params.values():
                item.add_marker(pytest.mark.skip(reason="uvloop (extra 'fast') is not installed"))


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_kind(request: pytest.FixtureRequest) -> str:
    """Ask for it, and the test runs once on each event loop."""
    return str(request.param)


@pytest.fixture
def run_async(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`run_async(coroutine, within=20)`: on the loop of `loop_kind`, with asyncio's debug mode."""
    factory = None
    if "loop_kind" in request.fixturenames and request.getfixturevalue("loop_kind") == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop

    async def bounded(coroutine: Coroutine[Any, Any, T], within: float) -> T:
        async with asyncio.timeout(within):
            return await coroutine

    def run(coroutine: Coroutine[Any, Any, T], within: float = 20.0) -> T:
        with asyncio.Runner(debug=True, loop_factory=factory) as runner:
            return runner.run(bounded(coroutine, within))

    return run


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """`wait_for(fact, within=5)`: return `fact()` as soon as it is true."""
    return helpers.wait_for


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()`: a TCP port of 127.0.0.1 that nobody uses; another one at each call."""
    return helpers.pick_port


def _still_there(marker: str) -> list[int]:
    """Processes of a test that do not end by themselves: one that was told to may need a moment."""
    deadline = time.monotonic() + 3.0
    while (left := helpers.processes_of(marker, [])) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@pytest.fixture(autouse=True)
def nothing_left_behind(
    request: pytest.FixtureRequest,
) -> Iterator[None]:
    """A test with real processes and sockets ends with as many as it began with."""
    if "unit" in request.path.parts:
        yield  # these start nothing
        return
    marker = f"{os.getpid()}-{request.node.name}"
    os.environ[helpers.MARKER] = marker
    _let_uvloop_open_its_own()
    before, processes = helpers.descriptors(), _own_processes()
    yield
    del os.environ[helpers.MARKER]
    # To look at all processes takes long; most tests never had one.
    started = "supervisor" in request.fixturenames or _own_processes() != processes
    left = _still_there(f"{helpers.MARKER}={marker}\0") if started else []
    commands = [f"{pid}: {helpers.command_of(pid)}" for pid in left]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    opened = _new_descriptors(before)
    assert not commands, f"the test left processes behind: {commands}"
    assert not opened, f"the test left descriptors open: {opened}"


def _own_processes() -> tuple[object, ...]:
    """What is another value after this process has started one, whatever became of that."""
    return helpers.children(ended=True), helpers.ended_children()


@cache
def _let_uvloop_open_its_own() -> None:
    """Its first loop opens a pipe for the process, which stays."""
    with suppress(ImportError):
        import uvloop

        uvloop.new_event_loop().close()


def _new_descriptors(before: Mapping[int, str]) -> dict[int, str]:
    def new() -> dict[int, str]:
        now = helpers.descriptors()
        return {fd: what for fd, what in now.items() if before.get(fd) != what}

    if new():
        gc.collect()  # what only a cycle still held is no leak
    return new()


@pytest.fixture
def service_module(tmp_path: Path) -> Callable[[str, str], Path]:
    """`service_module(name, source)`: write a module outside of the repository; its folder."""
    folder = tmp_path / "src"
    folder.mkdir()
    seconds = count(int(time.time()))

    def write(name: str, source: str) -> Path:
        path = folder / f"{name}.py"
        path.write_text(textwrap.dedent(source))
        # Compiled code is taken for current when size and second of its source are the same.
        os.utime(path, times=(now := next(seconds), now))
        return folder

    return write


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where supervisors come from."""
    one = Nursery(helpers.ROOT, os.environ)
    yield one
    one.close()


@pytest.fixture
def supervisor(tmp_path: Path, nursery: Nursery) -> Iterator[Callable[..., Supervisor]]:
    """`supervisor({"name": definition})`: a running `kettlingard up`; stopped at the end.

    Every stop asserts that no process, socket, lock or pid file is left.
    """
    started: list[Supervisor] = []

    def start(definitions: Mapping[str, str], *arguments: str) -> Supervisor:
        texts = {name: textwrap.dedent(text) for name, text in definitions.items()}
        one = Supervisor(texts, src=tmp_path / "src", port=helpers.pick_port(), nursery=nursery)
        started.append(one)
        return one.start(*arguments)

    try:
        yield start
        for one in started:
            one.stop()
    finally:
        for one in started:
            one.abandon()
            shutil.rmtree(one.home, ignore_errors=True)
