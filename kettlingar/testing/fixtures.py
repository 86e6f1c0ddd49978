"""Fixtures: `pytest_plugins = ["kettlingar.testing"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kettlingar.kitten import RPCKitten

from .outside import Served, served, started

Start = Callable[..., Served]


@pytest.fixture
def run_kitten() -> Iterator[Start]:
    """`run_kitten(MyKitten, "--name=value")`: it runs in this process until the test ends."""
    with ExitStack() as stack:

        def run(kitten_class: type[RPCKitten], *args: str) -> Served:
            return stack.enter_context(served(kitten_class, args))

        yield run


@pytest.fixture
def start_kitten() -> Iterator[Start]:
    """`start_kitten(MyKitten, "--name=value")`: a process of its own until the test ends."""
    with ExitStack() as stack:

        def start(kitten_class: type[RPCKitten], *args: str) -> Served:
            return stack.enter_context(started(kitten_class, args))

        yield start
