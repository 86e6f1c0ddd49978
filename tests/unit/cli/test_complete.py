import pytest

from kettlingar.cli.complete import Asks, candidates


def offered(text):
    """Services and methods as a supervisor would tell them."""
    asks = Asks(
        lambda where: ["blog", "mail", *([f"from-{where[-1]}"] if where else [])],
        lambda _where, service: [f"{service}-method", "ping"],
    )
    return candidates(text.split(" "), asks)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ["completion", "ctl", "help", "new", "stub", "version"]),
        ("c", ["completion", "ctl"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("ctl rest", ["restart"]),
        ("ctl restart ", ["blog", "mail"]),
        ("ctl restart blog m", ["mail"]),
        ("ctl --home /x restart f", ["from-/x"]),
        ("ctl --home ", []),
        ("ctl call blog ", ["blog-method", "ping"]),
        ("ctl call blog p", ["ping"]),
        ("ctl methods ma", ["mail"]),
        ("ctl status --fa", ["--failed"]),
        ("ctl status -o ", []),
        ("ctl status -o json b", ["blog"]),
        ("ctl no-such ", []),
        ("stub ", []),
    ],
)
def test_what_may_come_next(typed, expected):
    assert offered(typed) == expected


def test_the_words_of_daemon_come_from_its_usage():
    assert "status" in offered("ctl daemon ")
