"""`ctl status` when the supervisor has been killed: what it left, and whose processes still live."""

import os
import signal

from tests.helpers import alive
from tests.helpers import wait_for as until
from tests.integration.daemon.test_programs import program


def test_status_of_a_supervisor_that_was_killed_is_its_last_known_one(supervisor):
    one = supervisor({"nap": program(["sleep", "600"], "[pool]\ninstances = 2\n")})
    first, second = one.ready("nap")
    one.crash()
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(first), 5)
    said = one.ctl("status", check=False)
    assert said.returncode == 7
    assert "its last known state" in said.stdout
    assert said.stdout.splitlines()[-1].split() == ["nap", "2", "1", str(second)]
    assert "cannot reach kettlingard" in said.stderr
    for_programs = one.ctl("status", "-o", "json", check=False)
    assert (for_programs.returncode, for_programs.stdout) == (7, "")
    one.start()
    assert second in one.ready("nap")


def test_after_an_end_in_order_there_is_nothing_to_know(supervisor):
    one = supervisor({"nap": program(["sleep", "600"])})
    one.stop()
    said = one.ctl("status", check=False)
    assert (said.returncode, said.stdout) == (7, "")
