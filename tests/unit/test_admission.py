"""What is remembered of a request's admission, and when it counts no more."""

import pytest
from msgspec.structs import replace

from kettlingar import RequestInfo, RPCKitten
from kettlingar.admission import MOST_KNOWN, Gate
from kettlingar.api.access import NOBODY, Caller
from kettlingar.serving import Hooks, Origin, Settings
from kettlingar.wire.content import Kind
from kettlingar.wire.http11 import RequestHead

SETTINGS = Settings(secret="s" * 20)
CALLER = Origin(trusted=True, tcp=False, caller=Caller(uid=1, methods=frozenset({"purr"})))


class Cat(RPCKitten):
    """A kitten."""

    async def api_purr(self, _request):
        """Needs credentials."""

    async def public_api_meow(self, _request):
        """Needs none."""


@pytest.fixture
def gate():
    return Gate(Cat(), Hooks())


def head_for(name, **headers):
    return RequestHead("GET", f"/{name}", f"/{name}", "", headers, False, True, False, False, None)


def admit(gate, head, origin=CALLER, settings=SETTINGS, *, remember=True):
    request = RequestInfo(head, b"", NOBODY, Kind.JSON)
    return gate.admit(request, origin, settings, remember=remember)


def test_a_head_that_comes_again_is_admitted_as_before(gate):
    head = head_for("purr")
    assert gate.known(head, CALLER, SETTINGS) is None
    method = admit(gate, head)
    known = gate.known(head, CALLER, SETTINGS)
    assert (known.method, known.identity.authorised, known.kind) == (method, True, Kind.JSON)


def test_a_head_that_only_looks_the_same_is_judged_anew(gate):
    admit(gate, head_for("purr"))
    assert gate.known(head_for("purr"), CALLER, SETTINGS) is None


def test_a_head_that_will_not_come_again_is_not_kept(gate):
    head = head_for("purr")
    admit(gate, head, remember=False)
    assert gate.known(head, CALLER, SETTINGS) is None


def test_a_refusal_is_not_remembered(gate):
    head = head_for("purr")
    with pytest.raises(PermissionError):
        admit(gate, head, Origin())
    assert gate.known(head, Origin(), SETTINGS) is None


@pytest.mark.parametrize(
    "other",
    [
        Origin(),
        Origin(tcp=False),
        replace(CALLER, trusted=False),
        replace(CALLER, caller=None),
        replace(CALLER, caller=Caller(uid=2, methods=frozenset({"purr"}))),
        replace(CALLER, caller=Caller(uid=1, methods=frozenset())),
    ],
)
def test_who_came_another_way_is_judged_anew(gate, other):
    head = head_for("purr")
    admit(gate, head)
    assert gate.known(head, other, SETTINGS) is None


def test_another_connection_of_the_same_caller_is_the_same(gate):
    head = head_for("purr")
    admit(gate, head)
    again = Origin(
        trusted=True, tcp=False, caller=Caller(1, None, "", frozenset({"purr"})), number=9
    )
    assert gate.known(head, again, SETTINGS) is not None


def test_other_settings_are_asked_again(gate):
    head = head_for("purr")
    admit(gate, head)
    assert gate.known(head, CALLER, replace(SETTINGS, secret="another")) is None


def test_other_methods_are_looked_up_again(gate):
    head = head_for("purr")
    admit(gate, head)
    gate.service.expose_methods(type("Tail", (), {"api_wag": Cat.api_purr})())
    assert gate.known(head, CALLER, SETTINGS) is None


@pytest.mark.parametrize(
    "hook",
    ["validate_request_header", "get_method_name", "get_api_methods", "get_default_methods"],
)
def test_an_author_who_looks_at_requests_sees_each_one(hook):
    async def look(*_args):
        return None

    hooks = Hooks(**{hook: look if hook.startswith("validate") else lambda _request: None})
    gate = Gate(Cat(), hooks)
    head = head_for("purr")
    admit(gate, head)
    assert gate.known(head, CALLER, SETTINGS) is None


def test_it_does_not_remember_without_end(gate):
    heads = [head_for("purr", n=str(n)) for n in range(MOST_KNOWN + 1)]
    for head in heads:
        admit(gate, head)
    assert sum(gate.known(head, CALLER, SETTINGS) is not None for head in heads) <= MOST_KNOWN
