"""Services for the tests of the supervisor, as source texts."""

STEADY = """
    import os, signal, subprocess, sys, time, asyncio
    from kettlingar import RPCKitten, HttpResult

    class Steady(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "steady"
            WORD = "one"

        async def public_api_pid(self, request):
            return HttpResult("text/plain", str(os.getpid()))

        async def public_api_word(self, request):
            return HttpResult("text/plain", self.config.word)

        async def public_api_slow(self, request, seconds: float = 0.5):
            await asyncio.sleep(seconds)
            return HttpResult("text/plain", str(os.getpid()))

        async def api_block(self, request, seconds: float = 60):
            asyncio.get_running_loop().call_later(0.05, time.sleep, seconds)
            return "blocking soon"

        async def api_leave_a_child(self, request):
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            return child.pid

        async def api_environment(self, request):
            return dict(os.environ)

        async def api_who(self, request):
            return {"uid": request.caller.uid, "service": request.caller.service}
"""

STUBBORN = """
    import os, signal, time
    from kettlingar import RPCKitten

    class Stubborn(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "stubborn"

        async def shutdown(self):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)

    class Slow(RPCKitten):
        class Configuration(RPCKitten.Configuration):
            APP_NAME = "slow"

        async def init_servers(self, servers):
            time.sleep(600)
"""


def definition(kitten, more=""):
    """The text of a definition whose module is in {src}."""
    return f'[service]\nkitten = "{kitten}"\npython_path = ["{{src}}"]\n{more}'
