"""The words after `kettlingar ctl` -> a Command. Pure.

Not argparse: its import alone takes as long as the rest of a `ctl status`, and
its messages cannot say what to do instead.
"""

from __future__ import annotations

from .ctl_verbs import ALIASES, EVERYWHERE, SERVICES, VERBS, Option, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


class UsageError(ValueError):
    """The command line cannot be understood; the text says what to type."""


class Command:
    """What was asked for. `named`: --name=value for the method that is called."""

    def __init__(
        self, verb: str, words: list[str], options: dict[str, Any], named: dict[str, Any]
    ) -> None:
        self.verb = verb
        self.words = words
        self.options = options
        self.named = named


def parse(argv: Sequence[str]) -> Command:
    """Read the words. Raise UsageError; `help` comes back as a verb."""
    options: dict[str, Any] = {}
    rest = _take_options(list(argv), EVERYWHERE, options)
    if not rest or rest[0] == "help" or (options.get("help") and not _known(rest[0])):
        return Command("help", rest[1:], options, {})
    name = ALIASES.get(rest[0], rest[0])
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError(_unknown(name))
    return _parse_verb(name, verb, rest[1:], options)


def _known(name: str) -> bool:
    return name in VERBS or name in ALIASES


def _take_options(argv: list[str], known: Sequence[Option], found: dict[str, Any]) -> list[str]:
    """Take the options before the verb; what is left begins with the verb."""
    table = {name: option for option in known for name in option.names}
    while argv and argv[0].startswith("-"):
        _take_one(argv, table, found, "kettlingar ctl")
    return argv


def _parse_verb(name: str, verb: Verb, argv: list[str], options: dict[str, Any]) -> Command:
    table = {n: option for option in (*verb.options, *EVERYWHERE) for n in option.names}
    words: list[str] = []
    named: dict[str, Any] = {}
    while argv:
        if argv[0] == "--":
            _take_rest(argv[1:], words, named if verb.open else None)
            break
        if not _is_option(argv[0]):
            words.append(argv.pop(0))
        elif verb.open and argv[0].partition("=")[0] not in table and argv[0].startswith("--"):
            _take_named(argv.pop(0), named)
        else:
            _take_one(argv, table, options, f"kettlingar ctl {name}")
    if not options.get("help"):
        _check_words(name, verb, words, options)
    return Command(name, words, options, named)


def _is_option(word: str) -> bool:
    """`-5` and `-` are values."""
    return word.startswith("-") and len(word) > 1 and not word[1].isdecimal()


def _take_rest(argv: list[str], words: list[str], named: dict[str, Any] | None) -> None:
    for word in argv:
        if named is not None and word.startswith("--"):
            _take_named(word, named)
        else:
            words.append(word)


def _take_named(word: str, named: dict[str, Any]) -> None:
    """`--name=value` for a method, `--name` alone means yes; a doubled one makes a list."""
    name, equals, value = word[2:].partition("=")
    name = name.replace("-", "_")
    if name.startswith("call_"):
        raise UsageError(f"kettlingar ctl call: {word} is for Python callers; leave it out")
    new = value if equals else "yes"
    if name not in named:
        named[name] = new
    elif isinstance(named[name], list):
        named[name].append(new)
    else:
        named[name] = [named[name], new]


def _take_one(
    argv: list[str], table: dict[str, Option], found: dict[str, Any], program: str
) -> None:
    word = argv.pop(0)
    name, equals, value = word.partition("=")
    option = table.get(name)
    if option is None:
        raise UsageError(_unknown_option(name, table, program))
    if option.read is None:
        if equals:
            raise UsageError(f"{program}: {name} takes no value ({value!r})")
        found[option.key] = True
        return
    if not equals:
        if not argv:
            raise UsageError(f"{program}: {name} needs a value: {option.doc}")
        value = argv.pop(0)
    try:
        found[option.key] = option.read(value)
    except ValueError as error:
        raise UsageError(f"{program}: {name}: {error}") from error


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    return "".join(get_close_matches(name, known, 1))


def _unknown_option(name: str, table: dict[str, Option], program: str) -> str:
    near = _nearest(name, table)
    hint = f"did you mean {near}?" if near else f"see {program} --help"
    return f"{program}: there is no option {name}; {hint}"


def _check_words(name: str, verb: Verb, words: list[str], options: dict[str, Any]) -> None:
    program = f"kettlingar ctl {name}"
    if verb.usage == SERVICES and bool(words) == bool(options.get("all")):
        why = "names and --all together" if words else "no service named"
        raise UsageError(f"{program}: {why}; name one, or say --all for all of them")
    if len(words) < verb.least:
        raise UsageError(f"{program}: something is missing; usage: {program} {verb.usage}")
    if verb.most is not None and len(words) > verb.most:
        raise UsageError(
            f"{program}: {words[verb.most]!r} is too much; usage: {program} {verb.usage}"
        )


def _unknown(name: str) -> str:
    """Somebody's habit, something that is to come, or a slip of the fingers."""
    from .ctl_words import FOREIGN

    if name in FOREIGN:
        instead, why = FOREIGN[name]
        command = instead if instead.startswith("kettlingar") else f"kettlingar ctl {instead}"
        return f"there is no kettlingar ctl {name}; " + (why or f"here it is: {command}")
    near = _nearest(name, [*VERBS, *ALIASES])
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(VERBS)}"
    return f"there is no kettlingar ctl {name}; {hint}"


def help_text(name: str | None = None) -> str:
    """The help of `ctl`, or of one command."""
    verb = VERBS.get(ALIASES.get(name, name)) if name else None
    if verb is None:
        rows = [f"  {verb_name:9} {verb.doc}" for verb_name, verb in VERBS.items()]
        usage = "usage: kettlingar ctl [--home DIR | --socket PATH] COMMAND ..."
        return "\n".join([usage, "", *rows, "", "kettlingar ctl COMMAND --help says more"])
    rows = [
        f"  {', '.join(option.names) + (' …' if option.read else ''):20} {option.doc}"
        for option in (*verb.options, *EVERYWHERE)
    ]
    return "\n".join([f"usage: kettlingar ctl {name} {verb.usage}", verb.doc, "", *rows])
