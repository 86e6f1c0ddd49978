"""Many requests through the supervisor: none fails, nothing stays open."""

from pathlib import Path

import pytest

from benchmarks._load import Load
from tests.helpers import descriptors, wait_for

KITTEN = """
    import os
    from kettlingar import RPCKitten

    class Echo(RPCKitten):
        async def public_api_pid(self, _request_info):
            return os.getpid()
"""
DEFINITION = """
    [service]
    kitten = "echo:Echo"
    python_path = ["{src}"]
    listen = ["127.0.0.1:{port}"]
    [pool]
    instances = 2
"""


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "a connection each"])
def test_two_thousand_requests_in_flight_leave_no_error_and_no_descriptor(
    supervisor, service_module, keep_alive
):
    service_module("echo", KITTEN)
    one = supervisor({"echo": DEFINITION})
    pids = [one.pid, *one.ready("echo")]
    Load(one.port, "/pid", count=64, keep_alive=keep_alive).run()  # what is opened once, is
    wait_for(lambda: one.status("echo")["in_flight"] == 0)

    def open_now():
        return [len(descriptors(pid)) for pid in pids]

    before = open_now()
    outcome = Load(one.port, "/pid", count=2000, in_flight=32, keep_alive=keep_alive).run()
    assert outcome.statuses == {200: 2000}
    wait_for(
        lambda: all(map(int.__le__, open_now(), before)),
        what=f"descriptors as they were ({before})",
    )


def test_the_supervisor_holds_the_listener_and_the_worker_answers(supervisor, service_module):
    service_module("echo", KITTEN)
    one = supervisor({"echo": DEFINITION})
    workers = one.ready("echo")
    assert f"socket:[{_inode_of_listener(one.port)}]" in descriptors(one.pid).values()
    answered = {int(one.get("/pid").body) for _ in range(10)}
    assert answered == set(workers)


def _inode_of_listener(port):
    listening = "0A"  # TCP_LISTEN in /proc/net/tcp
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == listening:
            return fields[9]
    raise AssertionError(f"nobody listens on port {port}")
