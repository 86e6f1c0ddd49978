"""Pools that follow their load: from nothing on demand, and to nothing when idle."""

import http.client
import os
import threading
import time
from dataclasses import dataclass, field

import pytest

from tests.helpers import alive, wait_for
from tests.integration.daemon.conftest import LISTEN
from tests.integration.daemon.kittens import definition

REQUESTS = 10_000 if os.environ.get("KETTLINGAR_LONG") else 240
CLIENTS = 4  # each with a service of its own
IDLE = 0.04  # seconds


def pool(text):
    return f"{LISTEN}[pool]\n{text}"


@pytest.fixture
def on_demand(supervisor, modules):
    """`on_demand(pool)`: a supervisor with one service that is ready or held."""

    def start(text, **others):
        one = supervisor({"steady": definition("steady:Steady", pool(text)), **others})
        one.ctl("wait", "steady", "--for", "ready")
        return one

    return start


def state(one):
    return one.status("steady")["state"]


def is_held(one):
    status = one.status("steady")
    return status["state"] == "held" and not status["instances"]


def test_the_first_request_starts_it_and_idle_time_ends_it(on_demand):
    one = on_demand('min_instances = 0\nidle_timeout = "300ms"\n')
    assert is_held(one)
    assert one.status("steady")["note"].startswith("on demand, idle since ")
    one.get("/pid")  # the zygote is warm from here on
    times = []
    for _ in range(5):
        wait_for(lambda: is_held(one), what="held")
        began = time.monotonic()
        answer = one.get("/pid")
        times.append(time.monotonic() - began)
        assert answer.status == 200
        pid = int(answer.body)
        wait_for(lambda pid=pid: not alive(pid), within=5, what="gone after its idle time")
        gone = time.monotonic() - began
        assert gone > 0.3
    best = sorted(times)[len(times) // 2]
    print(f"\nfirst request on demand: {best * 1000:.0f} ms (median of 5), gone after {gone:.2f} s")
    assert best < 0.1 or os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    assert one.status("steady")["restarts"] == 0


@dataclass
class Edge:
    """One client that comes again and again when its service is about to end."""

    port: int
    pids: set[int] = field(default_factory=set)
    failed: list[object] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def run(self, requests):
        for number in range(requests):
            if number % 2:  # the fractions of the golden ratio's multiples are spread evenly
                time.sleep(IDLE * (0.8 + 0.4 * (number * 0.618 % 1)))
            self.ask()

    def ask(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        began = time.monotonic()
        try:
            client.request("GET", "/pid", headers={"Connection": "close"})
            answer = client.getresponse()
            self.pids.add(int(answer.read()))
            if answer.status != 200:
                self.failed.append(answer.status)
        except (OSError, http.client.HTTPException, ValueError) as why:
            self.failed.append(repr(why))
        finally:
            client.close()
        self.seconds.append(time.monotonic() - began)


@pytest.mark.timeout(60 + REQUESTS // 20)
def test_at_the_edge_of_idle_no_request_fails(supervisor, modules, free_port):
    text = f"min_instances = 0\nidle_timeout = {IDLE}\n"
    edges = [Edge(free_port()) for _ in range(CLIENTS)]
    definitions = {
        f"edge{number}": definition("steady:Steady", pool(text)).replace("{port}", str(edge.port))
        for number, edge in enumerate(edges)
    }
    one = supervisor(definitions)
    threads = [threading.Thread(target=edge.run, args=(REQUESTS // CLIENTS,)) for edge in edges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [why for edge in edges for why in edge.failed]
    workers = len({pid for edge in edges for pid in edge.pids})
    seconds = sorted(one for edge in edges for one in edge.seconds)
    print(
        f"\n{len(seconds)} requests at the edge of idle: {len(failed)} failed, {workers} workers, "
        f"p99 {seconds[-len(seconds) // 100] * 1000:.0f} ms, worst {seconds[-1] * 1000:.0f} ms"
    )
    assert not failed
    assert workers > REQUESTS // 40, "the edge was not met"
    assert [one.status(name)["restarts"] for name in definitions] == [0] * CLIENTS


def test_a_local_call_starts_it_too_and_is_no_reason_to_stay(on_demand):
    one = on_demand('min_instances = 0\nidle_timeout = "300ms"\n')
    assert one.ctl("call", "steady", "who").returncode == 0
    wait_for(lambda: is_held(one), what="held")


def test_what_requires_an_on_demand_service_starts(on_demand, modules):
    needs = definition("steady:Steady", '[dependencies]\nrequires = ["steady"]\n')
    one = on_demand("min_instances = 0\n", second=needs)
    one.ready("second")
    assert is_held(one)


def test_a_stopped_on_demand_service_does_not_listen_and_a_start_makes_it_listen(on_demand):
    one = on_demand("min_instances = 0\n")
    one.ctl("stop", "steady")
    assert state(one) == "inactive"
    with pytest.raises(OSError, match="refused"):
        one.get("/pid")
    one.ctl("start", "steady")
    assert state(one) == "held"
    assert one.get("/pid").status == 200


def test_a_held_service_is_held_after_the_supervisors_death(on_demand):
    one = on_demand("min_instances = 0\n")
    one.crash()
    one.start()
    assert is_held(one)
    assert one.get("/pid").status == 200


def test_a_pool_grows_under_load_and_shrinks_again(on_demand):
    one = on_demand('min_instances = 1\nmax_instances = 3\nidle_timeout = "300ms"\n')
    assert len(one.pids("steady")) == 1
    clients = [http.client.HTTPConnection("127.0.0.1", one.port, timeout=10) for _ in range(20)]
    for client in clients:
        client.request("GET", "/slow?seconds=3")
    wait_for(lambda: len(one.pids("steady")) == 3, what="three instances")
    assert {client.getresponse().read() for client in clients}
    for client in clients:
        client.close()
    wait_for(lambda: len(one.pids("steady")) == 1, within=10, what="one instance")


def test_a_run_that_has_served_enough_is_replaced_and_nobody_notices(on_demand):
    one = on_demand("recycle_requests = 20\n")
    first = one.pids("steady")
    seen = set()

    def another():
        seen.add(int(one.get("/pid").body))
        return len(seen) > 1

    wait_for(another, within=20, what="another worker")
    assert first[0] in seen
    assert one.status("steady")["restarts"] == 0
