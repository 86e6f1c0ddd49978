"""Who may do what, by SO_PEERCRED and [access]."""

import json
import os
import socket
import traceback

import pytest

from kettlingar.errors import NotFound
from kettlingar.sync import BlockingClient

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def as_nobody(one, ask):
    """What `ask(control)` returns in a process of another user: JSON, or an exception's name."""
    for folder in (one.home, one.home / "run"):
        folder.chmod(0o755)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, json.dumps(_asked(one, ask)).encode())
        except BaseException:  # noqa: BLE001  this copy of pytest must end here
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def _asked(one, ask):
    control = client_of(one)
    try:
        return ask(control)
    except (PermissionError, NotFound) as error:
        return f"{type(error).__name__}: {error}"


def client_of(one):
    def connect():
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(one.socket))
        return sock

    return BlockingClient(connect)


def who(control):
    """Call a private method of the service, over a connection that the supervisor gives."""
    (sock,) = control.call("connect", "steady")
    return BlockingClient(lambda: sock).call("who")


def test_a_private_method_needs_a_token_by_tcp_and_none_by_ctl(steady):
    one = steady()
    assert one.get("/who").status == 403
    said = json.loads(one.ctl("call", "steady", "who", "-o", "json").stdout)
    assert said["uid"] == os.geteuid()


@needs_root
def test_another_user_may_do_nothing_that_is_not_listed(steady):
    one = steady()
    denied = f"PermissionError: uid {NOBODY} may not "
    assert as_nobody(one, who).startswith(denied)
    assert as_nobody(one, lambda c: list(c.stream("stop", ["steady"]))).startswith(denied)
    assert as_nobody(one, lambda c: c.call("status", ["steady"])).startswith(denied)
    assert as_nobody(one, lambda c: c.call("daemon_shutdown")).startswith("PermissionError")
    assert as_nobody(one, lambda c: c.call("quitquitquit")).startswith("PermissionError")
    assert as_nobody(one, lambda c: c.call("status")["services"]) == []
    log = (one.home / "log" / "kettlingard.log").read_text()
    assert f"access refused service=steady verb=control uid={NOBODY}" in log


@needs_root
def test_access_rules_let_others_in(steady):
    one = steady(f'[access]\ncall = ["uid:{NOBODY}"]\nstatus = ["any"]\n')
    assert as_nobody(one, who)["uid"] == NOBODY
    assert as_nobody(one, lambda c: c.call("status")["services"][0]["name"]) == "steady"
    refused = as_nobody(one, lambda c: list(c.stream("stop", ["steady"])))
    assert refused.startswith("PermissionError")


CHANGES = {
    "plan": lambda c: c.call("plan", ["steady"]),
    "apply": lambda c: list(c.stream("apply", ["steady"])),
    "scale": lambda c: list(c.stream("scale", {"steady": 3})),
    "rollback": lambda c: list(c.stream("rollback", "steady")),
    "restart": lambda c: list(c.stream("restart", ["steady"])),
    "enable": lambda c: c.call("enable", ["steady"]),
    "kill": lambda c: c.call("kill", ["steady"]),
    "reset_failed": lambda c: c.call("reset_failed", ["steady"]),
    "show": lambda c: c.call("show", "steady"),
    "logs": lambda c: list(c.stream("logs", ["steady"])),
    "stack": lambda c: list(c.stream("stack", "steady")),
}
OWNERS = {
    "show --env": lambda c: c.call("show", "steady", env=True),
    "exec": lambda c: c.call("exec", "steady"),
    "token": lambda c: c.call("token", "steady"),
    "daemon_reload_config": lambda c: c.call("daemon_reload_config"),
    "daemon_upgrade": lambda c: c.call("daemon_upgrade"),
}


@needs_root
def test_who_may_only_look_changes_nothing_and_reads_no_log(steady):
    one = steady('[access]\nstatus = ["any"]\n')
    [pid] = one.pids("steady")
    for verb, ask in {**CHANGES, **OWNERS}.items():
        assert as_nobody(one, ask).startswith("PermissionError"), verb
    assert as_nobody(one, lambda c: c.call("sockets")[0]["name"]) == "steady"
    assert as_nobody(one, lambda c: c.call("deps")[0]["name"]) == "steady"
    assert as_nobody(one, lambda c: len(list(c.stream("events", ["steady"])))) > 0
    page = as_nobody(one, lambda c: c.call("metrics")["data"].decode())
    assert 'service="steady"' in page
    assert one.pids("steady") == [pid]


@needs_root
def test_who_may_control_one_service_does_so_and_is_not_its_owner(steady):
    one = steady(f'[access]\ncontrol = ["uid:{NOBODY}"]\n')
    for verb, ask in CHANGES.items():
        if verb != "rollback":  # there is nothing to go back to
            said = as_nobody(one, ask)
            assert "PermissionError" not in str(said), verb
    assert len(one.ready("steady")) == 3
    for verb, ask in OWNERS.items():
        assert as_nobody(one, ask).startswith("PermissionError"), verb
