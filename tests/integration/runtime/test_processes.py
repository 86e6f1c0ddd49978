"""Services as processes of their own: starting, finding, restarting, signals, output, ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kettlingar import NotRunning
from kettlingar.cli.main import main
from tests.helpers import ROOT, alive, http_get

from .settled import Settled


def folders(one):
    state = one.kitten.config.app_state_dir
    return [f"--app-state-dir={state}", f"--app-data-dir={state}"]


def log_of(one, name="Chair"):
    return Path(one.kitten.config.app_state_dir) / f"{name}.log"


def test_a_second_start_finds_the_first(start_kitten, capsys):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    again = Settled(args=folders(one)).sync_proxy().connect(auto_start=True)
    assert again.pid() == pid
    again.close()
    assert main(Settled, [*folders(one), "start"]) == 0
    assert "was running already" in capsys.readouterr().out


def test_many_starts_at_once_end_in_one_service(tmp_path):
    args = [f"--app-state-dir={tmp_path}/s", f"--app-data-dir={tmp_path}/d"]

    def start(_number):
        proxy = Settled(args=args).sync_proxy().connect(auto_start=True)
        try:
            return proxy.pid()
        finally:
            proxy.close()

    with ThreadPoolExecutor(4) as pool:
        pids = set(pool.map(start, range(4)))
    assert main(Settled, [*args, "stop"]) == 0
    assert len(pids) == 1


def test_two_services_live_side_by_side_by_name(start_kitten):
    one = start_kitten(Settled)
    other = Settled(args=[*folders(one), "--worker-name=Table"]).sync_proxy()
    other.connect(auto_start=True)
    try:
        assert other.pid() != one.proxy.pid()
        assert one.kitten.config.worker_name == "Chair"
    finally:
        assert main(Settled, [*folders(one), "--worker-name=Table", "stop"]) == 0
        other.close()
    assert one.proxy.call("ping")["pong"]


def test_auto_start_after_a_crash_is_not_misled_by_what_the_dead_one_left(start_kitten, wait_for):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    state = Path(one.kitten.config.app_state_dir)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    assert (state / "Chair.sock").exists()
    assert (state / "Chair.url").exists()
    with pytest.raises(NotRunning):
        Settled(args=folders(one)).sync_proxy().connect(retry=0)
    assert one.proxy.connect(auto_start=True).pid() != pid


def test_a_client_finds_a_restarted_service_by_itself(start_kitten):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    assert main(Settled, [*folders(one), "restart"]) == 0
    assert one.proxy.pid() != pid


def test_restart_keeps_the_settings_of_the_running_service_where_none_are_given(start_kitten):
    one = start_kitten(Settled, "--greeting=hi", "--limit=7", "--worker-secret=hush hush")
    one.proxy.call("config", key="limit", val="9")
    assert main(Settled, [*folders(one), "--greeting=moin", "restart"]) == 0
    shown = one.proxy.call("config")
    assert (shown["greeting"], shown["limit"]) == ("moin", 9)
    assert one.proxy.secret() == "hush hush"
    kept = Path(one.kitten.config.app_state_dir) / ".Chair.settings"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_stopped_service_leaves_its_log_and_nothing_else(start_kitten, wait_for):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    assert main(Settled, [*folders(one), "stop"]) == 0
    wait_for(lambda: not alive(pid))
    assert sorted(os.listdir(one.kitten.config.app_state_dir)) == ["Chair.log"]


def test_quitquitquit_answers_finishes_what_runs_and_ends(start_kitten, wait_for):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    items = one.proxy.count(5, pause=0.05)
    assert next(items) == {"number": 0}
    assert one.proxy.quitquitquit()["data"] == "Goodbye!\n"
    assert [item["number"] for item in items] == [1, 2, 3, 4]
    wait_for(lambda: not alive(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_in_order(start_kitten, wait_for, number):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    items = one.proxy.count(3, pause=0.05)
    next(items)
    os.kill(pid, number)
    assert len(list(items)) == 2
    wait_for(lambda: not alive(pid))
    assert os.listdir(one.kitten.config.app_state_dir) == ["Chair.log"]


def test_usr2_raises_the_log_level_a_step_and_back(start_kitten, wait_for):
    one = start_kitten(Settled)
    pid, log = one.proxy.pid(), log_of(one)
    for level in (10, 1, 20):
        os.kill(pid, signal.SIGUSR2)
        wait_for(lambda level=level: f"log level is now {level}" in log.read_text())
        one.proxy.log(f"at {level}")
    wait_for(lambda: "said at 20" in log.read_text())
    assert "whispered at 10" in log.read_text()
    assert "whispered at 20" not in log.read_text()


def test_usr1_dumps_the_stacks_of_a_blocked_loop_and_the_tasks_when_it_runs_again(
    start_kitten, wait_for
):
    one = start_kitten(Settled)
    pid, log = one.proxy.pid(), log_of(one)
    one.proxy.block(1.0)
    wait_for(lambda: b"S" in Path(f"/proc/{pid}/stat").read_bytes())
    seen = wait_for(lambda: _dumped(pid, log), within=10)
    assert "settled.py" not in seen or "in api_block" not in seen
    wait_for(lambda: "task <" in log.read_text() or "Stack for" in log.read_text(), within=10)
    assert "_serve" in log.read_text()


def _dumped(pid, log):
    os.kill(pid, signal.SIGUSR1)
    text = log.read_text()
    return text if "most recent call first" in text else ""


def test_a_blocked_loop_is_visible_in_the_lag_that_ping_tells(start_kitten):
    one = start_kitten(Settled)
    assert one.proxy.call("ping")["lag"] < 0.5
    one.proxy.block(0.6)

    async def ping_while_it_is_blocked():
        kitty = await Settled(args=folders(one)).connect()
        sent = time.monotonic()
        while True:
            lag = (await kitty.ping(sent=time.monotonic()))["lag"]
            if lag > 0.2 or time.monotonic() > sent + 5:
                kitty.disconnect()
                return lag

    assert asyncio.run(ping_while_it_is_blocked()) > 0.2


def test_log_lines_are_json_where_worker_log_format_says_so(start_kitten, wait_for):
    one = start_kitten(Settled, "--worker-log-format=json")
    one.proxy.log("a word\nof two lines")
    log = log_of(one)
    wait_for(lambda: "a word" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    said = next(line for line in lines if "a word" in line["message"])
    assert (said["level"], said["logger"]) == ("warning", "kettlingar.kitten")
    assert said["message"] == "[Chair] said a word\nof two lines"


def test_standard_output_is_unbuffered(start_kitten):
    one = start_kitten(Settled)
    one.proxy.print("not even a whole line")
    assert "not even a whole line" in log_of(one).read_text()


def test_standard_output_of_serve_in_the_foreground_is_unbuffered_too(tmp_path):
    command = [
        sys.executable,
        "-c",
        "import tests.integration.runtime.settled as s; s.Settled.Main()",
    ]
    args = [f"--app-state-dir={tmp_path}/s", f"--app-data-dir={tmp_path}/s"]
    with subprocess.Popen(
        [*command, *args, "serve"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            kitty = Settled(args=args).sync_proxy()
            kitty.connect(retry=30)
            kitty.print("at once")
            assert process.stdout.read(7) == b"at once"
            kitty.close()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


SLOW = """
import asyncio, pathlib
from kettlingar import RPCKitten

