"""Pages, templates and static files, through real sockets."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager

import pytest

from kettlingar import HttpResult, NotFound, RPCKitten
from kettlingar.errors import ConfigError
from kettlingar.metrics import MetricsKitten
from kettlingar.runtime import Runtime, settings_of
from kettlingar.testing import running
from kettlingar.webkitten import Route, WebKitten

from .test_serving import get, raw


class Site(MetricsKitten, RPCKitten, WebKitten):
    """site - has pages"""

    WEB_PREFIX = "/test/"
    WEB_ROUTES = (
        Route("/", "public_api_front", "base.jinja", public=True),
        Route("/pages/<slug:name>/", "api_page", "page.jinja", public=True),
        Route("/secret/<slug:name>/", "api_page", "page.jinja"),
        Route("/echo", "api_echo", qs=True),
        Route("/some", "api_echo", qs=["words"]),
        Route("/zeroes/<int:n>/", "api_zeroes", public=True),
        Route("/more/", "public_api_more", "base.jinja", public=True, subpaths="more"),
        Route("/form", "api_echo", public=True, methods=["POST"]),
        Route("/both", "public_api_both", public=True),
        Route("/static/", "public_api_web_static", public=True, subpaths=True),
        Route("/gone", "api_gone", public=True),
        Route("404", "public_api_missing", "base.jinja", public=True, subpaths=True),
    )

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "site"
        WORKER_NAME = "Site"

    async def public_api_front(self, _request_info):
        return {"title": "Front <door>", "content": "<script>alert(1)</script>"}

    async def api_page(self, _request_info, name: str):
        return {"title": "Page", "name": name}

    async def api_echo(self, _request_info, words: str = "", n: int = 0):
        return HttpResult("text/plain", f"{words} => {n * 2}")

    async def api_zeroes(self, _request_info, n: int = 10):
        yield HttpResult("text/plain", "0")
        for _ in range(n - 1):
            yield b"0"

    async def public_api_more(self, request_info, more: str = ""):
        return {"title": f"More: {more}", "content": self.web_url(request_info)}

    async def public_api_both(self, _request_info):
        return "text/plain", "public"

    async def api_both(self, _request_info):
        return "text/plain", "private"

    async def api_gone(self, _request_info):
        raise NotFound("sold")

    async def public_api_missing(self, _request_info, path: str = ""):
        return {"title": "Oh noes", "content": path}

    async def public_api_measured(self, _request_info, length: int = 4):
        yield HttpResult("text/plain", "", headers={"content-length": str(length)})
        yield "four"

    async def public_api_wrong(self, _request_info):
        return HttpResult("text/plain", "four", headers={"Content-Length": "9"})

    async def public_api_nothing(self, _request_info):
        return HttpResult("text/plain", "lost", http_code=204)

    async def api_urls(self, _request_info):
        return [self.web_url("/x"), self.web_url("x", public=True)]


@asynccontextmanager
async def site(kitten=Site, folder=None):
    async with running(kitten, [f"--web-static-dir={folder}"] if folder else []) as kitty:
        yield kitty


def with_site(run_async, test, kitten=Site, folder=None):
    async def main():
        async with site(kitten, folder) as kitty:
            await test(kitty)

    run_async(main())


# --- routes -------------------------------------------------------------------


def test_a_page_is_shown_by_its_template_and_escaped(run_async, loop_kind):
    async def check(kitty):
        status, headers, body = await get(kitty, "/test/")
        assert status == 200
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert b"Front &lt;door&gt;" in body
        assert b"<script>" not in body
        assert b'<p class="by">kitty by GET</p>' in (await get(kitty, "/test/pages/kitty/"))[2]

    with_site(run_async, check)


def test_links_lead_to_where_the_visitor_came_from(run_async):
    async def check(kitty):
        body = (await get(kitty, "/test/pages/a/"))[2].decode()
        assert 'href="/test/pages/next/"' in body
        body = (await get(kitty, f"/{kitty.secret}/test/pages/a/"))[2].decode()
        assert f'href="/{kitty.secret}/test/pages/next/"' in body
        body = (await get(kitty, "/test/more/a.html"))[2].decode()
        assert "More: /a.html" in body
        assert f"http://{kitty.host}:{kitty.port}/test/more/a.html" in body

    with_site(run_async, check)


def test_private_pages_are_for_callers_with_credentials(run_async):
    async def check(kitty):
        assert (await get(kitty, "/test/secret/a/"))[0] == 404
        assert b"a by GET" in (await get(kitty, f"/{kitty.secret}/test/secret/a/"))[2]
        bearer = {"Authorization": f"Bearer {kitty.secret}"}
        assert (await get(kitty, "/test/secret/a/", headers=bearer))[0] == 200
        assert (await get(kitty, "/test/both"))[2] == b"public"
        assert (await get(kitty, f"/{kitty.secret}/test/both"))[2] == b"private"

    with_site(run_async, check)


def test_arguments_come_from_path_and_query_and_are_converted(run_async):
    async def check(kitty):
        own = f"/{kitty.secret}/test"
        assert (await get(kitty, f"{own}/echo?n=6&words=meow"))[2] == b"meow => 12"
        assert (await get(kitty, f"{own}/some?n=6&words=meow"))[2] == b"meow => 0"
        status, _, body = await get(kitty, f"{own}/echo?n=six")
        assert status == 400
        assert b"six" in body
        assert (await get(kitty, "/test/zeroes/7/"))[2] == b"0000000"

    with_site(run_async, check)


def test_a_form_is_posted_to_the_route_that_takes_it(run_async):
    async def check(kitty):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await get(kitty, "/test/form", "POST", b"words=a+b&n=2", form)
        assert (answer[0], answer[2]) == (200, b"a b => 4")
        status, headers, _ = await get(kitty, "/test/form")
        assert (status, headers["allow"]) == (405, "POST")

    with_site(run_async, check)


def test_what_is_not_there_has_a_page_of_its_own(run_async):
    async def check(kitty):
        for path in ("/no/such", f"/{kitty.secret}/no/such", "/test/pages/a.b/", "/test/gone"):
            status, headers, body = await get(kitty, path)
            assert status == 404
            assert headers["content-type"].startswith("text/html")
            assert b"Oh noes" in body
            assert kitty.secret.encode() not in body
        assert b"/no/such" in (await get(kitty, "/no/such"))[2]
        status, _, body = await get(kitty, "/no/such", "HEAD")
        assert (status, body) == (404, b"")

    with_site(run_async, check)


def test_programs_reach_methods_and_get_data_and_errors_as_ever(run_async):
    async def check(kitty):
        assert await kitty.client.page("a") == {"title": "Page", "name": "a"}
        assert await kitty.client.page("a", call_use_json=True) == {"title": "Page", "name": "a"}
        with pytest.raises(KeyError, match="absent"):
            await kitty.client.call("absent")
        with pytest.raises(KeyError, match="sold"):
            await kitty.client.gone()
        wants = {"Accept": "application/json"}
        status, _, body = await get(kitty, "/no/such", headers=wants)
        assert status == 403
        assert "credentials" in json.loads(body)["error"]
        routes = await kitty.client.web_routes()
        assert {"/pages/<slug:name>/", "404"} < {route["path"] for route in routes}

    with_site(run_async, check)


def test_a_kitten_knows_the_addresses_of_its_pages(run_async):
    async def check(kitty):
        private, public = await kitty.client.urls()
        assert private == f"{kitty.url}/{kitty.secret}/test/x"
        assert public == f"{kitty.url}/test/x"
        other = Site(args=[f"--app-state-dir={kitty.kitten.config.app_state_dir}"])
        await other.connect()
        assert other.web_url("/x") == private
        assert other.web_url() == f"{kitty.url}/{kitty.secret}/test/"
        assert (await get(kitty, f"/{kitty.secret}/test/echo"))[0] == 200
        other._client.close()

    with_site(run_async, check)


def test_routes_work_below_the_services_own_prefix(run_async):
    async def main():
        async with running(Site, ["--worker-url-path=/a/b"]) as kitty:
            body = (await get(kitty, f"/a/b/{kitty.secret}/test/pages/a/"))[2].decode()
            assert f'href="/a/b/{kitty.secret}/test/pages/next/"' in body
            assert kitty.kitten.web_url("/x", public=True).endswith("/a/b/test/x")

    run_async(main())


def test_metrics_name_the_method_of_a_page(run_async):
    async def check(kitty):
        await get(kitty, "/test/pages/a/")
        await get(kitty, "/no/such")
        numbers = await kitty.client.metrics()
        assert numbers['http,code="200",method="page"'] == 1
        assert numbers['http,code="404",method="(none)"'] == 1
        # The page is public; that it is made by `page` is nobody's business.
        public = json.loads((await get(kitty, "/metrics"))[2])
        assert 'http,code="404",method="(none)"' in public
        assert 'http,code="200",method="page"' not in public

    with_site(run_async, check)


def test_all_that_is_wrong_with_routes_is_said_before_serving(run_async):
    class Broken(RPCKitten, WebKitten):
        WEB_ROUTES = (
            Route("/a", "api_nothing"),
            Route("/b", "public_api_ping", "absent.jinja"),
            Route("/c/<odd:x>", "public_api_ping"),
        )

    async def main():
        kitten = Broken()
        with pytest.raises(ConfigError) as caught:
            await Runtime(kitten, settings_of(kitten, "secret"), None).begin([])
        assert len(caught.value.problems) == 3
        for name in ("api_nothing", "absent.jinja", "odd"):
            assert name in str(caught.value)

    run_async(main())


def test_without_the_extra_templates_say_what_to_install(run_async, monkeypatch):
    async def main():
        monkeypatch.setitem(sys.modules, "jinja2", None)
        kitten = Site()
        with pytest.raises(ConfigError, match=r"kettlingar\[web\]"):
            await Runtime(kitten, settings_of(kitten, "secret"), None).begin([])

    run_async(main())


def test_a_supervisor_that_lists_public_methods_limits_pages_too(run_async):
    async def main():
        async with site() as kitty:
            settings = settings_of(kitty.kitten, kitty.secret, ["page"])
            await kitty.runtime.adjust(settings, {})
            assert (await get(kitty, "/test/pages/a/"))[0] == 200
            assert (await get(kitty, "/test/"))[0] == 403
            assert (await get(kitty, "/test/static/style.css"))[0] == 403

    run_async(main())


def test_an_answer_that_has_no_body_has_no_length_either(run_async):
    async def check(kitty):
        status, headers, body = await get(kitty, "/nothing")
        assert (status, body) == (204, b"")
        assert not headers.keys() & {"content-length", "transfer-encoding", "content-type"}

    with_site(run_async, check)


def test_a_stream_may_say_its_length_and_is_held_to_it(run_async):
    async def check(kitty):
        status, headers, body = await get(kitty, "/measured")
        assert (status, headers["content-length"], body) == (200, "4", b"four")
        assert "transfer-encoding" not in headers
        for wrong in (3, 5):
            data = await raw(kitty, b"GET /measured?length=%d HTTP/1.1\r\nHost: h\r\n\r\n" % wrong)
            head, _, body = data.partition(b"\r\n\r\n")
            assert b"Content-Length: %d" % wrong in head
            assert len(body) != wrong  # and the connection has ended
        # What is no stream has its length counted.
        assert (await get(kitty, "/wrong"))[1]["content-length"] == "4"

    with_site(run_async, check)


class Older(RPCKitten, WebKitten):
    """Settings from the mix-in's class alone, and a method that answers to any name."""

    WEB_ROUTES = [Route("/halp", "api_help"), Route("/", "public_api_web_root", "base.jinja", True)]  # noqa: RUF012  as authors write it

    class Configuration(WebKitten.Configuration):
        pass

    async def public_api_web_root(self, _request_info):
        return {"title": "Root"}

    def get_default_methods(self, _request_info):
        return (self.public_api_web_root, None)


def test_services_as_they_were_written_before_run_unchanged(run_async):
    async def check(kitty):
        assert kitty.kitten.config.web_static_dir == ""
        assert b"<h1>Root</h1>" in (await get(kitty, "/"))[2]
        assert json.loads((await get(kitty, "/whatever"))[2]) == {"title": "Root"}
        assert b"ping" in (await get(kitty, f"/{kitty.secret}/halp"))[2]
        assert await kitty.client.web_root() == {"title": "Root"}

    with_site(run_async, check, Older)
