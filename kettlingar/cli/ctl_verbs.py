"""The commands of `kettlingar ctl`: what each takes, and its line of help. One table, read by all."""

from __future__ import annotations

from .ctl_format import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Option:
    """An option: its names, its value's reader (None = a switch), and its line of help."""

    def __init__(self, names: tuple[str, ...], read: Callable[[str], Any] | None, doc: str) -> None:
        self.names = names
        self.read = read
        self.doc = doc

    @property
    def key(self) -> str:
        return self.names[-1].lstrip("-").replace("-", "_")


class Verb:
    """A command: what may follow it.

    `least` words must follow, and `most` (None: any number) may; with `open`, unknown --names
    are for the method that is called.
    """

    def __init__(
        self,
        usage: str,
        doc: str,
        options: tuple[Option, ...] = (),
        least: int = 0,
        most: int | None = None,
        *,
        open: bool = False,  # noqa: A002  as the table reads
    ) -> None:
        self.usage = usage
        self.doc = doc
        self.options = options
        self.least = least
        self.most = most
        self.open = open


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return read


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a number of lines")
    return int(text)


HELP = Option(("-h", "--help"), None, "show this")
EVERYWHERE = (
    Option(("--socket",), str, "the supervisor's control socket"),
    Option(("--home",), str, "the folder that `kettlingard up --home` was given"),
    HELP,
)


