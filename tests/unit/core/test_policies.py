from kettlingard.core.backoff import RestartPolicy
from kettlingard.core.policies import policies_of
from kettlingard.core.run import RunPolicy
from kettlingard.core.spec import PoolKeys, ServiceKeys, ServiceSpec, UpdateKeys
from kettlingard.core.state import UpdatePolicy


def test_the_defaults_of_definitions_are_those_of_the_machines():
    found = policies_of(ServiceSpec("a"))
    assert (found.run, found.restart, found.update) == (
        RunPolicy(), RestartPolicy(), UpdatePolicy()
    )  # fmt: skip


def test_what_a_definition_says_reaches_the_machines():
    spec = ServiceSpec(
        "a",
        service=ServiceKeys(restart="no", watchdog_action="report", start_limit_burst=2),
        pool=PoolKeys(start_parallelism=7),
        update=UpdateKeys(order="stop-first", parallelism=3),
    )
    found = policies_of(spec)
    assert not found.run.watchdog_restarts
    assert (found.restart.restart, found.restart.burst) == ("no", 2)
    assert found.update == UpdatePolicy(start_first=False, parallelism=3, start_parallelism=7)
