import pytest

from kettlingar.cli.ctl_args import VERBS, UsageError, help_text, parse
from kettlingar.cli.ctl_words import FOREIGN


def words(line):
    return line.split()


def test_options_may_stand_before_and_after_the_command():
    for line in ("--home x status -o json blog", "status blog --output=json --home=x"):
        command = parse(words(line))
        assert command.verb == "status"
        assert command.words == ["blog"]
        assert command.options == {"home": "x", "output": "json"}


def test_ps_is_status():
    assert parse(["ps"]).verb == "status"


def test_a_methods_arguments_are_kept_as_they_are():
    command = parse(words("call blog/2 add a -5 - --count=3 --dry-run --tag=a --tag=b -o raw"))
    assert command.words == ["blog/2", "add", "a", "-5", "-"]
    assert command.named == {"count": "3", "dry_run": "yes", "tag": ["a", "b"]}
    assert command.options == {"output": "raw"}


def test_after_two_dashes_everything_is_the_methods():
    command = parse(words("call blog wait --timeout 3 -- --timeout=5 -x"))
    assert command.options == {"timeout": 3.0}
    assert command.named == {"timeout": "5"}
    assert command.words == ["blog", "wait", "-x"]


def test_an_empty_value_is_a_value():
    assert parse(["call", "a", "b", "--x="]).named == {"x": ""}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("statsu", "did you mean status?"),
        ("frobnicate", "there are: status, start"),
        ("status --wtach", "did you mean --watch?"),
        ("status -o yaml", "'yaml' is not one of table, wide, json, jsonl"),
        ("status --failed=yes", "--failed takes no value"),
        ("logs -n", "-n needs a value"),
        ("logs -n many", "'many' is not a number of lines"),
        ("wait blog --timeout soon", "'soon' is not a duration"),
        ("wait", "usage: kettlingar ctl wait SERVICE"),
        ("wait a b", "'b' is too much"),
        ("call blog", "usage: kettlingar ctl call SERVICE"),
        ("restart", "say --all for all of them"),
        ("restart --all blog", "names and --all together"),
        ("logs blog --since soon", "'soon' is neither a time nor a duration such as 10m"),
        ("logs blog --level loud", "loud"),
        ("call a b --call-timeout=3", "is for Python callers"),
        ("reread", "here it is: kettlingar ctl plan"),
        ("tail blog", "here it is: kettlingar ctl logs SERVICE -f"),
        ("ls", "here it is: kettlingar ctl status"),
        ("daemon-reload", "it is not needed"),
        ("up", "here it is: kettlingard up"),
    ],
)
def test_mistakes_are_answered_with_what_to_type(line, said):
    with pytest.raises(UsageError) as caught:
        parse(words(line))
    assert said in str(caught.value)


def test_no_word_is_both_known_and_foreign_or_later():
    assert not VERBS.keys() & FOREIGN.keys()


def test_every_foreign_word_leads_to_one_that_there_is_or_will_be():
    for instead, why in FOREIGN.values():
        verb = instead.split(" ")[0]
        assert why or verb in VERBS


@pytest.mark.parametrize("line", ["", "help", "-h", "--help", "help restart"])
def test_help_is_a_command(line):
    assert parse(words(line)).verb == "help"


def test_a_commands_own_help_needs_none_of_its_words():
    assert parse(["restart", "--help"]).options == {"help": True}


def test_help_shows_every_command_and_every_option():
    assert all(name in help_text() for name in VERBS)
    for name, verb in VERBS.items():
        assert all(option.names[-1] in help_text(name) for option in verb.options)
