"""How methods are told to people and programs."""

import json
from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path

import msgpack

from kettlingar.api.describe import help_method, help_overview, method_record, signature, usage
from kettlingar.api.methods import read_methods


class Size(Enum):
    SMALL = "s"


class Kitten:
    async def api_purr(self, request_info, count: int = 1, *, soft: bool) -> AsyncIterator[str]:
        """Purr.

        More about it.
        """
        yield "purr"

    async def public_api_meow(self, request_info, *words: str, to=None, **more): ...

    async def api_meow(self, request_info, to: Path = Path("/x"), size: Size = Size.SMALL): ...

    async def api_config(self, request_info): ...


TABLE = read_methods(Kitten)
PURR = TABLE.find("purr", private=True)
MEOW = TABLE.find("meow", private=False)


def test_signatures_are_written_as_python_does():
    assert signature(PURR) == "purr(count: int = 1, *, soft: bool) -> AsyncIterator[str]"
    assert signature(MEOW) == "meow(*words: str, to=None, **more)"


def test_usage_is_written_as_a_shell_does():
    assert usage(PURR) == "purr [COUNT] --soft=…"
    assert usage(MEOW) == "meow [WORDS …] [--to=…] [--NAME=VALUE …]"


def test_a_record_is_plain_data():
    assert method_record(PURR) == {
        "name": "purr",
        "access": "private",
        "raw": False,
        "streams": True,
        "arguments": [
            {"name": "count", "type": "int", "required": False, "kind": "any", "default": 1},
            {"name": "soft", "type": "bool", "required": True, "kind": "keyword"},
        ],
        "returns": "AsyncIterator[str]",
    }
    for method in TABLE:
        record = method_record(method, docs=True)
        assert json.loads(json.dumps(record)) == record
        assert msgpack.unpackb(msgpack.packb(record)) == record


def test_docs_come_only_when_asked_for():
    assert "doc" not in method_record(PURR)
    assert method_record(PURR, docs=True)["doc"] == "Purr.\n\nMore about it."


def test_the_overview_has_each_method_once_with_its_first_line():
    text = help_overview("kitten - a cat", TABLE, "python3 -m kitten")
    assert text.startswith("kitten - a cat\n\nUsage: python3 -m kitten ")
    assert text.count("\n  meow") == 1
    assert "purr [COUNT] --soft=…" in text
    assert "Purr.\n" in text
    assert "More about it" not in text
    assert text.count("\n  config") == 1  # as a command, not as a method too


def test_help_of_a_method_tells_all_of_it():
    text = help_method(PURR, "kitten")
    assert text.startswith("Usage: kitten purr [COUNT] --soft=…\n\nPurr.\n\nMore about it.\n")
    assert "--count  int, default 1\n" in text
    assert "--soft   bool, required\n" in text
    assert "private: needs credentials; streams its results" in text


def test_a_service_without_methods_or_words_has_help_too():
    text = help_overview("", [], "cat")
    assert text.startswith("Usage: cat ")
    assert "Methods" not in text


def test_a_long_usage_has_its_text_on_the_next_line():
    class Long:
        async def api_x(self, request_info, a_very_long_name_of_an_argument: int = 1, /, *b): ...

    text = help_overview("", read_methods(Long), "cat")
    assert "\n  x [A_VERY_LONG_NAME_OF_AN_ARGUMENT] [B …]\n" in text
    told = help_method(read_methods(Long).find("x", private=True), "cat")
    assert "A_VERY_LONG_NAME_OF_AN_ARGUMENT  int, default 1" in told
    assert "B …                              any value, any number" in told


def test_a_method_named_like_a_command_is_called_by_call():
    class Own:
        async def api_stop(self, request_info, **more): ...

    text = help_method(read_methods(Own).find("stop", private=True), "cat")
    assert text.startswith("Usage: cat call stop [--NAME=VALUE …]\n\n(no description)\n")
    assert "--NAME  any value, any number" in text


def test_defaults_of_any_kind_become_plain_data():
    class Odd:
        async def api_x(self, request_info, a=(1, Path("/")), b={"k": Size.SMALL}): ...  # noqa: B006

    arguments = method_record(read_methods(Odd).find("x", private=True))["arguments"]
    assert [a["default"] for a in arguments] == [[1, "/"], {"k": "s"}]
