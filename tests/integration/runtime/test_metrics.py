"""A kitten that shows its numbers, through real sockets."""

from __future__ import annotations

import json
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from kettlingar import RPCKitten
from kettlingar.metrics import MetricsKitten, RPCKittenVarz
from kettlingar.testing import running

from .test_serving import get


class Counting(RPCKitten, MetricsKitten):
    """counting - knows what it does"""

    class Configuration(RPCKitten.Configuration):
        APP_NAME = "counting"
        WORKER_NAME = "One"

    async def public_api_meow(self, _request_info):
        self.metrics_count("meows", public=True, mood="good")
        return "text/plain", "Meow\n"

    async def api_purr(self, _request_info, count: int = 1):
        self.metrics_gauge("purrs", count)
        self.metrics_sample("purr_length", count)
        for _ in range(count):
            yield "purr"


class Older(RPCKittenVarz, RPCKitten):
    """Mixed in first, under its older name."""

    seen = ()

    def metrics_http_request(self, request_info, elapsed_us=None, sent=None):
        self.seen = (*self.seen, (request_info.handler, request_info.code, elapsed_us >= 0))

    def request_done(self, request, name, status, seconds):
        self.mine = (name, status)


class Silent(Counting):
    """Has seen enough."""

    METRICS_MIN_SAMPLES = 3


def with_kitten(run_async, kitten, test):
    async def main():
        async with running(kitten) as kitty:
            await test(kitty)

    run_async(main())


async def families(kitty, path):
    status, headers, body = await get(kitty, path)
    assert status == 200
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def values(family):
    return {(s.name, *(s.labels[key] for key in sorted(s.labels))): s.value for s in family.samples}


def test_numbers_are_plain_data_to_clients(run_async, loop_kind):
    async def check(kitty):
        await kitty.client.meow()
        assert [item async for item in kitty.client.purr(4)] == ["purr"] * 4
        numbers = await kitty.client.metrics(zone="b")
        assert numbers['meows,zone="b",mood="good"'] == 1
        assert numbers['purrs,zone="b"'] == 4
        assert 'start_time,zone="b",app="counting",worker="One"' in numbers
        text = await kitty.client.metrics(openmetrics=True)
        assert text["mimetype"].startswith("application/openmetrics-text")
        assert b'start_time{app="counting",worker="One"}' in text["data"]

    with_kitten(run_async, Counting, check)


def test_public_numbers_are_for_everybody_and_all_numbers_for_callers_with_credentials(run_async):
    async def check(kitty):
        await kitty.client.meow()
        [_ async for _ in kitty.client.purr(2)]
        assert (await get(kitty, "/nothing"))[0] == 403
        public = await families(kitty, "/metrics?openmetrics=y&host=h1")
        private = await families(kitty, f"/{kitty.secret}/metrics?openmetrics=y")
        assert "purrs" in private
        assert "purrs" not in public
        assert values(public["meows"]) == {("meows_total", "h1", "good"): 1}
        counted = {s.labels["method"] for s in public["http"].samples}
        assert counted == {"meow", "(none)"}
        assert ("http_total", "200", "purr") in values(private["http"])
        assert ("http_total", "403", "(none)") in values(private["http"])

    with_kitten(run_async, Counting, check)


def test_each_method_has_a_histogram_of_its_latency(run_async):
    async def check(kitty):
        for _ in range(3):
            await kitty.client.meow()
        found = await families(kitty, "/metrics?openmetrics=y")
        times = values(found["http_request_duration_seconds"])
        assert times["http_request_duration_seconds_bucket", "+Inf", "meow"] == 3
        assert 0 < times["http_request_duration_seconds_sum", "meow"] < 3

    with_kitten(run_async, Counting, check)


def test_percentiles_come_when_there_are_enough_requests(run_async):
    async def check(kitty):
        assert "http_elapsed_us_m90" not in await kitty.client.metrics()
        for _ in range(3):
            await kitty.client.meow()
        numbers = await kitty.client.metrics()
        assert numbers["http_elapsed_us_m50"] <= numbers["http_elapsed_us_m90"]

    with_kitten(run_async, Silent, check)


def test_the_mixin_works_in_any_order_and_beside_an_authors_own_hooks(run_async):
    async def check(kitty):
        assert json.loads((await get(kitty, "/varz"))[2])
        assert json.loads((await get(kitty, "/metrics"))[2])
        assert kitty.kitten.mine == ("metrics", 200)
        assert kitty.kitten.seen[-1] == ("public_api_metrics", 200, True)
        assert 'http,code="200",method="varz"' in await kitty.client.varz()

    with_kitten(run_async, Older, check)


@pytest.mark.parametrize("label", ["le", "a-b", "__name__"])
def test_labels_that_the_text_cannot_have_are_a_bad_request(run_async, label):
    async def check(kitty):
        status, _, body = await get(kitty, f"/metrics?{label}=1")
        assert status == 400
        assert label in json.loads(body)["error"]

    with_kitten(run_async, Counting, check)


def test_without_the_extra_it_says_what_to_install(run_async, monkeypatch):
    async def check(kitty):
        monkeypatch.setitem(sys.modules, "prometheus_client.openmetrics.exposition", None)
        status, _, body = await get(kitty, "/metrics?openmetrics=y")
        assert status == 501
        assert "kettlingar[metrics]" in json.loads(body)["error"]
        assert (await get(kitty, "/metrics"))[0] == 200

    with_kitten(run_async, Counting, check)


def test_it_counts_without_a_server_too(run_async):
    async def main():
        kitty = await Counting().loopback()
        await kitty.meow()
        assert (await kitty.metrics())['meows,mood="good"'] == 1

    run_async(main())
