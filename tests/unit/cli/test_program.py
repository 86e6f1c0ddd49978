"""The program `kettlingar`, and exit codes."""

import pytest

from kettlingar import __version__
from kettlingar.cli.main import code_of
from kettlingar.cli.program import main
from kettlingar.errors import (
    BadRequest,
    ConfigError,
    Conflict,
    HttpError,
    NeedInfoException,
    NotFound,
    NotRunning,
    RemoteError,
    TooManyRequests,
    Unavailable,
)


def test_version_is_printed(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"kettlingar {__version__}\n"


@pytest.mark.parametrize(("argv", "words"), [([], "Usage:"), (["ctll"], "no command 'ctll'")])
def test_an_unknown_command_is_a_usage_error(argv, words, capsys):
    assert main(argv) == 2
    assert words in capsys.readouterr().err


def test_help_is_no_error(capsys):
    assert main(["--help"]) == 0
    assert "kettlingar ctl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (NotRunning("x"), 1),
        (Unavailable("x"), 1),
        (TooManyRequests("x"), 1),
        (ConnectionRefusedError(), 1),
        (BadRequest("x"), 3),
        (ConfigError(["x"]), 3),
        (NotFound("x"), 3),
        (Conflict("x"), 3),
        (HttpError(418, "x"), 3),
        (NeedInfoException("x", ["password"]), 3),
        (ValueError("x"), 3),
        (OSError("x"), 4),
        (TimeoutError(), 4),
        (PermissionError("x"), 5),
        (RemoteError("x"), 6),
        (HttpError(502, "x"), 6),
        (ZeroDivisionError(), 6),
    ],
)
def test_every_failure_has_its_exit_code(problem, code):
    assert code_of(problem) == code
