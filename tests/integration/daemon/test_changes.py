"""What operators change: definitions on disk, numbers of instances, what starts by itself."""

import json
import subprocess
from contextlib import closing

import pytest

from kettlingar.sync import connect_control
from tests.helpers import ROOT
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import LISTEN
from tests.integration.daemon.kittens import definition
from tests.supervision import CTL


def plain(more=""):
    return definition("steady:Steady", more)


def test_a_plan_says_each_key_and_what_it_does_and_changes_nothing(steady):
    one = steady(other=plain(), gone=plain())
    one.ready("gone")
    [pid] = one.pids("steady")
    one.define("steady", plain(LISTEN + '[environment]\nX = "1"\n[log]\nlevel = "debug"\n'))
    one.define("newsletter", plain())
    one.define("other", plain("autorestart = true\n"))
    (one.services / "gone.toml").unlink()
    said = one.ctl("plan", check=False)
    assert said.returncode == 6
    lines = [line.split() for line in said.stdout.splitlines()]
    assert ["-", "gone", "stop", "(only", "with", "--prune)"] in lines
    assert ["+", "newsletter", "start", "1"] in lines
    assert [
        "~",
        "steady",
        "environment.X",
        "+",
        '"1"',
        "restart,",
        "rolling",
        "(1",
        "instance)",
    ] in lines
    assert ["~", "steady", "log.level", '"info"', "->", '"debug"', "live"] in lines
    assert "other.toml:4:1: service.autorestart: unknown key; did you mean service.restart?" in (
        said.stdout
    )
    assert one.pids("steady") == [pid]
    assert one.ctl("status", "newsletter", check=False).returncode == 4


def test_apply_does_what_the_plan_said_and_leaves_the_rest_alone(steady):
    one = steady(quiet=plain(), gone=plain())
    before = one.ready("quiet"), one.ready("gone"), one.pids("steady")
    one.define("steady", plain(LISTEN + '[config]\nword = "two"\n'))
    one.define("newsletter", plain())
    (one.services / "gone.toml").unlink()
    one.ctl("apply")
    assert one.get("/word").body == b"two"
    assert one.status("newsletter")["state"] == "ready"
    assert (one.pids("quiet"), one.pids("gone")) == before[:2]
    one.ctl("apply", "--prune")
    assert one.ctl("status", "gone", check=False).returncode == 4
    assert one.ctl("plan").stdout.startswith("nothing to do")


def test_apply_of_live_keys_restarts_nothing(steady):
    one = steady()
    [pid] = one.pids("steady")
    one.define("steady", plain(LISTEN + "[pool]\ninstances = 2\n[log]\nlevel = 'debug'\n"))
    one.ctl("apply", "steady")
    assert pid in one.pids("steady")
    assert len(one.pids("steady")) == 2
    assert one.status("steady")["restarts"] == 0


def test_which_public_methods_are_reached_is_applied_to_what_runs(steady):
    one = steady()
    [pid] = one.pids("steady")
    one.define("steady", plain(LISTEN + '[access]\npublic_methods = ["word"]\n'))
    one.ctl("apply")
    until(lambda: one.get("/pid").status == 403, 5)
    assert one.get("/word").body == b"one"
    assert one.pids("steady") == [pid]


def test_a_setting_that_the_class_listens_to_is_applied_live(supervisor, service_module):
    service_module(
        "cat",
        """
        import os
        from kettlingar import RPCKitten, HttpResult

        class Cat(RPCKitten):
            class Configuration(RPCKitten.Configuration):
                APP_NAME = "cat"
                WORD = "one"
            heard = 0

            async def on_config_word(self):
                self.heard += 1

            async def public_api_word(self, request):
                return HttpResult("text/plain", f"{self.config.word} {self.heard}")
        """,
    )
    one = supervisor({"cat": definition("cat:Cat", LISTEN)})
    [pid] = one.ready("cat")
    one.define("cat", definition("cat:Cat", LISTEN + '[config]\nword = "two"\n'))
    assert "live" in one.ctl("plan").stdout
    one.ctl("apply")
    until(lambda: one.get("/word").body == b"two 1", 5)
    one.ctl("reload", "cat")
    until(lambda: one.get("/word").body == b"two 2", 5)
    one.define("cat", definition("cat:Cat", LISTEN))
    one.ctl("reload", "cat")
    until(lambda: one.get("/word").body == b"one 3", 5)
    assert one.pids("cat") == [pid]


