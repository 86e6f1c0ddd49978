"""The services of services.d/, as `make up` runs them, on other ports."""

import http.client
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers import ROOT, pick_port
from tests.supervision import UP

DEFINITIONS = sorted((ROOT / "services.d").glob("*.toml"))
PORTS = {"kitten": "127.0.0.1:8376", "search": "127.0.0.1:8377"}


def definition(path, port):
    text = path.read_text().replace('[".."]', f'["{ROOT}"]')
    return text.replace(PORTS.get(path.stem, "no port"), f"127.0.0.1:{port}")


@pytest.fixture
def up(supervisor):
    """Run some of them, each on a port of its own: `up("search").ports["search"]`."""

    def start(*names):
        ports = {path.stem: pick_port() for path in DEFINITIONS}
        chosen = [path for path in DEFINITIONS if path.stem in names]
        one = supervisor({path.stem: definition(path, ports[path.stem]) for path in chosen})
        one.ports = ports
        for name in names:
            one.ready(name)
        return one

    return start


def test_every_definition_is_valid():
    done = subprocess.run(
        [*UP, "check", str(ROOT / "services.d")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_all_of_them_come_up_together(up):
    one = up("kitten", "filecat", "search")
    said = json.loads(one.ctl("status", "-o", "json").stdout)
    assert {service["name"]: service["state"] for service in said["services"]} == {
        "filecat": "ready",
        "kitten": "ready",
        "search": "ready",
    }
    assert one.ctl("call", "kitten", "purr", "2", "--purr=rarr").stdout == (
        "Kitty says rarr\nKitty says rarrrarr\n"
    )
    assert one.ctl("call", "filecat", "show", str(ROOT / "LICENSE")).stdout.startswith("MIT")
    assert one.ctl("call", "filecat", "borrow", str(ROOT / "LICENSE")).stdout.startswith("MIT")
    hosts = one.get("/meow", one.ports["kitten"])
    assert (hosts.status, hosts.body) == (200, b"Meow world, meow!\n")


def test_three_search_workers_share_one_port_and_one_index(up):
    one = up("search")
    assert len(one.pids("search")) == 3
    assert "unchanged" in one.ctl("call", "search", "index").stdout
    port = one.ports["search"]

    def ask(_number):
        return json.loads(one.get("/search?q=cat", port).body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(60)))
    assert {answer["pid"] for answer in answers} == set(one.pids("search"))
    assert all(answer["hits"][0]["path"] == "cats/doors.txt" for answer in answers)
    each = one.ctl("call", "search/*", "stats", "-o", "json").stdout
    records = [json.loads(line)["result"] for line in each.splitlines()]
    assert [record["files"] for record in records] == [10, 10, 10]
    assert {record["pid"] for record in records} == set(one.pids("search"))


def test_what_is_indexed_later_is_found_by_every_worker(up, tmp_path):
    one = up("search")
    (tmp_path / "new.txt").write_text("A new text\n\nabout an armadillo")
    said = one.ctl("call", "search", "index", str(tmp_path)).stdout
    assert "1 added, 0 changed, 0 removed" in said
    for number in (1, 2, 3):
        found = one.ctl("call", f"search/{number}", "query", "armadillo").stdout
        assert found == "new.txt: A new text\n    about an **armadillo**\n"


def test_a_rolling_restart_loses_no_request(up):
    one = up("search")
    port = one.ports["search"]
    before = set(one.pids("search"))
    stop = threading.Event()

    def ask_until_stopped(_number):
        statuses = []
        while not stop.wait(0.005):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/search?q=cat")
            statuses.append(connection.getresponse().status)
            connection.close()
        return statuses

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_until_stopped, number) for number in range(4)]
        try:
            one.ctl("restart", "search", within=60)
        finally:
            stop.set()
        statuses = [status for future in asking for status in future.result()]
    assert set(statuses) == {200}
    assert len(statuses) > 20
    assert not before & set(one.pids("search"))
