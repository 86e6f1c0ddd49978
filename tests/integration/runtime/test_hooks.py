"""What authors may override, and the ways in which methods may be written."""

from __future__ import annotations

import json

import pytest

from kettlingar import RPCKitten
from kettlingar.cli.main import main
from kettlingar.runtime import hooks_of
from kettlingar.testing import running
from tests.helpers import http_get

from .hooked import Example, Hooked, OwnWords, Plugin
from .test_wire import post


def test_the_first_examples_run_unchanged(run_kitten):
    one = run_kitten(Example)
    kitty = one.proxy
    assert [item["purr"] for item in kitty.purr("2", purr="rr")] == ["rr", "rrrr"]
    assert next(kitty.both())["data"] == "Meow world, meow!\n"
    assert [*kitty.mrow()][1]["purr"] == "purr"
    assert kitty.info() == "the author's own"
    assert {"info", "config", "ping"} <= kitty.ping()["methods"].keys()
    assert "info" in kitty.help()["data"]


def test_get_default_methods_answers_what_nobody_else_does(run_kitten):
    one = run_kitten(Example)
    for path in ("/no-such-thing", "/deeper/than/that", f"/{one.secret}/x"):
        assert http_get(f"{one.url}{path}").body == b"Meow world, meow!\n"
    assert http_get(f"{one.url}/purr").body == b"Meow world, meow!\n"  # private: nobody's here


def test_a_tuple_is_a_typed_result_only_if_its_first_part_is_none_or_has_a_slash(run_kitten):
    kitty = run_kitten(Example).proxy
    assert kitty.pair() == [1, 2]
    assert kitty.words() == ["plain", "words"]
    assert kitty.empty() == {"as": "asked"}
    assert kitty.triple() == ["text/plain", "x", 3]
    assert kitty.meow() == {"mimetype": "text/plain", "data": "Meow world, meow!\n"}


def test_an_argument_may_have_any_name_even_those_of_our_own_arguments(run_kitten, run_async):
    given = {"name": "Tom", "args": "a", "kwargs": "k", "method": "m"}
    one = run_kitten(Example)
    assert one.proxy.named(**given) == given
    assert one.proxy.call("named", **given) == given

    async def ways():
        inside = await Example().loopback()
        folder = one.kitten.config.app_state_dir
        outside = await Example(args=[f"--app-state-dir={folder}"]).connect()
        try:
            for kitty in (inside, outside):
                assert await kitty.named(**given) == given
                assert await kitty.call("named", **given) == given
        finally:
            outside.disconnect()

    run_async(ways())
    proxy = Example().sync_proxy().loopback()
    assert proxy.named(**given) == given
    proxy.close()


def test_every_request_hook_is_asked(run_kitten):
    one = run_kitten(Hooked)
    assert http_get(f"{one.url}/first", {"X-Mood": "bad"}).status == 403
    assert http_get(f"{one.url}/alias-of-first").body == b"first"
    assert http_get(f"{one.url}/anything").body == b"first"
    assert one.proxy.twice("dozen") == 24
    assert one.proxy.twice("0x10") == 32
    assert json.loads(http_get(f"{one.private_url}/twice?number=1").body) == {"wrapped": 2}
    assert json.loads(http_get(f"{one.private_url}/encoded").body) == {"a": 1}


def test_get_docstring_has_the_word_in_help(run_kitten, capsys):
    kitty = run_kitten(Hooked).proxy
    assert "<<Twice.>>" in kitty.help("twice")["data"]
    assert kitty.call("ping", docs=True)["methods"]["twice"]["doc"] == "<<Twice.>>"
    assert main(Hooked, ["help"]) == 0
    assert "<<hooked - overrides everything>>" in capsys.readouterr().out


def test_print_result_prints_on_the_command_line(start_kitten, capsys):
    one = start_kitten(Hooked)
    folder = one.kitten.config.app_state_dir
    assert main(Hooked, [f"--app-state-dir={folder}", "twice", "4"]) == 0
    assert capsys.readouterr().out == "own print: 8\n"


def test_own_encoders_and_decoders_read_requests_and_write_answers(run_kitten, tmp_path):
    one = run_kitten(OwnWords)
    told = post(one, "echo", "{'text': 'meow'}", "application/json")
    assert (told[0], told[2]) == (200, b"'meow'")
    assert post(one, "echo", "{'text': ", "application/json")[0] == 400
    assert one.proxy.echo(text="meow") == {"TEXT": "meow"}
    assert one.proxy.echo(TEXT="meow") == {"TEXT": "meow"}
    (tmp_path / "poem").write_text("purr")
    with open(tmp_path / "poem") as file:
        assert one.proxy.cat(file=file) == {"TEXT": "purr"}


def test_shutdown_is_awaited_at_the_end(run_async):
    async def check():
        async with running(Hooked) as kitty:
            assert not kitty.kitten.stopped.is_set()
        assert kitty.kitten.stopped.is_set()

    run_async(check())


def test_no_override_costs_nothing():
    hooks = hooks_of(RPCKitten(args=[]))
    assert (
        hooks.validate_request_header,
        hooks.get_method_name,
        hooks.get_api_methods,
        hooks.get_default_methods,
        hooks.request_done,
    ) == (None, None, None, None, [])


def test_expose_methods_offers_those_of_another_object(run_async):
    async def check():
        kitty = Hooked()
        kitty.expose_methods(Plugin())
        await kitty.loopback()
        assert await kitty.pounce() == "pounced"

    run_async(check())


def test_a_clash_of_exposed_methods_names_both():
    class Other:
        async def api_pounce(self, request_info):
            return "also"

    kitty = Hooked()
    kitty.expose_methods(Plugin())
    with pytest.raises(TypeError, match=r"Plugin\.api_pounce.*Other\.api_pounce"):
        kitty.expose_methods(Other())


def test_a_public_and_a_private_method_of_one_name_are_no_clash(run_async):
    async def check():
        kitty = Example()
        kitty.expose_methods(Plugin())  # api_meow beside public_api_meow
        await kitty.loopback()
        assert await kitty.meow() == "a plugin's"

    run_async(check())


def test_allowed_hosts_hold_for_public_methods_too(run_kitten):
    one = run_kitten(Example, '--worker-allowed-hosts=["localhost"]')
    assert http_get(f"http://127.0.0.1:{one.port}/meow").status == 403
    assert http_get(f"http://127.0.0.1:{one.port}/meow", {"Host": "localhost"}).status == 200
    both = {"Host": "localhost", "Origin": "https://evil.example"}
    assert http_get(f"http://127.0.0.1:{one.port}/meow", both).status == 403
