"""Completion for shells: which words may come next. `kettlingar complete -- WORDS` asks it.

One answer for all three shells, made from the same tables as the help. Names of
services and methods come from the supervisor, if one answers; if none does,
nothing is offered, and nothing is said about it on the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .ctl_verbs import ALIASES, EVERYWHERE, VERBS, Option, Verb


class Asks(NamedTuple):
    """How names are found that only a supervisor knows: both get the options before the verb."""

    services: Callable[[list[str]], Iterable[str]]
    methods: Callable[[list[str], str], Iterable[str]]


COMMANDS = ("ctl", "new", "stub", "completion", "version", "help")
SHELLS = ("bash", "zsh", "fish")


def candidates(words: Sequence[str], asks: Asks) -> list[str]:
    """What may stand for the last of the words after `kettlingar`, which may be empty."""
    *before, start = words or [""]
    found = _next(before, start, asks)
    return sorted({word for word in found if word.startswith(start)})


def _next(before: list[str], start: str, asks: Asks) -> Iterable[str]:
    if not before:
        return COMMANDS
    if before[0] == "completion":
        return SHELLS if len(before) == 1 else ()
    if before[0] != "ctl":
        return ()
    where, rest = _where(before[1:])
    if where and _wants_value(where[-1], EVERYWHERE):
        return ()  # the shell offers files
    if not rest:
        return _names_of(EVERYWHERE) if start.startswith("-") else VERBS
    name = ALIASES.get(rest[0], rest[0])
    verb = VERBS.get(name)
    return () if verb is None else _of_verb(verb, where, rest[1:], start, asks)


def _of_verb(
    verb: Verb, where: list[str], given: list[str], start: str, asks: Asks
) -> Iterable[str]:
    options = (*verb.options, *EVERYWHERE)
    if given and _wants_value(given[-1], options):
        return ()
    if start.startswith("-"):
        return _names_of(options)
    words = _without_options(given, options)
    if "METHOD" in verb.usage and len(words) == 1:
        return asks.methods(where, words[0])
    if "SERVICE" in verb.usage and (not words or "..." in verb.usage):
        return asks.services(where)
    plain = verb.usage.replace("|", "").replace("-", "")
    return verb.usage.split("|") if plain.isalpha() and plain.islower() and not words else ()


def _where(words: list[str]) -> tuple[list[str], list[str]]:
    """The options before the verb, and the rest."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if _wants_value(words[at], EVERYWHERE) else 1
    return words[:at], words[at:]


def _without_options(words: list[str], options: Sequence[Option]) -> list[str]:
    found, skip = [], False
    for word in words:
        if not skip and not word.startswith("-"):
            found.append(word)
        skip = not skip and _wants_value(word, options)
    return found


def _wants_value(word: str, options: Sequence[Option]) -> bool:
    return any(word in option.names and option.read is not None for option in options)


def _names_of(options: Sequence[Option]) -> list[str]:
    return [name for option in options for name in option.names]


# --- asked by a shell ---------------------------------------------------------


def main(args: Sequence[str]) -> int:
    """Print what may come next, one word a line."""
    words = list(args[1:] if args[:1] == ["--"] else args)
    sys.stdout.writelines(f"{word}\n" for word in candidates(words, Asks(_services, _methods)))
    return 0


def _services(where: list[str]) -> list[str]:
    found = _asked(where, "status")
    return [one["name"] for one in found["services"]] if isinstance(found, dict) else []


def _methods(where: list[str], service: str) -> list[str]:
    found = _asked(where, "methods", service.partition("/")[0])
    return [one["name"] for one in found] if isinstance(found, list) else []


def _asked(where: list[str], method: str, *arguments: str) -> object:
    from .ctl import EXPECTED, control_of
    from .ctl_args import parse

    try:
        with control_of(parse([*where, "status"])) as control:
            return control.call(method, *arguments)
    except EXPECTED:
        return None


# --- what the shells read -----------------------------------------------------

_BASH = """\
# kettlingar completion bash > ~/.local/share/bash-completion/completions/kettlingar
_kettlingar() {
    local IFS=$'\\n'
    COMPREPLY=($(kettlingar complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _kettlingar kettlingar
"""
_ZSH = """\
#compdef kettlingar
# kettlingar completion zsh > a folder of $fpath, as the file _kettlingar
_kettlingar() {
    local -a found
    found=(${(f)"$(kettlingar complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then compadd -a found; else _files; fi
}
if [ "$funcstack[1]" = "_kettlingar" ]; then _kettlingar "$@"; else compdef _kettlingar kettlingar; fi
"""
_FISH = """\
# kettlingar completion fish > ~/.config/fish/completions/kettlingar.fish
function __kettlingar
    set -l words (commandline -opc) (commandline -ct)
    kettlingar complete -- $words[2..-1] 2>/dev/null
end
complete -c kettlingar -a '(__kettlingar)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(args: Sequence[str]) -> int:
    """Print the script for a shell."""
    script = _SCRIPTS.get(args[0]) if len(args) == 1 else None
    if script is None:
        sys.stderr.write(f"usage: kettlingar completion {'|'.join(SHELLS)}\n")
        return 2
    sys.stdout.write(script)
    return 0
