"""Who a service runs as, what it is given, and what has to be done before it starts."""

import json
import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from tests.helpers import alive
from tests.helpers import wait_for as until
from tests.integration.daemon.kittens import definition

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of others")
SEER = """
    import os
    from kettlingar import RPCKitten

    HOME_AT_IMPORT = os.environ.get("HOME")

    class Seer(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "seer"

        async def api_see(self, request):
            folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
            names = sorted(os.listdir(folder)) if folder else []
            return {
                "ids": [os.getuid(), os.getgid(), sorted(os.getgroups())],
                "home": os.environ.get("HOME"),
                "home_at_import": HOME_AT_IMPORT,
                "user": os.environ.get("USER"),
                "cwd": os.getcwd(),
                "folder": folder,
                "oom": open("/proc/self/oom_score_adj").read().strip(),
                "credentials": {n: open(os.path.join(folder, n)).read() for n in names},
            }
"""


@pytest.fixture
def seer(supervisor, service_module):
    folder = service_module("seer", SEER)

    def start(more, *, ready=True):
        for above in [folder, *folder.parents]:  # pytest's are 0700
            if above == Path(tempfile.gettempdir()):
                break
            above.chmod(above.stat().st_mode | 0o055)
        one = supervisor({"seer": definition("seer:Seer", more)})
        one.home.chmod(0o755)
        if ready:
            one.ready("seer")
        return one

    return start


def seen(one):
    return json.loads(one.ctl("call", "seer", "see", "-o", "json").stdout)


def others_can_run_python():
    """Is our interpreter where others than its owner may go?"""
    places = [Path(sys.executable).resolve(), *Path(sys.executable).resolve().parents]
    return all(place.stat().st_mode & 0o001 for place in places)


@AS_ROOT
@pytest.mark.skipif(not others_can_run_python(), reason="other users may not run this interpreter")
@pytest.mark.parametrize("zygote", ["true", "false"])
def test_a_service_runs_as_its_user_in_its_groups(seer, zygote):
    more = 'user = "nobody"\nsupplementary_groups = ["daemon"]\numask = "0077"\n'
    one = seer(f'{more}[pool]\nzygote = {zygote}\npreload = ["seer"]\n')
    found = seen(one)
    import grp
    import pwd

    nobody, daemon = pwd.getpwnam("nobody"), grp.getgrnam("daemon").gr_gid
    assert found["ids"][:2] == [nobody.pw_uid, nobody.pw_gid]
    assert daemon in found["ids"][2]
    assert 0 not in found["ids"][2]
    assert (found["user"], found["home"]) == ("nobody", nobody.pw_dir)
    assert found["home_at_import"] == nobody.pw_dir
    state = one.home / "state" / "seer"
    assert found["cwd"] == str(state)
    assert (state.stat().st_uid, stat.S_IMODE(state.stat().st_mode)) == (nobody.pw_uid, 0o700)


def test_credentials_are_in_a_private_folder_that_goes_with_the_run(seer):
    one = seer('[credentials]\nmaster_key = "key"\n', ready=False)
    assert "credentials" in str(one.status("seer")), "without the file it cannot start"
    (one.services / "key").write_text("s3cret")
    one.ctl("restart", "seer")
    one.ready("seer")
    found = seen(one)
    assert found["credentials"] == {"master_key": "s3cret"}
    assert stat.S_IMODE(os.stat(found["folder"]).st_mode) == 0o700
    one.ctl("stop", "seer")
    assert not os.path.exists(found["folder"])


def test_oom_score_adjust(seer):
    assert seen(seer("oom_score_adjust = 250\n"))["oom"] == "250"


def test_preparations_run_once_a_generation_and_not_after_a_crash(seer):
    more = 'exec_start_pre = [["sh", "-c", "echo prepared >> prepared"], ["true"]]\n'
    one = seer(more + "[pool]\ninstances = 2\n")
    done = one.home / "state" / "seer" / "prepared"
    assert done.read_text() == "prepared\n"
    [first, *_] = one.pids("seer")
    os.kill(first, 9)
    until(lambda: first not in one.pids("seer") and len(one.pids("seer")) == 2)
    assert done.read_text() == "prepared\n"
    one.ctl("restart", "seer")
    assert done.read_text() == "prepared\nprepared\n"


def test_a_stop_does_not_wait_for_a_preparation_to_end(seer):
    command = '["sh", "-c", "trap \'echo told; exit 0\' TERM; touch begun; sleep 600 & wait"]'
    one = seer(f'exec_start_pre = [{command}, ["touch", "second"]]\n', ready=False)
    state = one.home / "state" / "seer"
    until((state / "begun").exists)
    one.ctl("stop", "seer", within=5)
    assert "told" in (one.home / "log" / "seer-1.log").read_text()
    assert not (state / "second").exists()
    one.ctl("start", "seer", "--no-wait")
    until(lambda: one.status("seer")["instances"][0]["state"] == "spawning")
    one.ctl("stop", "seer", within=5)


def test_a_preparation_that_fails_says_which_and_how(seer):
    one = seer('exec_start_pre = [["sh", "-c", "exit 3"]]\nrestart = "no"\n', ready=False)
    until(lambda: "exec_start_pre" in str(one.status("seer")))
    assert "sh -c exit 3: exit 3" in str(one.status("seer"))


def test_kill_mode_process_leaves_what_it_started_alone(steady):
    one = steady('kill_mode = "process"\n')
    child = int(one.ctl("call", "steady", "leave_a_child").stdout)
    one.ctl("stop", "steady")
    assert alive(child)
    os.kill(child, 9)