def test_a_reload_never_restarts(steady):
    one = steady()
    [pid] = one.pids("steady")
    one.define("steady", plain(LISTEN + '[environment]\nX = "1"\n'))
    refused = one.ctl("reload", "steady", check=False)
    assert refused.returncode == 1
    assert "environment.X needs a restart" in refused.stderr
    assert one.pids("steady") == [pid]


def test_an_apply_of_a_broken_definition_applies_the_others(steady):
    one = steady(other=plain())
    [pid] = one.pids("steady")
    one.define("steady", "nonsense")
    one.define("third", plain())
    assert one.ctl("apply", check=False).returncode == 6
    assert one.pids("steady") == [pid]
    assert one.status("third")["state"] == "ready"


def test_scale_holds_until_the_definition_says_another_number(steady):
    one = steady()
    one.ctl("scale", "steady=3")
    assert len(one.pids("steady")) == 3
    one.ctl("restart", "steady")
    assert len(one.pids("steady")) == 3
    one.define("steady", plain(LISTEN + "[pool]\ninstances = 2\n"))
    one.ctl("apply")
    until(lambda: len(one.pids("steady")) == 2, 5)
    one.ctl("scale", "steady=0")
    assert one.status("steady")["state"] == "inactive"
    assert one.ctl("scale", "steady=many", check=False).returncode == 2
    assert one.ctl("scale", "steady=1001", check=False).returncode == 2


def test_a_stop_and_a_scale_are_remembered_over_a_restart_of_the_supervisor(steady):
    one = steady(other=plain())
    one.ready("other")
    one.ctl("stop", "other")
    one.ctl("scale", "steady=2")
    one.stop()
    one.start()
    assert len(one.ready("steady")) == 2
    assert one.status("other")["state"] == "inactive"
    one.ctl("start", "other")
    one.stop()
    one.start()
    one.ready("other")


def test_a_stop_of_one_instance_is_remembered_over_a_restart_of_the_supervisor(steady):
    one = steady("[pool]\ninstances = 3\n")
    one.ctl("stop", "steady/2")
    one.stop()
    one.start()
    until(lambda: len(one.pids("steady")) == 2)
    runs = {run["instance"]: run["state"] for run in one.status("steady")["instances"]}
    assert [number for number, state in runs.items() if state == "ready"] == [1, 3]
    one.ctl("start", "steady")
    assert len(one.pids("steady")) == 3


def test_disable_is_for_ever_and_enable_takes_it_back(steady):
    one = steady(other=plain("enabled = false\n"))
    assert one.status("other")["state"] == "disabled"
    one.ctl("enable", "other", "--now")
    one.ctl("disable", "steady", "--now")
    assert one.status("steady")["state"] == "disabled"
    one.stop()
    one.start()
    one.ready("other")
    assert one.status("steady")["state"] == "disabled"
    one.ctl("enable", "steady")
    assert one.status("steady")["state"] == "inactive"


def test_a_rollback_goes_back_definition_by_definition(steady):
    one = steady()
    for word in ("two", "three"):
        one.define("steady", plain(LISTEN + f'[config]\nword = "{word}"\n'))
        one.ctl("restart", "steady")
    said = one.ctl("rollback", "steady").stdout
    assert 'config.word "three" -> "two"' in said
    assert one.get("/word").body == b"two"
    one.ctl("rollback", "steady")
    assert one.get("/word").body == b"one"
    nothing = one.ctl("rollback", "steady", check=False)
    assert (nothing.returncode, "no earlier generation" in nothing.stderr) == (4, True)
    one.ctl("restart", "steady")
    assert one.get("/word").body == b"three"


