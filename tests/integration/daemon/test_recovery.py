"""What could not start is tried again when there is a reason, without being asked."""

import os
import signal

from tests.helpers import wait_for as until

KITTEN = """
    {imports}
    from kettlingar import RPCKitten

    class Cat(RPCKitten):
        pass
"""
DEFINITION = '[service]\nkitten = "cat:Cat"\npython_path = ["{src}"]\nrestart_delay = "60s"\n'


def word(one, service="cat"):
    return one.status(service)["state"]


def test_what_was_given_up_is_tried_when_its_source_has_changed(supervisor, service_module):
    service_module("cat", KITTEN.format(imports="import not_there"))
    one = supervisor({"cat": DEFINITION})
    until(lambda: word(one) == "failed")
    service_module("other", "")  # a change elsewhere in its folder mends nothing
    until(lambda: word(one) == "failed")
    service_module("cat", KITTEN.format(imports=""))
    until(lambda: word(one) == "ready")
    assert "its sources have changed" in one.ctl("events").stdout


def test_what_waits_for_its_next_try_is_tried_when_what_it_requires_is_ready(
    supervisor, service_module, tmp_path
):
    there = tmp_path / "there"
    service_module(
        "cat",
        f"""
        import os
        from kettlingar import RPCKitten

        class Cat(RPCKitten):
            async def init_servers(self, servers):
                if not os.path.exists({str(there)!r}):
                    raise RuntimeError("what it needs is not there")
                return servers

        class Base(RPCKitten):
            pass
        """,
    )
    base = DEFINITION.replace("cat:Cat", "cat:Base")
    needing = DEFINITION + "restart_max_delay = '60s'\n[dependencies]\nrequires = [\"base\"]\n"
    one = supervisor({"base": base, "cat": needing})
    until(lambda: one.status("cat")["instances"][0]["state"] == "backoff")
    there.touch()
    one.ctl("restart", "base", "--now")
    until(lambda: word(one) == "ready")


def test_what_waits_with_a_broken_file_is_started_as_it_was_when_what_it_requires_is_ready(
    supervisor,
):
    text = '[service]\ntype = "simple"\nexec = ["sleep", "600"]\n'
    top = text + '[dependencies]\nrequires = ["base"]\n'
    one = supervisor({"base": text, "top": top})
    [pid] = one.ready("top")
    one.define("top", "nonsense\n")
    assert one.ctl("apply", "top", check=False).returncode == 6
    one.ctl("stop", "base", "--force")
    os.kill(pid, signal.SIGKILL)
    until(lambda: word(one, "top") == "waiting")
    one.ctl("start", "base")
    until(lambda: word(one, "top") == "ready")


def test_when_most_services_fail_nothing_is_tried_again_at_once(supervisor):
    slow = '[service]\ntype = "simple"\nexec = {}\nrestart_delay = "1h"\nrestart_max_delay = "1h"\n'
    ill = {f"ill{n}": slow.format('["false"]') for n in range(4)}
    one = supervisor({**ill, "well": slow.format('["sleep", "600"]')})

    def states():
        return [one.status(name)["instances"][0]["state"] for name in ill]

    until(lambda: states() == ["backoff"] * len(ill), 10)
    [pid] = one.ready("well")
    os.kill(pid, signal.SIGKILL)
    until(lambda: one.status("well")["instances"][0]["state"] == "backoff", 5)
    assert "SIGKILL" in one.status("well")["note"]
    assert "most services are in backoff" in one.status("well")["note"]
    one.ctl("start", "well")  # a person need not wait
    assert word(one, "well") == "ready"
