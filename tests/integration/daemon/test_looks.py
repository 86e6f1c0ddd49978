"""What operators see of a running supervisor beside `status`."""

import json
import os
import signal
import subprocess

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.helpers import ROOT
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import LISTEN
from tests.integration.daemon.kittens import definition
from tests.supervision import CTL


def plain(more=""):
    return definition("steady:Steady", more)


def test_show_says_each_value_and_its_origin(steady):
    one = steady("[log]\nlevel = 'debug'\n")
    one.ctl("scale", "steady=2")
    said = one.ctl("show", "steady", "--origin").stdout
    lines = {line.split(" = ")[0]: line for line in said.splitlines() if " = " in line}
    assert lines["level"].endswith(f"# {one.services}/steady.toml:6:1")
    assert lines["nice"].endswith("# default")
    assert lines["instances"].startswith("instances = 2")
    assert lines["instances"].endswith("# ctl scale")
    assert "[[listen]]" not in said.replace("\n[[listen]]\n", "", 1)
    keys = json.loads(one.ctl("show", "steady", "-o", "json").stdout)["keys"]
    assert {"table": "service", "key": "nice", "value": "0", "origin": "default",
            "change": "restart"} in keys  # fmt: skip


def test_show_env_is_what_its_processes_have(steady):
    one = steady("[environment]\nGREETING = 'hello'\n")
    shown = dict(
        line.split("=", 1) for line in one.ctl("show", "steady", "--env").stdout.splitlines()
    )
    there = json.loads(one.ctl("call", "steady", "environment", "-o", "json").stdout)
    del there["KETTLINGARD_RUN"]
    assert shown == there
    assert shown["GREETING"] == "hello"


def test_events_tell_what_happened_and_who_asked(steady):
    one = steady()
    one.ctl("restart", "steady")
    items = [json.loads(line) for line in one.ctl("events", "-o", "json").stdout.splitlines()]
    assert [i["to"] for i in items if not i["run"]] == ["start", "restart"]
    assert {"spawning", "starting", "ready", "draining", "exited"} <= {i["to"] for i in items}
    assert any(line.endswith("steady: restart asked by uid " + str(os.getuid()))
               for line in one.ctl("events", "steady").stdout.splitlines())  # fmt: skip


def test_events_are_followed_as_they_come(steady):
    one = steady()
    with subprocess.Popen(
        [*CTL, "ctl", "--home", str(one.home), "events", "-f"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as following:  # fmt: skip
        try:
            assert following.stdout is not None
            assert "start asked by boot" in following.stdout.readline()
            one.ctl("stop", "steady")
            line = ""
            while "exited" not in line:
                line = following.stdout.readline()
                assert line
        finally:
            following.send_signal(signal.SIGINT)
        assert following.wait(5) == 0


def test_deps_are_a_tree_and_the_critical_chain_has_times(steady):
    one = steady(web=plain('[dependencies]\nrequires = ["steady"]\n'))
    one.ready("web")
    tree = one.ctl("deps", "web").stdout.splitlines()
    assert tree == ["web  ready", "  steady  ready  (requires)"]
    assert one.ctl("deps", "steady", "--reverse").stdout.splitlines()[1].startswith("  web")
    first, second = one.ctl("deps", "web", "--critical-chain").stdout.splitlines()
    assert first.startswith("web  @")
    assert second.startswith("  steady  @")
    assert one.ctl("deps", "nowhere", check=False).returncode == 4


def test_sockets_say_what_became_of_connections(steady):
    one = steady()
    for _ in range(3):
        assert one.get("/pid").status == 200
    [record] = json.loads(one.ctl("sockets", "-o", "json").stdout)
    assert (record["passed"], record["answered_503"], record["lost"]) == (3, 0, 0)
    assert f"127.0.0.1:{one.port}" in one.ctl("sockets", "steady").stdout


def test_a_stack_says_what_a_process_does_even_if_its_loop_is_blocked(steady):
    one = steady("[pool]\ninstances = 2\n")
    said = one.ctl("stack", "steady").stdout
    assert said.count("thread MainThread") == 2
    assert "task Task-" in said
    one.ctl("call", "steady/1", "block", "5")
    until(lambda: "its loop does not answer" in one.ctl("stack", "steady/1").stdout, 5)
    assert "Current thread" in one.ctl("stack", "steady/1").stdout


def test_top_shows_each_process(steady):
    one = steady("[pool]\ninstances = 2\n")
    lines = one.ctl("top", "-n", "1").stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == ["INSTANCE", "steady/1", "steady/2"]


def test_metrics_of_supervisor_and_kittens_are_one_page(supervisor, service_module):
    service_module(
        "cat",
        """
        from kettlingar import RPCKitten, HttpResult
        from kettlingar.metrics import MetricsKitten

        class Cat(RPCKitten, MetricsKitten):
            class Configuration(RPCKitten.Configuration):
                APP_NAME = "cat"

            async def public_api_meow(self, request):
                return HttpResult("text/plain", "meow")
        """,
    )
    more = LISTEN + "[pool]\ninstances = 2\n"
    one = supervisor({"cat": definition("cat:Cat", more)})
    one.ready("cat")
    for _ in range(4):
        one.get("/meow")
    text = one.ctl("metrics").stdout
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def total(name, **labels):
        found = [s for s in samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(sample.value for sample in found)

    assert total("http_total", method="meow", service="cat") == 4
    assert {s.labels["instance"] for s in samples if s.name.startswith("start_time")} == {"1", "2"}
    assert total("kettlingard_instances_ready", service="cat") == 2
    assert total("kettlingard_connections_passed_total") == 4


def test_a_token_is_issued_rotated_and_revoked_at_once(steady):
    one = steady()
    [url] = one.ctl("token", "steady", "issue").stdout.split()
    path = "/" + url.split("/", 3)[3]
    who = f"{path}config"
    assert one.get(who).status == 200
    [new] = one.ctl("token", "steady", "rotate").stdout.split()
    until(lambda: one.get(who).status != 200, 5)
    path = "/" + new.split("/", 3)[3]
    assert one.get(f"{path}config").status == 200
    assert one.ctl("token", "steady", "revoke").stdout == ""
    until(lambda: one.get(f"{path}config").status != 200, 5)
    one.ctl("call", "steady", "config", "-o", "json")
    one.ctl("restart", "steady")
    assert one.get(f"{path}config").status != 200


def test_a_command_is_run_with_what_the_service_has(steady):
    one = steady("[environment]\nGREETING = 'hello'\n")
    said = one.ctl("exec", "steady", "--", "sh", "-c", "echo $GREETING; pwd; umask")
    greeting, folder, umask = said.stdout.splitlines()
    assert (greeting, umask) == ("hello", "0027")
    assert folder == str(one.home / "state" / "steady")
    missing = one.ctl("exec", "steady", "--", "no-such-program", check=False)
    assert missing.returncode == 4
    assert one.ctl("exec", "steady", "--", "sh", "-c", "exit 7", check=False).returncode == 7