class Slow(RPCKitten):
    async def init_servers(self, servers):
        pathlib.Path("preparing").touch()
        await asyncio.sleep(600)

Slow.Main()
"""


def test_a_service_that_is_told_to_end_while_it_prepares_ends_at_once(tmp_path, wait_for):
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "slow.py", "--app-state-dir=s", "--app-data-dir=s", "serve"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for((tmp_path / "preparing").exists, within=10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_a_token_is_in_no_log_no_environment_and_no_command_line(start_kitten):
    one = start_kitten(Settled, "--worker-secret=topmost-secret")
    pid = one.proxy.pid()
    for what in ("cmdline", "environ"):
        assert b"topmost" not in Path(f"/proc/{pid}/{what}").read_bytes()
    with pytest.raises(KeyError):
        one.proxy.call("nothing")
    assert http_get(f"{one.private_url}/x/nothing").status == 404
    assert b"topmost" not in http_get(f"{one.private_url}-not/nothing").body
    assert "topmost" not in log_of(one).read_text()


def test_an_idle_service_does_nothing_at_all(start_kitten, wait_for):
    one = start_kitten(Settled)
    pid = one.proxy.pid()
    one.proxy.close()
    seen = []

    def is_quiet():  # what follows a closed connection is done
        seen.append(_switches(pid))
        return len(seen) > 10 and seen[-1] == seen[-8]

    wait_for(is_quiet, within=10)
    before = _switches(pid)
    time.sleep(1.5)  # nothing can be awaited where nothing is to happen
    assert _switches(pid) == before


def _switches(pid):
    """How often each thread has waited for something."""
    return {
        task.parent.name: [line for line in task.read_text().splitlines() if "voluntary" in line]
        for task in Path(f"/proc/{pid}/task").glob("*/status")
    }
