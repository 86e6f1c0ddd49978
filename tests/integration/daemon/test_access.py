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