def test_a_rollback_of_a_paused_update_disturbs_nothing(steady):
    one = steady()
    [pid] = one.pids("steady")
    one.define("steady", definition("steady:Missing", LISTEN))
    assert one.ctl("restart", "steady", check=False).returncode == 1
    one.ctl("rollback", "steady")
    assert one.status("steady")["state"] == "ready"
    assert one.pids("steady") == [pid]


@pytest.mark.parametrize("while_it_comes_in", [False, True])
def test_a_rollback_goes_back_to_the_number_of_instances_of_before(steady, while_it_comes_in):
    one = steady()
    monitor = "1h" if while_it_comes_in else "10ms"
    one.define(
        "steady", plain(LISTEN + f'[pool]\ninstances = 3\n[update]\nmonitor = "{monitor}"\n')
    )
    one.ctl("restart", "steady", *(["--no-wait"] if while_it_comes_in else []))
    until(lambda: len(one.pids("steady")) >= 3)
    one.ctl("rollback", "steady")
    until(lambda: len(one.status("steady")["instances"]) == 1, 10)
    assert one.status("steady")["state"] == "ready"


def test_what_others_require_is_not_stopped_by_accident(steady):
    one = steady(web=plain('[dependencies]\nrequires = ["steady"]\n'))
    one.ready("web")
    refused = one.ctl("stop", "steady", check=False)
    assert refused.returncode == 1
    assert "needed by web (requires)" in refused.stderr
    one.ctl("stop", "steady", "--with-dependents")
    assert one.status("web")["state"] == one.status("steady")["state"] == "inactive"
    one.ctl("start", "web")
    one.ctl("stop", "steady", "--force")
    assert one.status("web")["state"] == "ready"


def test_a_start_without_dependencies_starts_only_what_was_named(steady):
    one = steady(web=plain('enabled = false\n[dependencies]\nwants = ["lazy"]\n'),
                 lazy=plain("enabled = false\n"))  # fmt: skip
    one.ctl("start", "web", "--no-deps")
    assert one.status("lazy")["state"] == "disabled"


def test_what_is_bound_to_a_service_rests_with_it_and_comes_back_with_it(steady):
    one = steady(tail=plain('[dependencies]\nbinds_to = ["steady"]\n'))
    one.ready("tail")
    one.ctl("stop", "steady")
    until(lambda: one.status("tail")["state"] == "waiting", 10)
    one.ctl("start", "steady")
    one.ready("tail")


def test_what_is_part_of_a_service_stops_and_restarts_with_it(steady):
    one = steady(part=plain('[dependencies]\npart_of = ["steady"]\n'))
    [before] = one.ready("part")
    one.ctl("restart", "steady")
    [after] = one.ready("part")
    assert before != after
    one.ctl("stop", "steady")
    until(lambda: one.status("part")["state"] == "inactive")


def test_kill_sends_a_signal_and_the_service_comes_back(steady):
    one = steady()
    [pid] = one.pids("steady")
    assert str(pid) in one.ctl("kill", "steady/1", "-s", "kill").stdout
    until(lambda: one.pids("steady") not in ([], [pid]), 10)
    assert one.ctl("kill", "steady", "-s", "TREM", check=False).returncode == 2


def test_what_has_failed_is_tried_again_when_somebody_says_so(steady, service_module):
    one = steady(late=definition("late:Steady"))
    until(lambda: one.status("late")["state"] == "failed", 10)
    service_module("late", "from steady import Steady")
    assert one.ctl("reset-failed").stdout == "tried again: late\n"
    one.ready("late")
    assert one.ctl("reset-failed").stdout == "nothing has failed\n"


