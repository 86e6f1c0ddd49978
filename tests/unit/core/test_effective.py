import tomli

from kettlingard.core.effective import DEFAULT, rows, toml
from kettlingard.core.parse import Source, parse

TEXT = """
[service]
kitten = "a:B"
umask = "0077"
kill_signal = "SIGINT"
success_exit_status = [0, "SIGTERM"]
listen = ["127.0.0.1:80"]

[config]
deep = { a = [1, true], "b c" = "x" }

[access.methods]
delete = ["uid:root"]
"""


def shown(text=TEXT, **overrides):
    spec = parse("x", [Source("/s/x.toml", text)])
    return {f"{row.table}.{row.key}": row for row in rows(spec, overrides)}


def test_each_key_says_its_value_and_where_it_was_written():
    found = shown()
    assert (found["service.umask"].value, found["service.umask"].origin) == (
        '"0077"',
        "/s/x.toml:4:1",
    )
    assert (found["service.nice"].value, found["service.nice"].origin) == ("0", DEFAULT)
    assert found["service.kill_signal"].value == '"SIGINT"'
    assert found["service.success_exit_status"].value == '[0, "SIGTERM"]'
    assert found["[listen].stream"].value == '"127.0.0.1:80"'
    assert found["[listen].stream"].origin == "/s/x.toml:7:1"
    assert found["service.kitten"].change == "restart"


def test_what_holds_instead_says_who_said_so():
    row = shown(**{"pool.instances": (3, "ctl scale")})["pool.instances"]
    assert (row.value, row.origin) == ("3", "ctl scale")


def test_what_is_shown_can_be_read_again():
    for row in shown().values():
        if row.value:
            assert tomli.loads(f"x = {row.value}")
    assert tomli.loads("x = " + toml({"a": [1.0, 0.25, "\n"], "b c": False}))["x"]["a"][1] == 0.25
