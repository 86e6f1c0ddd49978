"""The words between a supervisor and a zygote, the warm process that forks its workers.

One message is one SOCK_SEQPACKET packet, as in `messages`: both sides import
these classes, and a service's interpreter may hold another version of them.

Preload -> Warm (or Cold, and it ends); then Fork -> Forked or Refused, in order.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PROTOCOL = 2


class Message(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """A message; the subclass's name is its tag."""


# --- supervisor -> zygote ---------------------------------------------------


class Preload(Message, frozen=True, tag="preload"):
    """First word: what to import."""

    python_path: list[str] = []
    modules: list[str] = []


class Fork(Message, frozen=True, tag="fork"):
    """Fork a worker. With it come descriptors: its channel, its log, the report pipe and, where it
    is to be in a control group, that group's cgroup.procs.

    The pipe closes when the worker is as it should be; before that, "step\\nerrno\\nsubject"
    says what could not be done, as for a process that is executed.
    """

    number: int
    env: dict[str, str]
    cwd: str
    umask: int
    nice: int = 0
    oom_score_adjust: int = 0
    rlimits: list[tuple[int, int, int]] = []  # resource.RLIMIT_..., soft, hard
    no_new_privileges: bool = True


ToZygote = Preload | Fork

# --- zygote -> supervisor ---------------------------------------------------


class Warm(Message, frozen=True, tag="warm"):
    """Everything is imported: it can fork."""

    protocol: int
    version: str
    files: int = 0  # watched: when one changes, it forks no more


class Cold(Message, frozen=True, tag="cold"):
    """It could not import what it was to; it ends after this."""

    error: str


class Forked(Message, frozen=True, tag="forked"):
    """The worker lives (or has lived), and its parent is not the zygote any more."""

    number: int
    pid: int


class Refused(Message, frozen=True, tag="refused"):
    """No worker was made.

    changed: files are not as they were imported; unsafe: there is a thread or a
    socket, which no worker may inherit; busy: the system has no process to give.
    """

    number: int
    reason: Literal["changed", "unsafe", "busy"]
    why: str = ""


FromZygote = Warm | Cold | Forked | Refused
