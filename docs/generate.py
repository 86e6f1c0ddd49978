"""Writes those pages of the reference that the code itself knows best: `python docs/generate.py`.

A test compares what this makes with what is committed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.authors import author  # noqa: E402
from kettlingar.cli.ctl import EXIT_CODES  # noqa: E402
from kettlingar.cli.ctl_verbs import EVERYWHERE, VERBS  # noqa: E402
from kettlingar.config.schema import Configuration, read_schema  # noqa: E402
from kettlingar.config.values import written as value_written  # noqa: E402
from kettlingar.transport import messages  # noqa: E402
from kettlingard.core import lifecycle, place, run  # noqa: E402
from kettlingard.core.daemonspec import NOT_SHARED, DaemonKeys  # noqa: E402
from kettlingard.core.effective import written  # noqa: E402
from kettlingard.core.keys import key_of  # noqa: E402
from kettlingard.core.listeners import ListenerSpec, RouteSpec, SharedListener  # noqa: E402
from kettlingard.core.spec import TABLES  # noqa: E402
from kettlingard.core.vocabulary import (  # noqa: E402
    EVENTS,
    Event,
    Exited,
    Extended,
    Phase,
    Reported,
    SpawnFailed,
    StopWanted,
)
from kettlingard.core.words import Word  # noqa: E402
from kettlingard.host.signals import WISHES  # noqa: E402
from kettlingard.main import parser as daemon_parser  # noqa: E402

MEANS = {
    1: "failed; also: the called method failed",
    2: "the command line cannot be understood",
    3: "not ready, or stopped",
    4: "no such service, instance or method",
    5: "denied",
    6: "a definition has problems",
    7: "the supervisor cannot be reached",
    8: "timed out",
}

MADE = "<!-- Made by docs/generate.py from the code; change it there. -->\n"


def definition_keys() -> str:
    """Every key that a definition may have."""
    lines = [
        "# Keys of a definition",
        MADE,
        'A duration is a number of seconds or text such as `"1m30s"`; a size may be `"256M"`.',
        "*Change* says what a new value does: **live** applies at once, **next start** when the next",
        "process starts, **restart** rolls the instances, **rebind** opens the listener again.",
        "",
    ]
    for name, table in [*TABLES.items(), ("[listen]", ListenerSpec), ("[route]", RouteSpec)]:
        lines += [f"## [{name}]", "", (table.__doc__ or "").strip(), ""]
        lines += ["| key | takes | default | change | meaning |", "|---|---|---|---|---|"]
        lines += [_row(field) for field in fields(table) if "key" in field.metadata]
        lines.append("")
    lines += [
        "## Drop-ins",
        "",
        "`NAME.toml.d/*.toml` of all folders are laid over `NAME.toml` in the order of their names:",
        "tables key by key, arrays as a whole. Their relative paths count from the definition's folder.",
        "",
        "## [config] and [environment]",
        "",
        "`[config]` holds constants of the service's `Configuration`, in lower case; what the supervisor",
        "decides (listeners, secret, name, log) is refused there. `[environment]` holds variables.",
        "",
    ]
    return "\n".join(lines)


def _row(field: Any) -> str:
    key = key_of(field)
    default = field.default if field.default is not MISSING else field.default_factory()
    shown = (
        "required"
        if key.required
        else ""
        if default in (None, (), {}, "")
        else written(key.kind, default)
    )
    cells = [f"`{field.name}`", key.kind.name, shown, key.change.value, key.doc]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def daemon_keys() -> str:
    """Every key of kettlingard.toml."""
    lines = [
        "# kettlingard.toml",
        MADE,
        "`kettlingard up --config FILE`; else `kettlingard.toml` beside `services.d`, which need not be",
        "there. SIGHUP or `kettlingar ctl daemon reload-config` has it read again.",
        "",
        "## [daemon]",
        "",
        (DaemonKeys.__doc__ or "").strip(),
        "",
        "| key | takes | default | change | meaning |",
        "|---|---|---|---|---|",
        *(_row(field) for field in fields(DaemonKeys)),
        "",
        "## [[listen]]",
        "",
        (SharedListener.__doc__ or "").strip(),
        "",
        "| key | takes | default | change | meaning |",
        "|---|---|---|---|---|",
        *(
            _row(field)
            for field in fields(SharedListener)
            if field.name not in {*NOT_SHARED, "proxy_from"}
        ),
        "",
        "## [defaults.*]",
        "",
        "Any table of a definition: its keys hold for every service that does not say otherwise.",
        "Relative paths count from the folder of kettlingard.toml.",
        "",
    ]
    return "\n".join(lines)


def settings() -> str:
    """Every setting that all services have."""
    lines = [
        "# Settings of every service",
        MADE,
        "`--worker-name=x` on the command line, `worker_name = x` in a file, `WORKER_NAME = 'x'` in the class's",
        "`Configuration`. Durations are seconds, sizes bytes; where a status is named, that is the answer beyond the limit.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in read_schema(Configuration).items():
        default = f"`{value_written(field.default, field.kind)}`".replace("``", "")
        lines.append(f"| `{name}` | {default} | {field.meaning} |")
    return "\n".join([*lines, ""])


def commands() -> str:
    """Every command of ctl, and its exit codes."""
    lines = ["# kettlingar ctl", MADE]
    for name, verb in VERBS.items():
        usage = f"kettlingar ctl {name} {verb.usage}".rstrip()
        lines += [f"## {name}", "", f"`{usage}`", "", verb.doc, ""]
        lines += [f"- `{', '.join(option.names)}`: {option.doc}" for option in verb.options]
        lines += [""] if verb.options else []
    lines += ["## Exit codes", "", "| code | when |", "|---|---|", "| 0 | done |"]
    lines += [f"| {code} | {MEANS[code]} |" for code in sorted({code for _, code in EXIT_CODES})]
    return "\n".join([*lines, ""])


def states() -> str:
    """The tables of a run and of a place, as pictures and in full."""
    lines = [
        "# States",
        MADE,
        "A service is in one of these states: " + ", ".join(f"`{w.value}`" for w in Word) + ".",
        "",
        "## A run: one process",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *_run_arrows(),
        "```",
        "",
        "## A place: what the ends of its runs mean",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *_place_arrows(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _samples(event: type[Event]) -> list[Event]:
    more: dict[type[Event], list[Event]] = {
        SpawnFailed: [SpawnFailed(9, "exec", "no such file")],
        Extended: [Extended(9, 1)],
        Reported: [Reported(9, "broken")],
        StopWanted: [StopWanted(9, "stop"), StopWanted(9, "stop", drain=False)],
        Exited: [Exited(9, 1, None)],
    }
    return more.get(event) or [event(9)]


def _run_arrows() -> Iterator[str]:
    policy = run.RunPolicy(watchdog_failures=1)
    yield f"    [*] --> {Phase.SPAWNING.value}"
    seen: dict[tuple[str, str], list[str]] = {}
    for phase in Phase:
        for event in (sample for kind in EVENTS for sample in _samples(kind)):
            for signalled in (False, True):
                state = run.Run(
                    phase, started=0, since=0, deadline=9, stop_by=30, signalled=signalled
                )
                after, _ = lifecycle.step(state, event, policy)
                names = seen.setdefault((phase.value, after.phase.value), [])
                if after.phase is not phase and type(event).__name__ not in names:
                    names.append(type(event).__name__)
    for (before, to), names in seen.items():
        if names:
            yield f"    {before} --> {to} : {', '.join(names)}"
    yield f"    {Phase.EXITED.value} --> [*]"


def _place_arrows() -> Iterator[str]:
    from kettlingard.core.backoff import RestartPolicy
    from kettlingard.core.end import End

    policies = [RestartPolicy(), RestartPolicy(restart="no"), RestartPolicy(burst=0)]
    seen: dict[tuple[str, str], list[str]] = {}
    events = [
        place.RunServes(9),
        *(place.RunEnded(9, End(9, code, None)) for code in (0, 1, 78)),
        place.TimerFired(9),
        place.Forgiven(9),
        place.Hastened(9),
        place.Mended(9),
    ]
    for standing in place.Standing:
        for policy in policies:
            for event in events:
                after = place.step(place.Place(standing, due=9), event, policy)
                names = seen.setdefault((standing.value, after.standing.value), [])
                name = type(event).__name__
                if after.standing is not standing and name not in names:
                    names.append(name)
    yield f"    [*] --> {place.Standing.CLEAR.value}"
    for (before, to), names in seen.items():
        if names:
            yield f"    {before} --> {to} : {', '.join(names)}"


def channel() -> str:
    """The words between supervisor and worker."""
    lines = [
        "# The channel between supervisor and worker",
        MADE,
        f"Protocol {messages.PROTOCOL}. One SOCK_SEQPACKET packet is one message: a msgpack map whose `type` is the",
        "tag; descriptors travel beside it. A message above 64 KiB goes as a sealed memfd.",
        "",
    ]
    for title, union in (
        ("Worker to supervisor", messages.FromWorker),
        ("Supervisor to worker", messages.ToWorker),
    ):
        lines += [f"## {title}", "", "| type | fields | meaning |", "|---|---|---|"]
        for kind in union.__args__:
            names = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
            meaning = " ".join((kind.__doc__ or "").split())
            lines.append(f"| `{kind.__struct_config__.tag}` | {names} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in {".", "'"} else text


def _man(name: str, section: int, what: str, body: list[str]) -> str:
    """A page in man(7): every line of `body` is roff already."""
    head = [
        '.\\" Made by docs/generate.py from the code; change it there.',
        f".TH {name.upper()} {section}",
        ".SH NAME",
        f"{name} \\- {_roff(what)}",
    ]
    return "\n".join([*head, *body, ""])


def man_ctl() -> str:
    """kettlingar(1): what is asked of a supervisor."""
    body = [".SH SYNOPSIS", r".B kettlingar ctl", _roff("[--home DIR | --socket PATH] COMMAND ...")]
    body += [".SH OPTIONS", *_man_options(EVERYWHERE), ".SH COMMANDS"]
    for name, verb in VERBS.items():
        body += [".TP", f".B {_roff(name)}", _roff(verb.usage), ".br", _roff(f"{verb.doc}.")]
        body += [".RS", *_man_options(verb.options), ".RE"] if verb.options else []
    body += [".SH EXIT STATUS", ".TP", ".B 0", "done"]
    for code in sorted({code for _, code in EXIT_CODES}):
        body += [".TP", f".B {code}", _roff(MEANS[code])]
    body += [".SH SEE ALSO", ".BR kettlingard (8),", ".BR kettlingard.services (5)"]
    return _man("kettlingar", 1, "ask the supervisor of services", body)


def _man_options(options: Iterable[Any]) -> Iterator[str]:
    for option in options:
        yield from (".TP", f".B {_roff(', '.join(option.names))}", _roff(option.doc))


def man_daemon() -> str:
    """kettlingard(8): the supervisor's own command line."""
    body = [".SH SYNOPSIS", ".B kettlingard", "COMMAND ...", ".SH COMMANDS"]
    commands = next(a for a in daemon_parser()._actions if a.choices)  # noqa: SLF001  argparse tells nobody
    lines = {one.dest: one.help or "" for one in commands._choices_actions}  # noqa: SLF001  what it knows
    for name, parser in commands.choices.items():
        body += [".TP", f".B {_roff(name)}", _roff(lines.get(name, "")), ".RS"]
        for action in parser._actions:  # noqa: SLF001  in any other way
            called = ", ".join(action.option_strings) or action.metavar or action.dest
            body += [".TP", f".B {_roff(str(called))}", _roff(action.help or "")]
        body.append(".RE")
    body += [".SH SIGNALS"]
    for number, wish in WISHES.items():
        body += [".TP", f".B {number.name}", _roff(wish.value)]
    body += [".SH SEE ALSO", ".BR kettlingar (1),", ".BR kettlingard.services (5)"]
    return _man("kettlingard", 8, "keeps services running", body)


