"""docs/reference/operator-conformance.md has a row for each key, command and exit code that there is."""

import re

import pytest

from kettlingar.cli.ctl import EXIT_CODES
from kettlingar.cli.ctl_verbs import VERBS
from kettlingard.core.daemonspec import DaemonKeys
from kettlingard.core.keys import keys_of
from kettlingard.core.listeners import RouteSpec, SharedListener
from kettlingard.core.spec import FREE_TABLES, TABLES
from kettlingard.main import COMMANDS
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "reference" / "operator-conformance.md").read_text()


def rows(head):
    """The first cells of the table whose first head this is."""
    _, _, rest = PAGE.partition(f"| {head} | tests |\n")
    lines = rest.split("\n\n")[0].splitlines()[1:]
    return [re.match(r"\| `?(.*?)`? \| `", line)[1] for line in lines]


KEYS = [f"{table}.{key}" for table, cls in TABLES.items() for key in keys_of(cls)]


@pytest.mark.parametrize(
    ("head", "there"),
    [
        ("key", [*KEYS, *FREE_TABLES]),
        ("key of listen", list(keys_of(SharedListener))),
        ("key of route", list(keys_of(RouteSpec))),
        ("key of daemon", [*keys_of(DaemonKeys), "[defaults]"]),
        ("command", list(VERBS)),
        ("kettlingar ctl", ["0", *sorted({str(code) for _, code in EXIT_CODES})]),
    ],
)
def test_each_has_a_row_and_no_row_is_of_nothing(head, there):
    assert sorted(rows(head)) == sorted(there)


@pytest.mark.parametrize("name", [*COMMANDS, "ctl"])
def test_each_command_of_kettlingard_has_one(name):
    assert any(row.startswith(f"kettlingard {name}") for row in rows("command line"))
