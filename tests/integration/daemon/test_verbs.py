"""Verbs and flags of the command lines that no other test here is about."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import shared
from tests.integration.daemon.kittens import STEADY
from tests.supervision import CTL, UP

KITTEN = '[service]\nkitten = "steady:Steady"\npython_path = ["{src}"]\n[update]\nmonitor = 0\n'
SLEEP = '[service]\ntype = "simple"\nexec = ["sleep", "600"]\n[update]\nmonitor = 0\n'


@pytest.fixture(scope="module")
def one(tmp_path_factory, nursery):
    src = tmp_path_factory.mktemp("src")
    (src / "steady.py").write_text("\n".join(line[4:] for line in STEADY.splitlines()))
    texts = {"steady": f"{KITTEN}[pool]\ninstances = 2\n", "sleeper": SLEEP}
    with shared(texts, src, nursery) as supervisor:
        supervisor.ready("steady")
        yield supervisor


def kettlingard(*words, **more):
    return subprocess.run(
        [*UP, *words], capture_output=True, text=True, check=False, cwd=ROOT, timeout=30, **more
    )


def test_call_reaches_one_instance_or_all_and_says_whose_answer_it_is(one):
    pids = one.ready("steady")
    alone = one.ctl("call", "steady/2", "environment", "-o", "json").stdout
    assert "KETTLINGARD" in alone
    said = one.ctl("call", "steady/*", "word").stdout
    assert said == "steady/1  one\nsteady/2  one\n"
    lines = one.ctl("call", "steady/*", "pid", "-o", "json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [answer["instance"] for answer in found] == ["steady/1", "steady/2"]
    assert {int(answer["result"]["data"]) for answer in found} == set(pids)
    failed = one.ctl("call", "steady/*", "meow", check=False)
    assert failed.returncode == 4
    assert failed.stderr.splitlines()[1] == "steady/2  no such method: meow"


def test_status_w_draws_again_until_ctrl_c(one):
    with subprocess.Popen(
        [*CTL, "ctl", "--home", str(one.home), "status", "-w"], stdout=subprocess.PIPE, text=True
    ) as watching:
        heads = 0
        for line in watching.stdout:
            heads += line.startswith("SERVICE")
            if heads == 2:
                break
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()
        assert watching.wait(10) == 0


def test_wait_for_updated_ends_with_the_rollout(one):
    before = one.pids("steady")
    one.ctl("restart", "steady", "--no-wait")
    one.ctl("wait", "steady", "--for", "updated", "--timeout", "20")
    assert not set(before) & set(one.pids("steady"))
    assert one.status("steady")["state"] == "ready"


def test_all_means_all_services(one):
    before = {name: one.pids(name) for name in ("steady", "sleeper")}
    assert "did you mean --all?" in one.ctl("restart", "all", check=False).stderr
    one.ctl("restart", "--all")
    assert all(not set(pids) & set(one.pids(name)) for name, pids in before.items())
    one.ctl("stop", "--all")
    assert [s["state"] for s in all_of(one)] == ["inactive", "inactive"]
    one.ctl("start", "--all")
    assert [s["state"] for s in all_of(one)] == ["ready", "ready"]


def all_of(one):
    return json.loads(one.ctl("status", "-o", "json").stdout)["services"]


def test_timeout_gives_up_waiting_and_the_command_goes_on(one):
    (one.src / "slow.py").write_text(
        "import asyncio\nfrom kettlingar import RPCKitten\n"
        "class Slow(RPCKitten):\n"
        "    async def init_servers(self, servers):\n"
        "        await asyncio.sleep(1)\n"
        "        return servers\n"
    )
    one.define("slow", KITTEN.replace("steady:Steady", "slow:Slow"))
    assert one.ctl("start", "slow", "--timeout", "100ms", check=False).returncode == 8
    one.ready("slow")
    one.ctl("stop", "slow")


def instances(one):
    return {run["instance"]: run["pid"] for run in one.status("steady")["instances"]}


def test_one_instance_is_stopped_started_restarted_and_signalled_alone(one):
    before = instances(one)
    one.ctl("restart", "steady/2")
    after = instances(one)
    assert after[1] == before[1]
    assert after[2] != before[2]
    one.ctl("stop", "steady/1")
    assert one.pids("steady") == [after[2]]
    one.ctl("start", "steady/1")
    until(lambda: len(one.pids("steady")) == 2)
    one.ctl("kill", "steady/1", "-s", "KILL")
    until(lambda: len(one.pids("steady")) == 2)
    assert after[2] in one.pids("steady")


def test_kettlingard_ctl_is_kettlingar_ctl(one):
    done = kettlingard("ctl", "--home", str(one.home), "status", "sleeper")
    assert done.returncode == 0
    assert done.stdout.startswith("sleeper ")


def test_version_is_printed():
    assert kettlingard("version").stdout.startswith("kettlingard 0.")


@pytest.mark.parametrize("mode", ["--system", "--user"])
def test_unit_prints_units_for_this_program(mode):
    done = kettlingard("unit", mode, "--socket", "--fdstore", "8")
    assert done.returncode == 0
    for line in ("Type=notify-reload", "FileDescriptorStoreMax=8", "[Socket]"):
        assert line in done.stdout.splitlines()
    assert f" up {mode}" in done.stdout


def test_a_unit_starts_a_program_also_when_it_was_printed_by_a_module():
    command = [sys.executable, "-m", "kettlingard", "unit", "--system"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    [line] = [line for line in said.splitlines() if line.startswith("ExecStart=")]
    assert line == f"ExecStart={Path(sys.executable).with_name('kettlingard')} up --system"


# --- where things are ---


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="kd-") as name:
        yield Path(name)


def begun(*words, **more):
    process = subprocess.Popen(
        [*UP, "up", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, **more,
    )  # fmt: skip
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("try:"):
            return process, said
    raise AssertionError(said)


def ended(process):
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_services_may_be_named_several_times_and_the_later_folder_wins(folder):
    for name, seconds in (("one", 600), ("two", 700)):
        (folder / name).mkdir()
        text = f'[service]\ntype = "simple"\nexec = ["sleep", "{seconds}"]\n'
        (folder / name / "both.toml").write_text(text)
        (folder / name / f"only-{name}.toml").write_text(text)
    places = ["--services", str(folder / "one"), "--services", str(folder / "two")]
    process, _ = begun("--home", str(folder / "home"), *places)
    ctl = [*CTL, "ctl", "--home", str(folder / "home")]
    shown = subprocess.run([*ctl, "show", "both"], capture_output=True, text=True, check=True)
    assert '["sleep", "700"]' in shown.stdout
    for name in ("only-one", "only-two"):
        subprocess.run([*ctl, "wait", name], check=True)
    ended(process)


def test_user_uses_the_xdg_directories_and_ctl_finds_it_by_itself(folder):
    env = {k: v for k, v in os.environ.items() if k != "KETTLINGARD_SOCKET"}
    for name in ("RUNTIME_DIR", "STATE_HOME", "CONFIG_HOME"):
        env[f"XDG_{name}"] = str(folder / name)
        (folder / name).mkdir(mode=0o700)
    definitions = folder / "CONFIG_HOME" / "kettlingard" / "services.d"
    definitions.mkdir(parents=True)
    (definitions / "mine.toml").write_text(SLEEP)
    process, said = begun("--user", env=env)
    assert "try: kettlingar ctl status" in said.replace(str(ROOT), "")
    found = subprocess.run(
        [*CTL, "ctl", "wait", "mine"], env=env, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert (folder / "RUNTIME_DIR" / "kettlingard" / "control.sock").exists()
    assert (folder / "STATE_HOME" / "kettlingard" / "log" / "mine-1.log").exists()
    ended(process)


SYSTEM = """
set -e
mkdir -p "$1/etc" && cp -a /etc/. "$1/etc/"
mount --bind "$1/etc" /etc
for folder in /run /var/lib /var/log; do mount -t tmpfs none $folder; done
mkdir -p /etc/kettlingard/services.d
printf '[service]\\ntype = "simple"\\nexec = ["sleep", "600"]\\nuser = "nobody"\\n' > /etc/kettlingard/services.d/good.toml
printf '[service]\\ntype = "simple"\\nexec = ["sleep", "600"]\\n' > /etc/kettlingard/services.d/rooted.toml
shift
"$@" up --system > "$HERE/said" 2>&1 &
daemon=$!
until grep -q ^try: "$HERE/said"; do kill -0 $daemon; sleep 0.05; done
$CTL ctl wait good
$CTL ctl status || true
$CTL ctl status rooted || true
ls /run/kettlingard/control.sock /var/lib/kettlingard /var/log/kettlingard/good-1.log
kill $daemon; wait $daemon
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs mounts of its own"
)
def test_system_uses_the_machines_directories_and_insists_on_users(folder):
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", SYSTEM, "sh", str(folder), *UP],
        env={**os.environ, "HERE": str(folder), "CTL": f"{CTL[0]} -m kettlingar"},
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=50,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounts of its own here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr + (folder / "said").read_text()
    assert "rooted.toml" in done.stdout
    assert "user" in done.stdout
    assert "/run/kettlingard/control.sock" in done.stdout
