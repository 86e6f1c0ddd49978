import shutil
from contextlib import contextmanager

import pytest

from tests.helpers import pick_port
from tests.integration.daemon.kittens import STEADY, STUBBORN, definition
from tests.supervision import Supervisor

LISTEN = 'listen = ["127.0.0.1:{port}"]\n'


@pytest.fixture
def modules(service_module):
    """The services' modules, outside of the repository."""
    service_module("steady", STEADY)
    return service_module("stubborn", STUBBORN)


@pytest.fixture
def steady(supervisor, modules):
    """`steady(more)`: a supervisor with one ready service on its port."""

    def start(more="", **others):
        one = supervisor({"steady": definition("steady:Steady", LISTEN + more), **others})
        one.ready("steady")
        return one

    return start


@contextmanager
def shared(texts, src, nursery):
    """A supervisor for all tests of a module; each has services of its own."""
    one = Supervisor(texts, src=src, port=pick_port(), nursery=nursery)
    try:
        one.start()
        yield one
        one.stop()
    finally:
        one.abandon()
        shutil.rmtree(one.home, ignore_errors=True)
