"""The words that a supervisor and its workers say to each other.

One message is one SOCK_SEQPACKET packet: a msgpack map with the tag in `type`;
descriptors travel beside it. Both sides import these classes, so that there is
one definition. A field may be added with a default; nothing else may change
without a new PROTOCOL number, since a service's interpreter may hold another
version of this package than the supervisor's.

Worker's life:  Hello -> Setup -> Ready (or Failed) -> ... -> Drain -> Drained -> Quit
A connection:   Connections -> Progress(taken) -> Progress(answering) -> Progress(done)
A new supervisor, on a new channel:  Adopt -> Adopted, and then as before
"""

from __future__ import annotations

from typing import Any

import msgspec

PROTOCOL = 2


class Message(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """A message; the subclass's name is its tag."""


# --- worker -> supervisor ---------------------------------------------------


class Hello(Message, frozen=True, tag="hello"):
    """First word of a worker: which protocol it speaks, and which version it is."""

    protocol: int
    version: str
    pid: int


class Ready(Message, frozen=True, tag="ready"):
    """The service is imported and initialised; it can be asked `ping`."""

    kitten: str  # "module:Class"
    version: str = ""  # of the service's own class or module, if it says one
    app_name: str = ""
    worker_name: str = ""
    methods: list[dict[str, Any]] = []  # as api.describe has them
    live_config: list[str] = []  # settings whose changes it hears of: on_config_KEY


class Failed(Message, frozen=True, tag="failed"):
    """The service cannot start; the process ends after this."""

    step: str  # import, config, init
    error: str  # "ModuleNotFoundError: No module named 'xapian'"
    where: str = ""  # "search/app.py:3"
    permanent: bool = False  # no sense in trying again before something changes


class Pong(Message, frozen=True, tag="pong"):
    """Answer to Ping, from the worker's event loop."""

    number: int
    lag: float = 0.0  # seconds the loop was late
    in_flight: int = 0  # requests being answered
    served: int = 0  # requests answered since start


class Progress(Message, frozen=True, tag="progress"):
    """Where accepted connections have got to, by their ids.

    `taken` is said before the worker's first read of the connection, `answering`
    when the first byte of the first answer has been sent, `done` when the worker
    has closed its copy. `returned`: untouched, give it to somebody else. `own`: it
    has accepted these itself (Guard `now`). Callers' ids, which are below zero, are
    only ever `done`.
    """

    own: list[int] = []
    taken: list[int] = []
    answering: list[int] = []
    done: list[int] = []
    returned: list[int] = []


class Moved(Message, frozen=True, tag="moved"):
    """Connections that their clients keep open, between two requests: one descriptor each.

    Said while draining, to a supervisor whose Drain `moves` them; and after each answer, of
    connections that were `routed`: then `listener` is where they came by.
    """

    ids: list[int]
    listener: str = ""


class Status(Message, frozen=True, tag="status"):
    """One line that says what the service is doing, for people."""

    text: str


class Extend(Message, frozen=True, tag="extend"):
    """Starting takes longer: wait this many seconds from now."""

    seconds: float


class Drained(Message, frozen=True, tag="drained"):
    """After Drain: nothing is in flight any more."""


class Adopted(Message, frozen=True, tag="adopted"):
    """Answer to Adopt: what a new supervisor cannot know. The guarded listeners are beside it.

    `connections` are the numbers of those accepted that are open here, `callers`
    the local clients; the highest number that this worker has used is `highest`.
    """

    mark: str
    hello: Hello
    ready: Ready
    secret: str
    listeners: list[str] = []  # one descriptor each, in this order
    connections: list[int] = []
    callers: list[Caller] = []
    highest: int = 0
    ending: bool = False  # somebody has told it to end, and it does


class Dumped(Message, frozen=True, tag="dumped"):
    """Answer to Dump: the stacks of all threads and tasks, as text."""

    text: str


class Ask(Message, frozen=True, tag="ask"):
    """This service wants a connection to another one. Answered by Answer, with a socket."""

    number: int
    service: str


# --- supervisor -> worker ---------------------------------------------------


class Setup(Message, frozen=True, tag="setup"):
    """Everything a worker must know before it imports the service.

    With a `mark`, one descriptor is beside it: a bound socket on which the
    worker listens for the next supervisor, should it lose this one. Without
    one, it finishes what it has and ends then.
    """

    service: str
    instance: int
    run: int
    kitten: str  # "module:Class"
    secret: str
    config: dict[str, Any] = {}  # as in the definition's [config]
    python_path: list[str] = []
    state_dir: str = ""
    public_methods: list[str] | None = None  # None = all of them may be reached by TCP
    log_level: str = "info"
    log_format: str = "text"
    log_rate: tuple[int, float] = (0, 0.0)  # lines in seconds; more are dropped; 0 = no limit
    drain_timeout: float = 20.0  # seconds
    mark: str = ""  # of this run; who adopts it must know it
    owner: int = -1  # uid of those who may adopt it, beside root


class Adopt(Message, frozen=True, tag="adopt"):
    """First word of a new supervisor to a worker that has lost its own. Answered by Adopted."""

    mark: str


class Way(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a worker treats what comes by a listener.

    name     of the listener, as in Connections
    accepts  the worker accepts from it by itself, whether there is a supervisor or not
    local    a unix socket whose other end the kernel names
    proxies  a PROXY header comes first, from these networks only; None: there is none
    """

    name: str
    accepts: bool = False
    local: bool = False
    proxies: list[str] | None = None


class Guard(Message, frozen=True, tag="guard"):
    """Copies of the service's listeners, instead of those of before; one descriptor each.

    The worker accepts from them only while there is no supervisor, or, with `now`, until
    the next Guard: the supervisor becomes its next version.
    """

    listeners: list[str] = []  # host:port or /path.sock
    now: bool = False
    ways: list[Way] = []  # one each, in the same order


class Connections(Message, frozen=True, tag="connections"):
    """Accepted TCP connections, one descriptor each, in the order of `ids`.

    `routed`: each brings one request, the next one may be another service's. When it is answered
    the connection is given back (Moved, with this `listener`).
    """

    ids: list[int]
    listener: str = ""
    routed: bool = False


class Caller(Message, frozen=True, tag="caller"):
    """An authorised local client: one descriptor, and who it is. `id` is below zero."""

    id: int
    uid: int
    pid: int
    service: str = ""
    methods: list[str] | None = None  # None = all


class Revoke(Message, frozen=True, tag="revoke"):
    """Close these callers' connections: their right has gone."""

    ids: list[int]


class Ping(Message, frozen=True, tag="ping"):
    """Is the worker's loop alive? Answered by Pong; `sent` is the monotonic clock's seconds.

    `silent`: no answer is wanted, the kernel says whether it was read.
    """

    number: int
    sent: float = 0.0
    silent: bool = False


class Dump(Message, frozen=True, tag="dump"):
    """What are you doing? Answered by Dumped, if the loop still turns."""


class LogLevel(Message, frozen=True, tag="log-level"):
    """Log from this level on, and at most so much."""

    level: str
    rate: tuple[int, float] = (0, 0.0)  # lines in seconds; 0 = no limit


class Adjust(Message, frozen=True, tag="adjust"):
    """Settings that have changed while it runs: it is told by `on_config_KEY`. "" = the default.

    With a `secret`, that is the one that counts from now on.
    """

    config: dict[str, Any] = {}
    public_methods: list[str] | None = None  # None = all of them may be reached by TCP
    secret: str = ""


class LogFile(Message, frozen=True, tag="log-file"):
    """Write to this file from now on (one descriptor)."""


class Drain(Message, frozen=True, tag="drain"):
    """Take nothing new, finish what runs, then say Drained.

    `moves`: kept connections that wait for their next request are given to
    another worker (Moved). Without it they are closed.
    """

    seconds: float
    moves: bool = False


class Quit(Message, frozen=True, tag="quit"):
    """Run `shutdown()`, and end."""

    seconds: float


class Answer(Message, frozen=True, tag="answer"):
    """Answer to Ask: a socket beside it, or the reason why not."""

    number: int
    error: str = ""
    denied: bool = False


FromWorker = (
    Hello | Ready | Failed | Pong | Progress | Moved | Status | Extend | Drained | Ask | Adopted
    | Dumped
)  # fmt: skip
ToWorker = (
    Setup | Connections | Caller | Revoke | Ping | LogLevel | LogFile | Drain | Quit | Answer
    | Adopt | Guard | Adjust | Dump
)  # fmt: skip
