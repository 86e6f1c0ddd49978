"""`kettlingar ctl call` of a method that needs more from a person."""

from __future__ import annotations

import subprocess
from functools import partial

import pytest

from tests.helpers import ROOT
from tests.supervision import CTL

from .terminal import answering

DOOR = """
    from kettlingar import RPCKitten, RequestInfo

    class Door(RPCKitten):
        '''door - opens to who knows the word'''
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "door"

        async def api_enter(self, _request: RequestInfo, password: str = "", name: str = "") -> str:
            if password != "meow":
                raise self.NeedInfoException("Who are you?", [{"name": "password"}, "name"])
            return f"welcome, {name}"

        async def api_tell(self, _request: RequestInfo, password: str = ""):
            if password != "meow":
                raise self.NeedInfoException("Who are you?", ["password"])
            yield "one"
            yield "two"
"""


@pytest.fixture
def door(supervisor, service_module):
    service_module("door", DOOR)
    one = supervisor(
        {
            "door": """
        [service]
        kitten = "door:Door"
        python_path = ["{src}"]
    """
        }
    )
    one.ready("door")
    return one


def at_terminal(door, *words):
    return partial(
        subprocess.Popen, [*CTL, "ctl", "--home", str(door.home), "call", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def test_a_person_is_asked_and_the_call_is_made_again(door):
    code, asked, out = answering(
        at_terminal(door, "door", "enter", "--name=Ann"),
        (("password: ", b"meow\n")),
        ("name: ", b"Ben\n"),
    )
    assert asked.startswith("Who are you?\n")
    assert (code, out) == (0, "welcome, Ben\n")
    code, _, out = answering(at_terminal(door, "door", "tell"), ("password: ", b"meow\n"))
    assert (code, out) == (0, "one\ntwo\n")


def test_a_person_who_does_not_say_is_told_how_to(door):
    code, asked, out = answering(at_terminal(door, "door", "tell"), ("password: ", b"\x04"))
    assert (code, out) == (1, "")
    assert asked.endswith("Who are you?: give --password=…\n")


def test_where_nobody_can_be_asked_it_says_what_to_give(door):
    said = door.ctl("call", "door", "enter", check=False)
    assert said.returncode == 1
    assert said.stderr == "Who are you?: give --password=… --name=…\n"
    assert door.ctl("call", "door", "enter", "--password=meow", "--name=Ann").stdout == (
        "welcome, Ann\n"
    )
