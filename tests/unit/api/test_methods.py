"""Which functions of a class become methods, and what is known of them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kettlingar.api.methods import EMPTY, MethodTable, read_assigned, read_methods, read_object

if TYPE_CHECKING:
    from nowhere import Missing


class Kitten:
    api_url = "http://not-a-method"

    async def public_api_meow(self, request_info):
        """Meow."""

    async def api_meow(self, request_info, loud: bool = False):
        """Meow, for friends."""

    async def api_purr(self, _request, count: int = 1, *more: str, soft: Path, **others: int):
        yield count

    async def api_old(self, method, headers, body, name="x"): ...

    async def raw_talk(self, request_info): ...

    async def public_raw_sing(self, request_info): ...

    def api_key(self):
        """A helper of the author's, that nobody may call."""

    @property
    def api_addr(self):
        raise AssertionError("reading a class must not run its properties")


def find(name: str, *, private: bool = True, of: type = Kitten) -> Any:
    return read_methods(of).find(name, private=private)


def test_the_prefix_says_who_may_call_and_who_writes_the_answer():
    found = {(m.name, m.public, m.raw) for m in read_methods(Kitten)}
    assert found == {
        ("meow", True, False),
        ("meow", False, False),
        ("purr", False, False),
        ("old", False, False),
        ("talk", False, True),
        ("sing", True, True),
    }


def test_data_properties_and_plain_helpers_are_no_methods():
    assert read_methods(Kitten).names() == ["meow", "old", "purr", "sing", "talk"]


def test_callers_with_credentials_get_the_private_one_of_a_pair():
    assert find("meow").attribute == "api_meow"
    assert find("meow", private=False).attribute == "public_api_meow"


def test_without_credentials_private_methods_are_not_there():
    assert find("purr", private=False) is None
    assert find("sing", private=False) is not None


@pytest.mark.parametrize("name", ["__class__", "api_meow", "a.b", "../x", "", "key", "url"])
def test_nothing_but_the_table_can_be_found(name):
    assert find(name) is None


def test_arguments_are_those_after_self_and_the_request():
    purr = find("purr")
    assert [(p.name, p.annotation) for p in purr.parameters] == [("count", int), ("soft", Path)]
    assert purr.var_args.annotation is str
    assert purr.var_kwargs.annotation is int
    assert purr.streams


def test_the_older_spelling_is_known_by_its_three_names():
    old = find("old")
    assert old.legacy
    assert [(p.name, p.annotation, p.default) for p in old.parameters] == [("name", EMPTY, "x")]
    assert not find("meow").legacy


def test_annotations_written_as_text_are_resolved():
    class Texts:
        async def api_x(self, request_info, a: "int", b: "list[Path]" = ()): ...  # noqa: UP037

    assert [p.annotation for p in find("x", of=Texts).parameters] == [int, list[Path]]


def test_a_return_type_that_only_checkers_know_stays_text():
    class Returns:
        async def api_x(self, request_info: Missing) -> Missing: ...

    assert find("x", of=Returns).returns == "Missing"


def test_an_annotation_that_means_nothing_names_class_method_and_argument():
    class Broken:
        async def api_x(self, request_info, thing: Missing): ...

    with pytest.raises(TypeError, match=r"Broken\.api_x, argument thing: 'Missing'"):
        read_methods(Broken)


def test_a_method_without_place_for_the_request_is_refused():
    class Empty:
        async def api_x(self): ...

    with pytest.raises(TypeError, match=r"Empty\.api_x: it takes no request"):
        read_methods(Empty)


def test_a_plain_generator_is_refused():
    class Plain:
        def api_x(self, request_info):
            yield 1

    with pytest.raises(TypeError, match="plain generator"):
        read_methods(Plain)


def test_two_methods_of_one_name_and_access_are_an_error_that_names_both():
    class Clash:
        async def api_x(self, request_info): ...

        async def raw_x(self, request_info): ...

    with pytest.raises(TypeError, match=r"Clash\.api_x and .*Clash\.raw_x"):
        read_methods(Clash)


def test_the_whole_class_tree_counts_and_the_nearest_wins():
    class Mixin:
        async def public_api_metrics(self, request_info): ...

    class Child(Kitten, Mixin):
        async def api_purr(self, request_info): ...

        api_old = None

    names = read_methods(Child).names()
    assert "metrics" in names
    assert "old" not in names
    assert find("purr", of=Child).owner is Child
    assert find("metrics", of=Child).owner is Mixin


def test_a_decorated_method_keeps_its_signature():
    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Decorated:
        @decorated
        async def api_x(self, request_info, a: int): ...

        @staticmethod
        async def api_static(request_info, b: int): ...

        @classmethod
        async def api_class(cls, request_info, c: int): ...

    names = {m.name: [p.name for p in m.parameters] for m in read_methods(Decorated)}
    assert names == {"x": ["a"], "static": ["b"], "class": ["c"]}


def test_methods_of_another_object_are_called_on_that_object():
    other = Kitten()
    methods = read_object(other)
    assert {m.name for m in methods} == {"meow", "purr", "old", "talk", "sing"}
    assert all(m.function(object()).__self__ is other for m in methods)


def test_what_is_assigned_to_an_object_is_a_method_too():
    kitten = Kitten()
    kitten.api_mrow = kitten.api_meow
    kitten.api_count = 3
    (mrow,) = read_assigned(kitten)
    assert (mrow.name, [p.name for p in mrow.parameters]) == ("mrow", ["loud"])
    assert mrow.function(kitten) == kitten.api_mrow


def test_a_table_grows_into_a_new_one_and_clashes_are_named():
    class Other:
        async def api_purr(self, request_info): ...

    class New:
        async def api_hiss(self, request_info): ...

    table = read_methods(Kitten)
    assert table.with_methods(read_object(New())).find("hiss", private=True)
    assert table.find("hiss", private=True) is None
    with pytest.raises(TypeError, match=r"Kitten\.api_purr and .*Other\.api_purr"):
        table.with_methods(read_object(Other()))


def test_assigning_again_is_no_clash():
    kitten = Kitten()
    kitten.api_meow = kitten.api_old
    table = read_methods(Kitten).with_methods(read_assigned(kitten))
    assert [p.name for p in table.find("meow", private=True).parameters] == ["name"]
    table.with_methods(read_assigned(kitten))


def test_an_empty_table_has_no_names():
    assert MethodTable().names() == []
    assert len(read_methods(Kitten)) == 6


def test_the_request_may_be_the_first_of_any_number():
    class Loose:
        async def api_x(self, *args, **kwargs): ...

        def api_wrapped(self, *args): ...

    x = find("x", of=Loose)
    assert (x.parameters, x.var_args.name) == ((), "args")
    assert find("wrapped", of=Loose) is not None
