"""The example web site: alone by its command line, and under a supervisor."""

import http.client
import os
import subprocess
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.helpers import ROOT, http_get, pick_port

WEB = f"""
[service]
kitten = "examples.web:WebExample"
python_path = ["{ROOT}"]
listen = ["127.0.0.1:{{port}}"]
[config]
purr_interval = 0.01
"""
FEW = (
    WEB
    + """
[access]
public_methods = ["cat"]
"""
)


@pytest.fixture
def alone(tmp_path):
    """The site's address, run as `python -m examples.web start` runs it."""
    port = pick_port()

    def run(*arguments):
        command = [sys.executable, "-m", "examples.web"]
        folders = [f"--app-state-dir={tmp_path}/state", f"--app-data-dir={tmp_path}/data"]
        return subprocess.run(
            [*command, *folders, *arguments],
            cwd=ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )

    run("start", f"--worker-listen-port={port}", "--purr-interval=0.01")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        run("stop")


@pytest.fixture
def supervised(supervisor):
    one = supervisor({"web": WEB})
    one.ready("web")
    return f"http://127.0.0.1:{one.port}"


@pytest.fixture(params=["alone", "supervised"])
def site(request):
    return request.getfixturevalue(request.param)


def test_its_pages_files_events_and_numbers_are_there(site):
    front = http_get(f"{site}/")
    assert (front.status, front.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'href="/cats/tabby/"' in front.body
    assert b"Sleeps on warm things." in http_get(f"{site}/cats/tabby/").body

    css = http_get(f"{site}/static/site.css")
    assert (css.status, css.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    again = http_get(f"{site}/static/site.css", {"If-None-Match": css.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    part = http_get(f"{site}/static/site.css", {"Range": "bytes=0-3"})
    assert (part.status, part.body) == (206, css.body[:4])

    events = http_get(f"{site}/events?count=2")
    assert events.headers["Content-Type"].startswith("text/event-stream")
    assert events.body.count(b"event: purr\n") == 3
    assert events.body.endswith(b"event: end\ndata: asleep\n\n")

    missing = http_get(f"{site}/cats/lion/")
    assert missing.status == 404
    assert b"Nothing is at /cats/lion/" in missing.body

    text = http_get(f"{site}/metrics?openmetrics=y").body.decode()
    shown = {family.name: family for family in text_string_to_metric_families(text)}
    assert shown["cats_shown"].samples[0].labels == {"cat": "tabby"}


def test_nothing_leads_out_of_its_folders(site):
    host = site.removeprefix("http://")
    for path in ("/static/../web.py", "/static/%2e%2e/web.py", "/static/..%2fweb.py"):
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 404
        assert b"WebExample" not in answer.read()
        connection.close()


def test_a_supervisor_that_lists_public_methods_limits_pages_to_them(supervisor):
    one = supervisor({"web": FEW})
    one.ready("web")
    assert one.get("/cats/tabby/").status == 200
    assert one.get("/").status == 403
    assert one.get("/static/site.css").status == 403
