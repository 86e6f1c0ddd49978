import pytest
from hypothesis import given
from hypothesis import strategies as st

from kettlingard.core import addresses, amounts, values
from kettlingard.core.keys import keys_of
from kettlingard.core.listeners import ListenerSpec
from kettlingard.core.parse import Problem, Source, parse
from kettlingard.core.spec import TABLES, ServiceSpec


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [(3, 3), (0.5, 0.5), ("250ms", 0.25), ("1m30s", 90), ("12h", 43200), ("2 min", 120), ("1.5d", 129600), ("0s", 0)],
)  # fmt: skip
def test_durations(given_, seconds):
    assert amounts.DURATION.read(given_) == seconds


@pytest.mark.parametrize(
    "wrong", [-1, True, "30", "s", "1x", "1s!", "", [], float("inf"), float("nan")]
)
def test_what_is_no_duration_is_refused(wrong):
    with pytest.raises(ValueError, match="is not a duration"):
        amounts.DURATION.read(wrong)


@pytest.mark.parametrize(
    ("given_", "size"), [(10, 10), ("256M", 256 << 20), ("1.5 GiB", 3 << 29), ("4KB", 4096)]
)
def test_sizes(given_, size):
    assert amounts.SIZE.read(given_) == size


@pytest.mark.parametrize("wrong", [-1, "much", 1.5, True, "1X"])
def test_what_is_no_size_is_refused(wrong):
    with pytest.raises(ValueError, match="is not a size"):
        amounts.SIZE.read(wrong)


@pytest.mark.parametrize(("kind", "given_", "found"), [
    (values.LIMIT, "infinity", -1), (values.LIMIT, 4096, 4096),
    (values.OCTAL, "0027", 0o027), (values.OCTAL, "077", 0o077),
    (values.SIGNAL, "SIGINT", 2), (values.EXIT_STATUS, "SIGKILL", -9), (values.EXIT_STATUS, 78, 78),
    (values.PUBLIC, "all", None), (values.PUBLIC, "none", ()), (values.PUBLIC, ["a"], ("a",)),
    (values.RULES, {"m": ["any"]}, {"m": ("any",)}), (addresses.ADDRESS, "/x.sock", "/x.sock"),
    (values.between(1, 3), 3, 3),
])  # fmt: skip
def test_other_kinds(kind, given_, found):
    assert kind.read(given_) == found


@pytest.mark.parametrize(("kind", "wrong", "why"), [
    (values.OCTAL, "999", "octal"), (values.SIGNAL, "SIGFOO", "a signal"), (values.SIGNAL, 9, "a signal"),
    (values.EXIT_STATUS, 256, "exit status"), (values.PUBLIC, "some", '"all", "none"'),
    (values.RULES, ["any"], "a table"), (addresses.ADDRESS, "80", "host:port"), (addresses.ADDRESS, "x:y", "a port"),
    (values.TEXT, "a\0b", "NUL"), (values.BOOL, 1, "true or false"), (values.between(1, 3), 4, "is not in 1..3"),
    (values.LIMIT, -1, "less than 0"), (values.list_of(values.TEXT), "x", "a list"),
])  # fmt: skip
def test_other_kinds_say_why_not(kind, wrong, why):
    with pytest.raises(ValueError, match=why):
        kind.read(wrong)


def test_long_values_are_cut_in_messages():
    assert len(values.show("x" * 1000)) == 60


GOOD = """
[service]
kitten = "a.b:C"
python_path = ["..", "/x"]
timeout_stop = "1m30s"   # comment
[config]
word = '''
many lines'''
[[listen]]
name = "http"
stream = "127.0.0.1:80"
[access.methods]
x = ["uid:root"]
"""


@given(st.integers(0, len(GOOD)))
def test_a_half_written_file_is_a_definition_or_has_problems(length):
    found = parse("a", [Source("/f.toml", GOOD[:length])])
    assert isinstance(found, ServiceSpec) or all(isinstance(one, Problem) for one in found)


KEYS = [f"{table}.{key}" for table, cls in TABLES.items() for key in keys_of(cls)]
KEYS += [f"listen.{key}" for key in keys_of(ListenerSpec)] + [
    "service",
    "listen",
    "config",
    "environment.A",
]
VALUES = [
    "1",
    "-1",
    "true",
    '"x"',
    "[]",
    '["x"]',
    "{}",
    "{a = 1}",
    "1.5",
    "nan",
    "[[1]]",
    '""',
    "1979-05-27",
]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=6))
def test_no_value_of_no_key_makes_parsing_fail(pairs):
    text = "\n".join(f"{key} = {value}" for key, value in pairs)
    found = parse("a", [Source("/f.toml", text)])
    assert found
    if isinstance(found, list):
        assert all(str(one).startswith("/f.toml") for one in found)


def test_every_key_of_the_contract_has_a_sentence_and_a_change_class():
    for cls in (*TABLES.values(), ListenerSpec):
        for name, key in keys_of(cls).items():
            assert key.doc, name
            assert key.change, name
