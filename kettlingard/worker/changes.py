"""What a changed definition means for a worker that runs: words to it, no new process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kettlingar.transport.messages import Adjust, LogLevel
from kettlingard.core.amounts import rate_of
from kettlingard.core.parse import expand
from kettlingard.core.spec import ServiceSpec

from .launch import Launch


def told(launch: Launch, before: ServiceSpec) -> list[Adjust | LogLevel]:
    """What a worker must hear whose launch had the definition `before` until now."""
    spec, said = launch.spec, list[Adjust | LogLevel]()
    if (spec.log.level, spec.log.rate_limit) != (before.log.level, before.log.rate_limit):
        said.append(LogLevel(spec.log.level, rate_of(spec.log.rate_limit)))
    config = {k: v for k, v in spec.config.items() if before.config.get(k) != v}
    config |= dict.fromkeys(before.config.keys() - spec.config.keys(), "")
    if config or spec.access.public_methods != before.access.public_methods:
        said.append(settings(launch, config))
    return said


def settings(launch: Launch, config: Mapping[str, Any], secret: str = "") -> Adjust:
    """These settings, whether they are new to it or not."""
    public = launch.spec.access.public_methods
    return Adjust(
        config=expand(config, launch.service, launch.instance),
        public_methods=None if public is None else list(public),
        secret=secret,
    )
