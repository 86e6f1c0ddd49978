"""What a definition says about the life of its runs, as the machines want to have it."""

from __future__ import annotations

from .backoff import RestartPolicy
from .run import RunPolicy
from .spec import ServiceSpec
from .state import Policies, PoolPolicy, UpdatePolicy


def policies_of(spec: ServiceSpec) -> Policies:
    """The policies of one definition."""
    keys, update = spec.service, spec.update
    return Policies(
        RunPolicy(
            timeout_start=keys.timeout_start,
            timeout_stop=keys.timeout_stop,
            drain_timeout=keys.drain_timeout,
            watchdog=keys.watchdog,
            watchdog_failures=keys.watchdog_failures,
            watchdog_restarts=keys.watchdog_action == "restart",
        ),
        RestartPolicy(
            restart=keys.restart,
            delay=keys.restart_delay,
            max_delay=keys.restart_max_delay,
            stable_after=keys.stable_after,
            burst=keys.start_limit_burst,
            interval=keys.start_limit_interval,
            retry_after=keys.retry_after,
            good=keys.success_exit_status,
            final=keys.restart_prevent_exit_status,
        ),
        UpdatePolicy(
            start_first=update.order == "start-first",
            parallelism=update.parallelism,
            monitor=update.monitor,
            start_parallelism=spec.pool.start_parallelism,
            goes_on=update.failure_action == "continue",
        ),
        PoolPolicy(
            least=spec.pool.bounds[0] if spec.pool.elastic else None,
            start=spec.pool.instances,
            idle_timeout=spec.pool.idle_timeout,
            recycle_age=spec.pool.recycle_age,
            recycle_requests=spec.pool.recycle_requests,
            recycle_memory=spec.pool.recycle_memory,
            recycle_jitter=spec.pool.recycle_jitter,
        ),
    )