def test_a_superseded_command_is_told_by_whom(steady):
    one = steady(stubborn=definition("stubborn:Slow", 'timeout_stop = "1s"\n'))
    waiting = subprocess.Popen(
        [*CTL, "ctl", "--home", str(one.home), "restart", "stubborn"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert waiting.stdout is not None
    assert "generation" in waiting.stdout.readline()
    one.ctl("stop", "stubborn", "--now")
    said, _ = waiting.communicate(timeout=20)
    assert waiting.returncode == 1
    assert "stubborn: superseded by stop (uid" in said


def test_a_restart_at_once_does_not_wait_for_what_is_in_flight(steady):
    one = steady()
    [before] = one.pids("steady")
    one.ctl("restart", "steady", "--now")
    [after] = one.pids("steady")
    assert before != after


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_plan_for_programs_and_people(steady, form):
    said = steady().ctl("plan", "-o", form).stdout
    if form == "json":
        [step] = json.loads(said)["steps"]
        assert (step["name"], step["mark"]) == ("steady", "=")


def test_a_failed_update_rolls_back_by_itself_where_that_is_wanted(steady):
    one = steady("[update]\nfailure_action = 'rollback'\n[pool]\ninstances = 2\n")
    before = set(one.pids("steady"))
    more = LISTEN + "[update]\nfailure_action = 'rollback'\n[pool]\ninstances = 2\n"
    one.define("steady", definition("steady:Missing", more))
    failed = one.ctl("restart", "steady", check=False)
    assert failed.returncode == 1
    assert "superseded by rollback (update.failure_action)" in failed.stdout
    one.ready("steady")
    assert set(one.pids("steady")) == before


def test_a_rollback_is_possible_after_the_supervisor_was_killed(steady):
    one = steady()
    one.define("steady", plain(LISTEN + '[config]\nword = "two"\n'))
    one.ctl("restart", "steady")
    one.crash()
    one.start()
    one.ctl("rollback", "steady")
    assert one.get("/word").body == b"one"


def test_what_was_accepted_is_known_to_the_next_supervisor_however_soon_this_one_is_killed(steady):
    one = steady()
    for generation, word in ((2, "two"), (3, "three"), (4, "four")):
        one.define("steady", plain(LISTEN + f'[config]\nword = "{word}"\n'))
        with closing(connect_control(one.socket, timeout=10)) as control:
            stream = control.stream("restart", ["steady"])
            assert "definition changed" in next(stream)["text"]
            one.crash()
        one.start()
        assert one.status("steady")["generation"] == generation
        until(lambda word=word: one.get("/word").body == word.encode(), 10)


def test_what_was_started_for_another_is_started_at_the_next_boot_too(steady):
    one = steady(db=plain(), web=plain('[dependencies]\nrequires = ["db"]\n'))
    one.ready("web")
    one.ctl("stop", "db", "--with-dependents")
    one.ctl("start", "web")
    one.stop()
    one.start()
    one.ready("web")


def test_methods_that_vanish_stop_an_update_where_that_is_refused(supervisor, service_module):
    kitten = """
        from kettlingar import RPCKitten

        class Cat(RPCKitten):
            class Configuration(RPCKitten.Configuration):
                APP_NAME = "cat"

            async def api_{name}(self, request):
                return 1
        """
    service_module("cat", kitten.format(name="meow"))
    one = supervisor({"cat": definition("cat:Cat", '[update]\napi_break = "refuse"\n')})
    [pid] = one.ready("cat")
    service_module("cat", kitten.format(name="purr"))
    failed = one.ctl("restart", "cat", check=False)
    assert failed.returncode == 1
    assert "API BREAK: removed meow(" in failed.stdout
    assert one.pids("cat") == [pid]
    assert one.status("cat")["state"] == "update-paused"
    said = one.ctl("restart", "cat", "--allow-api-break").stdout
    assert "API BREAK" not in said
    assert json.loads(one.ctl("call", "cat", "purr", "-o", "json").stdout) == 1
