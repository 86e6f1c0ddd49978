"""Arguments as they came, matched with a signature."""

from functools import wraps

import pytest

from kettlingar.api.binding import bind, check
from kettlingar.api.methods import read_methods
from kettlingar.errors import BadRequest, NotFound


def outer(function):
    @wraps(function)
    async def wrapper(kitten, asked, *args, **kwargs):
        return await function(kitten, asked, *args, **kwargs)

    return wrapper


class Kitten:
    async def api_purr(self, request_info, count: int = 1, purr: str = "purr"): ...

    async def api_need(self, request_info, name, /, size: int, *, deep: bool): ...

    async def api_many(self, request_info, first: int, *rest: int): ...

    async def api_open(self, request_info, known: int = 0, /, **others: float): ...

    async def api_any(self, request_info, **others): ...

    async def api_any_old(self, method, headers, body, **others): ...

    async def api_any_at_all(self, request_info, /, **others): ...

    @outer
    async def api_wrapped(self, request_info, kitten: int = 1, **others): ...

    async def api_maybe(self, request_info, count: int = None): ...  # noqa: RUF013

    async def api_none(self, request_info): ...

    async def api_old(self, method, headers, body, a, b: int = 2): ...


def bound(name, /, *args, **kwargs):
    return bind(read_methods(Kitten).find(name, private=True), args, kwargs)


def refusal(name, /, *args, **kwargs):
    with pytest.raises(BadRequest) as caught:
        bound(name, *args, **kwargs)
    return str(caught.value)


def test_arguments_may_come_by_place_or_by_name():
    assert bound("purr", 2, "rarr") == ([2, "rarr"], {})
    assert bound("purr", 2, purr="rarr") == ([2], {"purr": "rarr"})
    assert bound("purr") == ([], {})


def test_texts_become_what_the_annotations_say():
    assert bound("purr", "0x1f") == ([31], {})
    assert bound("need", b"raw", size="3", deep="yes") == ([b"raw"], {"size": 3, "deep": True})
    assert bound("old", "x", b="0b1") == (["x"], {"b": 1})


def test_more_arguments_are_converted_too():
    assert bound("many", "1", "2", "3") == ([1, 2, 3], {})
    assert bound("open", "1", x="1.5", known="2") == ([1], {"x": 1.5, "known": 2.0})


def test_none_is_taken_where_it_is_the_default():
    assert bound("maybe", None) == ([None], {})
    assert "not NoneType None" in refusal("purr", None)


def test_a_wrong_value_names_argument_type_and_value_in_pythons_words():
    assert refusal("purr", "abc") == (
        "cannot call purr: count is to be int, not str 'abc':"
        " invalid literal for int() with base 10: 'abc'"
    )


def test_unknown_names_are_named_all_at_once():
    text = refusal("purr", nope=1, __class__=2)
    assert "there is no argument 'nope'" in text
    assert "there is no argument '__class__'" in text
    assert text.endswith("it takes (count=, purr=)")


def test_missing_arguments_are_named_all_at_once():
    text = refusal("need")
    assert all(f"{name} is missing" in text for name in ("name", "size", "deep"))
    assert "b" not in refusal("old").split(";")[0].split(": ")[1].split()


def test_an_argument_that_is_given_twice_is_named():
    assert "count is given twice" in refusal("purr", 1, count=2)


def test_too_many_values_are_refused():
    assert "3 values are given, it takes 2 by place" in refusal("purr", 1, "a", "b")
    assert "1 values are given, it takes 0 by place" in refusal("none", 1)


def test_a_positional_argument_cannot_come_by_name():
    assert "there is no argument 'name'" in refusal("need", name=1, size=1, deep=True)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("any", "self"),
        ("any", "request_info"),
        ("any_old", "self"),
        ("any_old", "method"),
        ("any_old", "body"),
        ("wrapped", "self"),
        ("wrapped", "asked"),
        ("wrapped", "kitten"),
    ],
)
def test_a_method_that_takes_any_name_names_those_that_python_fills_itself(method, name):
    assert f"{name} cannot be sent by name" in refusal(method, **{name: 1, "other": 2})


def test_any_other_name_is_taken_where_any_is():
    others = {"method": 1, "args": 2, "kwargs": 3, "function": 4}
    assert bound("any", **others) == ([], others)
    assert bound("any_at_all", self=1, request_info=2) == ([], {"self": 1, "request_info": 2})
    assert bound("wrapped", 5, other=1) == ([5], {"other": 1})


def test_names_that_are_no_text_are_refused_even_where_any_name_is_taken():
    method = read_methods(Kitten).find("open", private=True)
    with pytest.raises(BadRequest, match="there is no argument 5"):
        bind(method, [], {5: 1})


def test_what_does_not_fit_is_known_without_looking_at_values():
    method = read_methods(Kitten).find("purr", private=True)
    check(method, ["not a number"], {})
    with pytest.raises(BadRequest):
        check(method, [], {"nope": 1})


def test_an_author_may_convert_by_a_rule_of_their_own():
    method = read_methods(Kitten).find("need", private=True)
    seen = []

    def convert(rule, value):
        seen.append(rule)
        return rule(value) * 2

    assert bind(method, ["as it is", "3"], {"deep": 1}, convert) == (["as it is", 6], {"deep": 2})
    assert seen == [int, bool]


def test_an_authors_own_status_passes():
    def convert(rule, value):
        raise NotFound("no such thing")

    with pytest.raises(NotFound):
        bind(read_methods(Kitten).find("purr", private=True), [1], {}, convert)


def test_whatever_a_constructor_raises_is_the_callers_fault():
    class Fussy:
        def __init__(self, text):
            raise RuntimeError("not today")

    class Other:
        async def api_x(self, request_info, a: Fussy): ...

    with pytest.raises(BadRequest, match=r"a is to be .*Fussy, not str 'x': not today"):
        bind(read_methods(Other).find("x", private=True), ["x"], {})


@pytest.mark.parametrize("value", ["x" * 10**6, [0] * 10**6, 10**4000, {"a": "b" * 10**6}])
def test_a_huge_wrong_value_makes_a_short_error(value):
    class Other:
        async def api_x(self, request_info, a: bool): ...

    with pytest.raises(BadRequest) as caught:
        bind(read_methods(Other).find("x", private=True), [value], {})
    assert len(str(caught.value)) < 300
