import pytest

from tests.integration.daemon.kittens import STEADY, STUBBORN, definition

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
