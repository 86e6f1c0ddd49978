"""One service, one suite, by every way (ways.WAYS) and on both event loops."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kettlingar import (
    BadRequest,
    Conflict,
    HttpError,
    NeedInfoException,
    NotFound,
    RemoteError,
    TooManyRequests,
    Unavailable,
)

from .ways import WAYS


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def by(way, run_async, loop_kind):
    """`by(check)`: run `check(caller)` by this way, on this loop."""

    def run(check):
        async def main():
            async with way.caller() as (caller, _):
                await check(caller)

        run_async(main())

    return run


VALUES = [
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, -0.0, 1e308, "", "mjá \U0001f408",
    "\0", "a\r\nb", b"", b"\0\xff", [], {}, [[], [None, {}]], {"": 0, "b": {"c": [b"d"]}}, "x" * 70_000,
    2**64, -(2**200), list(range(1000)), {"_args": [1]}, "__class__",
]  # fmt: skip


def test_plain_values_come_back_as_they_went(by):
    async def check(caller):
        for value in VALUES:
            assert await caller.call("echo", value) == {"value": value, "times": 1}, repr(value)[
                :60
            ]

    by(check)


def test_arguments_go_by_place_and_by_name(by):
    async def check(caller):
        assert await caller.call("echo", 1, times=2) == {"value": 1, "times": 2}
        assert await caller.call("echo", value=1, times="0x1f") == {"value": 1, "times": 31}
        assert await caller.call("echo") == {"value": None, "times": 1}

    by(check)


def test_results_with_a_type_say_so(by):
    async def check(caller):
        text = {"mimetype": "text/plain", "data": "Meow wörld\n"}
        assert await caller.call("meow") == text
        assert await caller.call("page") == {"mimetype": "text/html", "data": "<p>mjá</p>"}
        picture = {"mimetype": "image/png", "data": b"\x89PNG\r\n\x1a\n\0"}
        assert await caller.call("picture") == picture

    by(check)


def test_every_kind_of_method_is_reached_by_its_name(by):
    async def check(caller):
        assert await caller.call("pair") == [1, 2]
        assert await caller.call("nothing") is None
        assert await caller.call("plain_function", "21") == 42
        assert await caller.call("legacy", count="3") == {"method": "POST", "count": 3}
        assert await caller.call("both") == "private"
        assert await caller.call("config") == "a name that the class has too"
        assert await caller.call("visit", "me") == {"visits": "me"}
        assert await caller.call("alias", 5) == {"value": 5, "times": 1}

    by(check)


def test_own_methods_are_called_from_inside(by):
    async def check(caller):
        echo, purrs = await caller.call("inside")
        assert echo == {"value": 1, "times": 1}
        assert purrs == [{"purr": "purr"}, {"purr": "purrpurr"}]

    by(check)


WRITTEN = {
    "n": ("0b101", 5), "x": ("1e3", 1000.0), "yes": ("y", True), "text": (7, "7"),
    "raw": ("mjá", "mjá".encode()), "maybe": ("12", 12), "many": ("[1, 2]", [1, 2]),
    "table": ({"a": "1"}, {"a": 1}), "way": ("out", "out"), "mood": ("wild", "WILD"),
    "when": ("2020-02-29T00:00:00Z", 2020), "path": ("/tmp/x", ["PosixPath", "/tmp/x"]),
}  # fmt: skip


def test_annotations_convert(by):
    async def check(caller):
        given = {name: text for name, (text, _) in WRITTEN.items()}
        got = await caller.call("convert", **given)
        assert got == {name: value for name, (_, value) in WRITTEN.items()}
        assert await caller.call("basket", {"width": "3"}) == ["Basket", 6, "basket", None]
        toy = {"name": "mouse", "squeaks": True}
        assert await caller.call("basket", '{"width": 1}', toy=toy) == ["Basket", 2, "basket", True]

    by(check)


WRONG = [
    ({"n": "elephant"}, "n is to be int.*elephant.*invalid literal for int"),
    ({"n": "9" * 5000}, "n is to be int"),
    ({"n": 1.5}, "n is to be int.*1.5"),
    ({"x": "nix"}, "x is to be float"),
    ({"yes": "maybe"}, "yes is to be bool.*maybe"),
    ({"text": b"\xff"}, "text is to be str"),
    ({"many": ["1", "b"]}, "many is to be"),
    ({"table": [1]}, "table is to be"),
    ({"way": "up"}, "way is to be.*in, out"),
    ({"mood": "sad"}, "mood is to be Mood"),
    ({"when": "the day after"}, "when is to be"),
    ({"bogus": 1}, "bogus"),
    ({"__class__": 1}, "__class__"),
]


def test_a_wrong_argument_is_named_and_nothing_runs(by):
    async def check(caller):
        for arguments, named in WRONG:
            with pytest.raises(BadRequest, match=named):
                await caller.call("convert", **arguments)
        for given, named, told in (
            (("basket",), {}, "basket is missing"),
            (("echo", 1), {"value": 2}, "twice"),
            (("echo", 1, 2), {}, "it takes 1 by place"),
            (("count", 1), {}, "count"),
            (("any",), {"self": 1}, "self cannot be sent by name"),
            (("any",), {"x": 1, "request_info": 1}, "request_info cannot be sent by name"),
        ):
            with pytest.raises(BadRequest, match=told):
                await caller.call(*given, **named)
        others = {"name": 1, "method": 2, "args": 3, "call": 4, "call_id": 5}
        assert await caller.call("any", **others) == others
        assert await caller.call("count") == 1

    by(check)


def test_streams_give_their_items_one_by_one(by):
    async def check(caller):
        assert await caller.items("purr", "3", purr="rr") == [
            {"purr": "rr"}, {"purr": "rrrr"}, {"purr": "rrrrrr"},
        ]  # fmt: skip
        assert await caller.items("purr", 0) == []
        lines = [{"mimetype": "text/plain", "data": text} for text in ("one\n", "two\n")]
        assert await caller.items("lines") == lines
        much = await caller.items("much", 200, 5_000)
        assert [number for number, _ in much] == list(range(200))
        assert all(data == b"x" * 5_000 for _, data in much)

    by(check)


def test_an_error_within_a_stream_comes_after_its_items(by, way):
    async def check(caller):
        with pytest.raises(Conflict, match="no more"):
            await caller.items("breaks")
        for mimetype in ("text/plain", "text/event-stream", "image/png"):
            with pytest.raises(Conflict, match="no more"):
                await caller.items("breaks_typed", mimetype)
        with pytest.raises(Unavailable, match="not now"):
            await caller.items("breaks_at_once")
        with pytest.raises(BadRequest, match="count is to be int"):
            await caller.items("purr", "many")
        assert await caller.items("purr", 1) == [{"purr": "purr"}]

    by(check)


def test_errors_are_raised_as_what_they_are(by):
    async def check(caller):
        for what, kind, text in (
            ("permission", PermissionError, "not you"),
            ("redirect", IOError, "elsewhere"),
            ("conflict", Conflict, "taken"),
            ("many", TooManyRequests, "slowly"),
            ("unavailable", Unavailable, "later"),
            ("key", RuntimeError, r"KeyError.*nothing here"),
            ("key", RemoteError, r"KeyError.*nothing here"),
        ):
            with pytest.raises(kind, match=text):
                await caller.call("raises", what)
        with pytest.raises(NeedInfoException, match="a word") as need:
            await caller.call("raises", "need")
        assert need.value.needed_vars == ["password"]
        assert need.value.resource == "the vault"
        for kind in (KeyError, NotFound):
            with pytest.raises(kind, match="no such method: nosuch"):
                await caller.call("nosuch")
        assert await caller.call("count") == 1

    by(check)


def test_a_status_of_the_authors_choice_keeps_its_text(by):
    async def check(caller):
        with pytest.raises((HttpError, RemoteError), match="short and stout"):
            await caller.call("raises", "teapot")

    by(check)


def test_an_error_text_that_no_encoding_can_carry_is_still_an_error(by, caplog):
    caplog.set_level(logging.CRITICAL)  # pytest's own report could not carry it either

    async def check(caller):
        with pytest.raises(RemoteError, match="no such file"):
            await caller.call("raises", "surrogate")
        assert await caller.call("count") == 1

    by(check)


NAMES = ["__class__", "a.b", "..", "../count", "/count", "config.secret", "api_count", "é", "%2e",
         "%63ount", "a b", "a?b", "a#b", "count/", "count?", "\0", "call", "to_json", "Configuration"]  # fmt: skip


def test_a_name_that_is_no_method_reaches_nothing(by):
    async def check(caller):
        for name in NAMES:
            with pytest.raises((KeyError, ValueError, PermissionError)):  # outside of the prefix
                await caller.call(name)
        assert await caller.call("count") == 1

    by(check)


def test_open_files_travel_both_ways_or_are_refused_at_once(by, way, tmp_path):
    paths = [tmp_path / str(i) for i in range(5)]
    for path in paths:
        path.write_text(f"poem {path.name}")

    async def check(caller):
        for mode, text in (("r", "poem 0"), ("rb", b"poem 0")):
            with open(paths[0], mode) as file:
                if way.files:
                    assert await caller.call("cat", file) == text
                else:
                    with pytest.raises(ValueError, match="TCP"):
                        await caller.call("cat", file)
        if way.files:
            files = await caller.call("open", *map(str, paths))
            texts = [file.read() for file in files]
            for file in files:
                file.close()
            assert texts == [path.read_bytes() for path in paths]
        else:
            with pytest.raises(BadRequest, match="unix socket"):
                await caller.call("open", str(paths[0]))
        assert await caller.call("count") == 1

    by(check)


def test_many_calls_at_once_get_their_own_answers(by):
    async def check(caller):
        calls = [caller.call("echo", [number, b"x" * (number * 97 % 3000)]) for number in range(60)]
        answers = await asyncio.gather(*calls)
        assert [answer["value"][0] for answer in answers] == list(range(60))

    by(check)
