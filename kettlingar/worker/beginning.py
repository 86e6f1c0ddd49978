"""From a supervisor's Setup to a service that is ready, or to why it cannot be."""

from __future__ import annotations

import asyncio
import logging
import sys

from kettlingar.api.describe import method_record
from kettlingar.collecting import settle
from kettlingar.kitten import RPCKitten
from kettlingar.logs import begin_logging, set_rate
from kettlingar.requests.failures import in_one_line
from kettlingar.runtime import Runtime, StoppedError, settings_of, watch_signals
from kettlingar.transport import messages

from .loading import load, version_of, where_in, without_us
from .reports import Reports

log = logging.getLogger(__name__)

# Connections come by descriptor: what these say means nothing under a supervisor.
OVERRIDDEN = (
    "WORKER_LISTEN_HOST", "WORKER_LISTEN_PORT", "WORKER_LISTEN_QUEUE",
    "WORKER_USE_TCP", "WORKER_USE_UNIXDOMAIN",
)  # fmt: skip


class NotBegunError(Exception):
    """The service cannot begin; its cause says why."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


async def begin(setup: messages.Setup, reports: Reports, stop: asyncio.Event) -> Runtime:
    """Import the service, configure it, and let it prepare for its first request.

    By `stop` a signal, or the service itself, says that it is to end. StoppedError: it has.
    """
    begin_logging(setup.log_level, setup.log_format, setup.service, setup.instance)
    set_rate(*setup.log_rate)
    step = "import"
    try:
        if sys.path[: len(setup.python_path)] != setup.python_path:  # a zygote's child has it
            sys.path[0:0] = setup.python_path
        kitten_class = load(setup.kitten)
        step = "config"
        kitten = _configured(kitten_class, setup)
        step = "init"
        settings = settings_of(kitten, setup.secret, setup.public_methods)
        runtime = Runtime(kitten, settings, reports, stop)
        watch_signals(runtime.stop)
        await runtime.begin([])
        settle()
    except StoppedError:
        raise
    except Exception as error:
        if step == "import":
            without_us(error)
        raise NotBegunError(step) from error
    return runtime


def ready(setup: messages.Setup, kitten: RPCKitten) -> messages.Ready:
    """What the supervisor is told of a service that has begun."""
    config = kitten.config
    hooks = {*dir(type(kitten)), *vars(kitten)}
    return messages.Ready(
        kitten=setup.kitten,
        version=version_of(type(kitten)),
        app_name=config.app_name,
        worker_name=config.worker_name,
        methods=[method_record(method, docs=True) for method in kitten.methods],
        live_config=[name for name in config.as_dict() if f"on_config_{name}" in hooks],
    )


def failed(step: str, error: BaseException, *, permanent: bool) -> messages.Failed:
    """What the supervisor is told of one that has not."""
    return messages.Failed(
        step=step,
        error=in_one_line(error),
        where=where_in(error),
        permanent=permanent,
    )


def _configured(kitten_class: type[RPCKitten], setup: messages.Setup) -> RPCKitten:
    config = kitten_class.Configuration()
    config.apply(
        "definition",
        {
            "app_state_dir": setup.state_dir,
            "app_data_dir": setup.state_dir,
            "worker_drain_timeout": setup.drain_timeout,
            **setup.config,
        },
    )
    kitten = kitten_class(config=config)
    said = [
        name.lower()
        for name in OVERRIDDEN
        if getattr(config, name.lower()) != getattr(RPCKitten.Configuration, name)
    ]
    if said:
        log.info("overridden by the supervisor, who listens: %s", ", ".join(said))
    return kitten
