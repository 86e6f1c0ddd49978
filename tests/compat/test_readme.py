"""What the README shows is true: its blocks of code run."""

import json
import re

import pytest

from tests.helpers import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def greeter(supervisor, service_module):
    service_module("greeter", blocks("python")[0])
    (definition,) = blocks("toml")
    assert "/srv/greeter" in definition
    assert "127.0.0.1:8080" in definition
    changed = definition.replace("/srv/greeter", "{src}").replace(":8080", ":{port}")
    one = supervisor({"greeter": changed})
    one.ready("greeter")
    return one


def test_the_service_and_its_definition_run_as_they_are_printed(greeter):
    assert greeter.get("/hello?name=Kettlingar").body == b"Hello, Kettlingar!\n"
    assert greeter.get("/count").status == 403
    assert greeter.ctl("call", "greeter", "count", "2").stdout == "1\n2\n"
    said = greeter.get("/hello?nmae=x")
    assert said.status == 400
    assert b"nmae" in said.body


def test_the_commands_that_it_names_are_those_that_there_are(greeter):
    names = set(re.findall(r"kettlingar ctl (\w+)", README)) | {"start", "stop", "logs", "wait"}
    text = greeter.ctl("help").stdout
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in names)


def test_the_table_of_status_has_the_columns_that_are_printed(greeter):
    head = greeter.ctl("status").stdout.splitlines()[0].split()
    assert re.search(" +".join(head), README)
    assert (
        json.loads(greeter.ctl("status", "-o", "json").stdout)["services"][0]["name"] == "greeter"
    )


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