def _time(text: str) -> float:
    """Seconds since 1970: a time of this machine's clock, or a duration before now."""
    from datetime import datetime

    now = datetime.now().astimezone()
    for form in (text, f"{now.date()}T{text}"):
        try:
            return datetime.fromisoformat(form).timestamp()
        except ValueError:
            continue
    try:
        return now.timestamp() - parse_duration(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a time nor a duration such as 10m") from None


TIMEOUT = Option(("--timeout",), parse_duration, "give up waiting after this: 30, 1m30s")
NO_WAIT = Option(("--no-wait",), None, "do not wait until it is done")
ALL = Option(("--all",), None, "all services")
FORM = Option(("-o", "--output"), _one_of("table", "json"), "form")
SERVICES = "SERVICE[/N]... | --all"

VERBS: dict[str, Verb] = {
    "status": Verb(
        "[SERVICE...]",
        "what runs, and why what does not",
        (
            Option(("-o", "--output"), _one_of("table", "wide", "json", "jsonl"), "form"),
            Option(("--failed",), None, "only what has failed; exit 3 if anything has"),
            Option(("-w", "--watch"), None, "draw it again each second"),
        ),
    ),
    "start": Verb(
        SERVICES,
        "start, and wait until ready",
        (ALL, NO_WAIT, TIMEOUT, Option(("--no-deps",), None, "without what it requires and wants")),
    ),
    "stop": Verb(
        SERVICES,
        "drain and stop, until somebody starts it or the machine boots",
        (
            ALL,
            NO_WAIT,
            TIMEOUT,
            Option(("--now",), None, "cut what is in flight"),
            Option(("--with-dependents",), None, "and what requires it"),
            Option(("--force",), None, "although others require it"),
        ),
    ),
    "restart": Verb(
        SERVICES,
        "replace by new processes, with the definition on disk",
        (
            ALL,
            NO_WAIT,
            TIMEOUT,
            Option(("--now",), None, "end the old ones first, at once"),
            Option(("--allow-api-break",), None, "although methods vanish"),
        ),
    ),
    "reload": Verb(
        "SERVICE", "take over what needs no restart; the service hears of its settings", (), 1, 1
    ),
    "plan": Verb(
        "[SERVICE...]",
        "what apply would do, key by key; exit 6 if a definition has problems",
        (FORM,),
    ),
    "apply": Verb(
        "[SERVICE...]",
        "make what runs what the definitions say; the rest is left alone",
        (Option(("--prune",), None, "stop what has no definition any more"), NO_WAIT, TIMEOUT),
    ),
    "scale": Verb(
        "SERVICE=N...",
        "run so many instances, until pool.instances is changed or the machine boots",
        (NO_WAIT, TIMEOUT),
        1,
    ),
    "enable": Verb(
        SERVICES,
        "start it with the supervisor, from now on",
        (ALL, Option(("--now",), None, "and start it")),
    ),
    "disable": Verb(
        SERVICES,
        "do not start it with the supervisor, from now on",
        (ALL, Option(("--now",), None, "and stop it")),
    ),
    "rollback": Verb(
        "SERVICE",
        "the last definition that served, again; a second time goes further back",
        (NO_WAIT, TIMEOUT),
        1,
        1,
    ),
    "kill": Verb(
        "SERVICE[/N]...",
        "send a signal to the processes",
        (Option(("-s", "--signal"), str, "its name (SIGTERM)"),),
        1,
    ),
    "reset-failed": Verb("[SERVICE...]", "try again at once what has failed"),
    "logs": Verb(
        "[SERVICE[/N]...]",
        "what services have logged",
        (
            Option(("-f", "--follow"), None, "go on until Ctrl-C"),
            Option(("-n", "--lines"), _count, "this many of the last lines (10; all of --since)"),
            Option(
                ("--since",), _time, "from then on: 10m ago, 14:30, 2026-01-31, 2026-01-31T14:30"
            ),
            Option(
                ("--level",),
                _one_of("debug", "info", "warning", "error", "critical"),
                "of this level and above",
            ),
            Option(("-o", "--output"), _one_of("short", "json"), "form"),
        ),
    ),
    "methods": Verb(
        "SERVICE [METHOD]",
        "what can be called",
        (
            Option(("--docs",), None, "with their descriptions"),
            Option(("-o", "--output"), _one_of("table", "json"), "form"),
        ),
        1,
        2,
    ),
    "call": Verb(
        "SERVICE[/N|/*] METHOD [ARG...] [--name=VALUE...]",
        "call a method; what follows -- is for the method alone",
        (Option(("-o", "--output"), _one_of("json", "raw"), "form"), TIMEOUT),
        2,
        open=True,
    ),
    "show": Verb(
        "SERVICE",
        "its definition as it counts, with all defaults",
        (
            Option(("--origin",), None, "where each value comes from"),
            Option(("--env",), None, "the environment of its processes; for the owner"),
            FORM,
        ),
        1,
        1,
    ),
    "events": Verb(
        "[SERVICE...]",
        "what happened lately, and who asked for it",
        (
            Option(("-f", "--follow"), None, "go on until Ctrl-C"),
            Option(("-o", "--output"), _one_of("short", "json"), "form"),
        ),
    ),
    "deps": Verb(
        "[SERVICE]",
        "what it needs, as a tree",
        (
            Option(("--reverse",), None, "who needs it"),
            Option(("--critical-chain",), None, "what its start had to wait for, and how long"),
            FORM,
        ),
        0,
        1,
    ),
    "sockets": Verb("[SERVICE...]", "listeners, and what became of their connections", (FORM,)),
    "stack": Verb(
        "SERVICE[/N]", "what its processes are doing: the stacks of threads and tasks", (), 1, 1
    ),
    "top": Verb(
        "[SERVICE...]",
        "all instances, the busiest first, drawn again each second",
        (Option(("-n", "--rounds"), _count, "only so many times"),),
    ),
    "metrics": Verb("[SERVICE...]", "numbers of supervisor and services as one OpenMetrics page"),
    "token": Verb(
        "SERVICE issue|rotate|revoke",
        "the secret that opens all its methods by TCP; for the owner",
        (FORM,),
        2,
        2,
    ),
    "exec": Verb(
        "SERVICE -- COMMAND [ARG...]",
        "run a command with the service's environment and folder; for the owner",
        (),
        2,
    ),
    "wait": Verb(
        "SERVICE",
        "wait for a state",
        (
            Option(
                ("--for",),
                _one_of("ready", "stopped", "updated"),
                "ready (default), stopped or updated",
            ),
            TIMEOUT,
        ),
        1,
        1,
    ),
    "daemon": Verb(
        "status|upgrade|reload-config|shutdown",
        "the supervisor itself",
        (Option(("-o", "--output"), _one_of("table", "json"), "form"),),
        1,
        1,
    ),
}
ALIASES = {"ps": "status"}
