"""What is remembered of a request's admission, and when it counts no more."""

import pytest
from msgspec.structs import replace

from kettlingar import RequestInfo, RPCKitten
from kettlingar.api.access import NOBODY, Caller
from kettlingar.requests.admission import MOST_KNOWN, Gate
from kettlingar.requests.serving import Hooks, Origin, Settings
from kettlingar.wire.content import Kind
from kettlingar.wire.http11 import RequestHead

SETTINGS = Settings(secret="s" * 20)
CALLER = Origin(trusted=True, tcp=False, caller=Caller(uid=1, methods=frozenset({"purr"})))
MASTER = Origin(trusted=True, tcp=False, caller=Caller(uid=1))


class Cat(RPCKitten):
    """A kitten."""

    async def api_purr(self, _request):
        """Needs credentials."""

    async def public_api_meow(self, _request):
        """Needs none."""


class Way:
    """A connection, as far as it matters here."""

    def __init__(self, context):
        self.context = context


@pytest.fixture
def gate():
    return Gate(Cat(), SETTINGS, Hooks())


def head_for(name, **headers):
    raw = f"GET /{name} {headers}".encode()  # all that counts is which bytes they are
    return RequestHead(
        "GET", f"/{name}", f"/{name}", "", headers, False, True, False, False, None, raw
    )


def admit(gate, head, origin=CALLER):
    request = RequestInfo(head, b"", NOBODY, Kind.JSON)
    return gate.admit(request, origin, gate.memory(origin))


def known(gate, head, origin=CALLER):
    """What is remembered of such a head, if it still holds."""
    usual = gate.memory(origin).get(head.raw)
    return usual if usual is not None and usual.holds else None


def test_a_head_that_comes_again_is_admitted_as_before(gate):
    head = head_for("purr")
    assert known(gate, head, MASTER) is None
    method = admit(gate, head, MASTER)
    usual = known(gate, head, MASTER)
    assert (usual.method, usual.head, usual.size) == (method, head, len(head.raw))
    assert usual.at_once


def test_a_head_that_may_mean_something_else_next_time_is_not_kept(gate):
    head = head_for("purr")
    head.raw = b""
    admit(gate, head, MASTER)
    assert gate.memory(MASTER) == {}


def test_a_refusal_is_not_remembered(gate):
    head = head_for("purr")
    with pytest.raises(PermissionError):
        admit(gate, head, Origin())
    assert known(gate, head, Origin()) is None


@pytest.mark.parametrize(
    "other",
    [
        Origin(),
        Origin(tcp=False),
        replace(MASTER, trusted=False),
        replace(MASTER, caller=None),
        replace(MASTER, caller=Caller(uid=1, methods=frozenset({"purr"}))),
        replace(MASTER, caller=Caller(uid=1, methods=frozenset())),
    ],
)
def test_who_came_another_way_is_judged_anew(gate, other):
    head = head_for("purr")
    admit(gate, head, MASTER)
    assert known(gate, head, other) is None


def test_another_caller_with_the_same_rights_shares_what_is_known_but_not_who_it_is(gate):
    head = head_for("purr")
    admit(gate, head, MASTER)
    other = replace(MASTER, caller=Caller(uid=2), number=9)
    request = known(gate, head, other).request(Way(other), b"")
    assert (request.authed, request.caller.uid) == (True, 2)


def test_who_may_call_some_methods_only_is_remembered_for_one_connection(gate):
    memory = gate.memory(CALLER)
    assert memory is not gate.memory(CALLER)


def test_other_settings_are_asked_again(gate):
    head = head_for("purr")
    admit(gate, head, MASTER)
    usual = known(gate, head, MASTER)
    gate.adjust(replace(SETTINGS, secret="another"))
    assert not usual.holds
    assert known(gate, head, MASTER) is None


def test_other_methods_are_looked_up_again(gate):
    head = head_for("purr")
    admit(gate, head, MASTER)
    gate.service.expose_methods(type("Tail", (), {"api_wag": Cat.api_purr})())
    assert known(gate, head, MASTER) is None


@pytest.mark.parametrize(
    "hook",
    ["validate_request_header", "get_method_name", "get_api_methods", "get_default_methods"],
)
def test_an_author_who_looks_at_requests_sees_each_one(hook):
    async def look(*_args):
        return None

    hooks = Hooks(**{hook: look if hook.startswith("validate") else lambda _request: None})
    gate = Gate(Cat(), SETTINGS, hooks)
    head = head_for("purr")
    admit(gate, head, MASTER)
    usual = known(gate, head, MASTER)
    assert (usual.method, usual.at_once) == (None, False)


def test_it_does_not_remember_without_end(gate):
    heads = [head_for("purr", n=str(n)) for n in range(MOST_KNOWN + 1)]
    for head in heads:
        admit(gate, head, MASTER)
    assert len(gate.memory(MASTER)) <= MOST_KNOWN
