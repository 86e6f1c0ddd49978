"""A service calls another one: it asks over its own channel, and that is its credential."""

from __future__ import annotations

CALLER = """
    from kettlingar import RPCKitten, connect

    class Caller(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "asker"

        async def api_ask(self, request_info, service: str):
            other = await connect(service)
            return await other.who()
"""

CALLED = """
    from kettlingar import RPCKitten

    class Called(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "vault"

        async def api_who(self, request_info):
            return {"service": request_info.caller.service}
"""


def services(service_module, supervisor, access=""):
    service_module("caller", CALLER)
    service_module("called", CALLED)
    return supervisor(
        {
            "caller": '[service]\nkitten = "caller:Caller"\npython_path = ["{src}"]\n',
            "called": '[service]\nkitten = "called:Called"\npython_path = ["{src}"]\n' + access,
        }
    )


def test_a_service_is_known_by_its_name_to_the_one_it_calls(service_module, supervisor):
    one = services(service_module, supervisor, '[access]\ncall = ["service:caller"]\n')
    one.ready("caller")
    one.ready("called")
    for name in ("called", "vault"):
        assert '"service": "caller"' in one.ctl("call", "caller", "ask", name).stdout


def test_a_service_that_is_not_listed_is_refused_by_name(service_module, supervisor):
    one = services(service_module, supervisor, '[access]\ncall = ["service:newsletter"]\n')
    one.ready("caller")
    one.ready("called")
    answer = one.ctl("call", "caller", "ask", "called", check=False)
    assert answer.returncode in {1, 5}
    assert "caller" in answer.stderr
