"""Methods that ask for their connection: where it goes among the arguments."""

from typing import Annotated

import pytest

from kettlingar.api.binding import bind
from kettlingar.api.describe import signature
from kettlingar.api.methods import read_methods
from kettlingar.api.takeover import TakesConnection


class Wire(TakesConnection):
    pass


class Service:
    async def api_last(self, request_info, room: str, wire: Wire):
        pass

    async def api_first(self, request_info, wire: "Wire", room: str = "hall"):
        pass

    async def api_named(self, request_info, room: str = "hall", *, wire: Annotated[Wire, 1, "two"]):
        pass

    async def api_none(self, request_info, room: Annotated[str, Wire]):
        pass


METHODS = read_methods(Service)


def called(name, *args, **kwargs):
    """The arguments with which the method is called."""
    method = METHODS.find(name, private=True)
    given, named = bind(method, args, kwargs)
    wire = Wire()
    method.takeover.put(wire, given, named)
    mark = {wire: "WIRE"}.get
    return [mark(v, v) for v in given], {k: mark(v, v) for k, v in named.items()}


def test_it_goes_where_the_signature_has_it():
    assert called("last", "attic") == (["attic", "WIRE"], {})
    assert called("last", room="attic") == ([], {"room": "attic", "wire": "WIRE"})
    assert called("first", "attic") == (["WIRE", "attic"], {})
    assert called("first", room="attic") == (["WIRE"], {"room": "attic"})
    assert called("named", "attic") == (["attic"], {"wire": "WIRE"})


def test_callers_neither_see_nor_send_it():
    assert signature(METHODS.find("last", private=True)) == "last(room: str)"
    with pytest.raises(ValueError, match="wire"):
        bind(METHODS.find("last", private=True), ["attic"], {"wire": 1})


def test_what_is_annotated_beside_it_is_kept():
    assert METHODS.find("named", private=True).takeover.options == (1, "two")
    assert METHODS.find("last", private=True).takeover.options == ()
    assert METHODS.find("none", private=True).takeover is None


def test_there_is_one_connection():
    class Twice:
        async def api_two(self, request_info, a: Wire, b: Wire):
            pass

    with pytest.raises(TypeError, match=r"Twice.api_two: a and b are both the connection"):
        read_methods(Twice)
