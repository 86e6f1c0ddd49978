"""`config`: looking at settings, changing them while the service runs, keeping them in a file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kettlingar.config.sources import read_file

from .settled import Settled


def test_config_shows_settings_and_masks_secrets(run_kitten):
    shown = run_kitten(Settled).proxy.config()
    assert (shown["greeting"], shown["limit"]) == ("hello", 5)
    assert shown["door_key"] == "(secret)"


def test_config_key_and_val_set_a_setting_and_on_config_key_is_awaited(run_kitten):
    kitty = run_kitten(Settled).proxy
    shown = kitty.call("config", key="greeting", val="good evening")
    assert shown["greeting"] == "good evening"
    assert "good evening" in kitty.told()
    assert kitty.call("config", key="--LIMIT", val="0x10")["limit"] == 16


def test_config_append_remove_and_pop_change_lists(run_kitten):
    kitty = run_kitten(Settled).proxy
    assert kitty.call("config", key="cushions", append="blue")["cushions"] == ["red", "blue"]
    assert kitty.call("config", key="sizes", append="3")["sizes"] == [1, 2, 3]
    assert kitty.call("config", key="sizes", remove="2")["sizes"] == [1, 3]
    assert kitty.call("config", key="cushions", pop=0)["cushions"] == ["blue"]
    assert Settled.Configuration.CUSHIONS == ["red"]  # the class keeps its own


def test_config_reset_gives_the_default_back(run_kitten):
    kitty = run_kitten(Settled, "--greeting=hi").proxy
    assert kitty.config()["greeting"] == "hi"
    assert kitty.call("config", reset="greeting")["greeting"] == "hello"
    assert "hello" in kitty.told()


def test_config_refuses_what_it_cannot_do_and_changes_nothing(run_kitten):
    kitty = run_kitten(Settled).proxy
    for said, asked in {
        "did you mean greeting": {"key": "greting", "val": "x"},
        "at once": {"key": "sizes", "append": 1, "pop": 0},
        "which setting": {"val": "x"},
        "no list": {"key": "greeting", "append": "x"},
        "invalid literal": {"key": "limit", "val": "elephant"},
        "not in list": {"key": "sizes", "remove": "77"},
        "out of range": {"key": "sizes", "pop": 9},
    }.items():
        with pytest.raises(ValueError, match=said):
            kitty.call("config", **asked)
    assert (kitty.config()["limit"], kitty.config()["sizes"]) == (5, [1, 2])


def test_config_save_keeps_settings_where_y_says_in_a_private_file(run_kitten):
    one = run_kitten(Settled)
    one.proxy.call("config", key="greeting", val='say "hi" # loudly')
    one.proxy.call("config", save="y")
    path = Path(one.kitten.config.app_data_dir) / "Chair.cfg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = Settled(args=[f"--app-data-dir={path.parent}", "--worker-config=y"])
    assert other.config.greeting == 'say "hi" # loudly'


def test_config_save_writes_toml_where_the_name_says_so(run_kitten, tmp_path):
    kitty = run_kitten(Settled, "--limit=7").proxy
    path = tmp_path / "kept.toml"
    kitty.call("config", key="cushions", append='a "quoted"\nline', save=str(path))
    kept = Settled(args=[f"--worker-config={path}"]).config
    assert (kept.limit, kept.cushions) == (7, ["red", 'a "quoted"\nline'])
    assert "worker_config" not in read_file(path)
    with pytest.raises(ValueError, match="cannot write"):
        kitty.call("config", save=str(path / "below a file"))


def test_a_later_source_wins_file_over_class_and_command_line_over_file(tmp_path):
    path = tmp_path / "some.cfg"
    path.write_text("greeting = from the file\nlimit = 6\n")
    config = Settled(args=[f"--worker-config={path}", "--limit=8"]).config
    assert (config.greeting, config.limit, config.sizes) == ("from the file", 8, [1, 2])


def test_a_changed_log_level_holds_at_once(start_kitten, wait_for):
    one = start_kitten(Settled)
    log = Path(one.kitten.config.app_state_dir) / "Chair.log"
    one.proxy.log("first")
    one.proxy.call("config", key="worker_log_level", val="debug")
    one.proxy.log("second")
    wait_for(lambda: "whispered second" in log.read_text())
    assert "whispered first" not in log.read_text()


def test_servers_that_init_servers_adds_run_beside_the_service(run_kitten):
    assert "extra runs" in run_kitten(Settled).proxy.told()