def man_keys() -> str:
    """kettlingard.services(5): the keys of a definition."""
    body = [".SH DESCRIPTION", _roff("One file NAME.toml defines the service NAME.")]
    for name, table in [*TABLES.items(), ("[listen]", ListenerSpec), ("[route]", RouteSpec)]:
        body += [f".SH [{_roff(name)}]", _roff((table.__doc__ or "").strip())]
        for field in fields(table):
            if "key" not in field.metadata:
                continue
            key = key_of(field)
            takes = f"({key.kind.name}; change: {key.change.value})"
            body += [".TP", f".B {_roff(field.name)}", _roff(f"{key.doc}. {takes}")]
    body += [".SH SEE ALSO", ".BR kettlingard (8)"]
    return _man("kettlingard.services", 5, "definitions of services", body)


MAN = {"kettlingar.1": man_ctl, "kettlingard.8": man_daemon, "kettlingard.services.5": man_keys}
PAGES = {
    "definition-keys.md": definition_keys,
    "kettlingard-toml.md": daemon_keys,
    "settings.md": settings,
    "author.md": lambda: author(MADE),
    "ctl.md": commands,
    "states.md": states,
    "channel.md": channel,
}


def main() -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        (ROOT / "docs" / "reference" / name).write_text(make())
    for name, make in MAN.items():
        (ROOT / "docs" / "man" / name).write_text(make())


if __name__ == "__main__":
    main()
