"""kettlingard.toml, and drop-ins, with a real supervisor."""

import os
import signal
import socket
import stat
import subprocess

from tests.helpers import ROOT, alive
from tests.helpers import wait_for as until
from tests.integration.daemon.conftest import LISTEN
from tests.integration.daemon.kittens import definition
from tests.supervision import UP

DEFAULTS = '[defaults.config]\nword = "from defaults"\n'


def test_defaults_and_drop_ins_change_a_service_and_show_says_which(steady):
    one = steady()
    (one.home / "kettlingard.toml").write_text(DEFAULTS)
    assert one.ctl("daemon", "reload-config").stdout.startswith("[defaults]")
    assert "config.word" in one.ctl("plan").stdout
    one.ctl("apply")
    assert one.get("/word").body == b"from defaults"
    folder = one.services / "steady.toml.d"
    folder.mkdir()
    (folder / "10-word.toml").write_text('[config]\nword = "from a drop-in"\n')
    one.ctl("apply")
    assert one.get("/word").body == b"from a drop-in"
    shown = one.ctl("show", "steady", "--origin").stdout
    assert f"# {folder}/10-word.toml:2:1" in shown


def test_a_hangup_reads_the_settings_again_and_leaves_services_alone(steady):
    one = steady()
    [pid] = one.pids("steady")
    mode = lambda: stat.S_IMODE(one.socket.stat().st_mode)  # noqa: E731
    assert mode() == 0o666
    (one.home / "kettlingard.toml").write_text('[daemon]\ncontrol_mode = "0600"\n')
    os.kill(one.pid, signal.SIGHUP)
    until(lambda: mode() == 0o600, 5)
    assert one.pids("steady") == [pid]


def test_settings_with_problems_change_nothing(steady):
    one = steady()
    (one.home / "kettlingard.toml").write_text("[daemon]\nadpot = false\n")
    refused = one.ctl("daemon", "reload-config", check=False)
    assert refused.returncode == 6
    assert "kettlingard.toml:2:1: daemon.adpot: unknown key; did you mean daemon.adopt?" in (
        refused.stderr
    )


def test_up_with_bad_or_missing_settings_ends_with_6(tmp_path):
    for text, why in (("[damon]\n", "unknown key"), (None, "there is no such file")):
        config = tmp_path / "k.toml"
        config.unlink(missing_ok=True)
        if text is not None:
            config.write_text(text)
        done = subprocess.run(
            [*UP, "up", "--home", str(tmp_path / "home"), "--config", str(config)],
            capture_output=True, text=True, timeout=20, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 6
        assert why in done.stderr


def test_the_control_socket_and_the_state_are_where_the_settings_say(supervisor, modules, tmp_path):
    one = supervisor({})
    one.stop()
    where = one.home / "elsewhere"
    where.mkdir()
    (one.home / "kettlingard.toml").write_text(
        f'[daemon]\ncontrol_socket = "elsewhere/c.sock"\nstate_directory = "{where}/state"\n'
    )
    one.define("steady", definition("steady:Steady", LISTEN))
    with one.log.open("ab") as log:
        one.process = subprocess.Popen(
            [*UP, "up", "--home", str(one.home)], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    until((where / "c.sock").exists, 10)
    socket = ["--socket", str(where / "c.sock")]
    one.ctl(*socket, "wait", "steady")
    assert (where / "state" / "steady").is_dir()
    assert f"--socket {where}/c.sock status" in one.log.read_text()


def test_without_adopt_a_new_supervisor_ends_what_a_killed_one_left(steady):
    one = steady()
    [pid] = one.pids("steady")
    (one.home / "kettlingard.toml").write_text("[daemon]\nadopt = false\n")
    one.crash()
    one.start()
    assert one.ready("steady") != [pid]
    assert not alive(pid)


def test_metrics_have_a_listener_of_their_own_if_the_settings_say_so(supervisor, free_port):
    one = supervisor({"nap": '[service]\ntype = "simple"\nexec = ["sleep", "600"]\n'})
    one.ready("nap")
    one.stop()
    port, settings = free_port(), one.home / "kettlingard.toml"
    settings.write_text(f'[daemon]\nmetrics_listen = "127.0.0.1:{port}"\n')
    with socket.create_server(("127.0.0.1", port)):
        one.start()
        until(lambda: f"127.0.0.1:{port}: address already in use" in one.output())
    until(lambda: answers(one, port), 10)
    page = one.get("/metrics", port)
    assert page.headers["Content-Type"].startswith("application/openmetrics-text")
    assert b'kettlingard_instances_ready{service="nap"} 1' in page.body
    assert one.get("/config", port).status == 403
    one.ctl("daemon", "upgrade")
    until(lambda: answers(one, port), 10)
    assert page.body.splitlines()[0] == one.get("/metrics", port).body.splitlines()[0]


def answers(one, port):
    try:
        return one.get("/metrics", port).status == 200
    except OSError:
        return False
