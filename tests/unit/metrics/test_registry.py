"""Numbers by name and labels, and their text."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from kettlingar.metrics.exposition import openmetrics, plain
from kettlingar.metrics.registry import Registry


def families(registry, extra=(), min_samples=3):
    _, text = asyncio.run(openmetrics(registry.visible(private=True), extra, min_samples))
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def test_every_kind_of_number_is_read_by_the_openmetrics_parser():
    registry = Registry()
    registry.info("version", '1.2 "beta"\n\\', {"app": "x"})
    registry.gauge("queue_length", 3, {"queue": "in"})
    registry.counter("jobs_total", {"kind": "big"}, public=False).value += 2
    for value in (1, 2, 9):
        registry.samples("size", {}, public=False).add(value)
    registry.histogram("wait_seconds", {}, public=False).add(0.003)
    found = families(registry)
    assert found["version"].samples[0].labels == {"app": "x", "value": '1.2 "beta"\n\\'}
    assert found["queue_length"].samples[0].value == 3
    assert found["jobs"].type == "counter"
    assert found["jobs"].samples[0].name == "jobs_total"
    assert {s.name: s.value for s in found["size"].samples} == {"size_count": 3, "size_sum": 12}
    assert found["size_m50"].samples[0].value == 2
    assert found["size_m90"].samples[0].value == 9
    assert found["size_avg"].samples[0].value == 4
    buckets = {s.labels["le"]: s.value for s in found["wait_seconds"].samples if "le" in s.labels}
    assert (buckets["0.0025"], buckets["0.005"], buckets["+Inf"]) == (0, 1, 1)


def test_extra_labels_are_on_every_line():
    registry = Registry()
    registry.gauge("a", 1, {})
    registry.histogram("b", {"m": "x"}, public=True).add(1)
    for family in families(registry, (("host", "h"),)).values():
        assert all(sample.labels["host"] == "h" for sample in family.samples)
    assert plain(registry.visible(private=True), (("host", "h"),), 3)['a,host="h"'] == 1


def test_percentiles_come_with_enough_samples_and_from_the_newest_only():
    registry = Registry(max_samples=4)
    samples = registry.samples("t", {}, public=True)
    for value in (1000, 1, 2):
        samples.add(value)
    assert "t_m50" not in plain(registry.visible(private=True), (), 4)
    for value in (3, 4):
        samples.add(value)
    shown = plain(registry.visible(private=True), (), 4)
    assert (shown["t_m50"], shown["t_m90"], shown["t_avg"]) == (2, 4, 2.5)
    assert (shown["t_count"], shown["t_sum"]) == (5, 1010)


def test_strangers_see_public_numbers_only():
    registry = Registry()
    registry.gauge("open", 1, {}, public=True)
    registry.gauge("secret", 1, {}, public=False)
    assert [s.name for s in registry.visible(private=False)] == ["open"]


@pytest.mark.parametrize("name", ["", "a b", "1a", "a-b", "a\n", "ä"])
def test_a_name_that_the_text_cannot_have_is_refused_where_it_is_used(name):
    with pytest.raises(ValueError, match="cannot measure"):
        Registry().gauge(name, 1, {})


@pytest.mark.parametrize("label", ["le", "quantile", "__x", "a-b", ""])
def test_so_are_labels(label):
    with pytest.raises(ValueError, match="label"):
        Registry().gauge("a", 1, {label: 1})


def test_a_name_has_one_kind_and_owns_the_names_of_its_text():
    registry = Registry()
    registry.counter("jobs", {}, public=True)
    with pytest.raises(ValueError, match="counter"):
        registry.gauge("jobs", 1, {})
    with pytest.raises(ValueError, match="jobs_created"):
        registry.gauge("jobs_created", 1, {})
    registry.gauge("size_sum", 1, {})
    with pytest.raises(ValueError, match="size_sum"):
        registry.samples("size", {}, public=True)


def test_labels_without_end_take_no_memory_without_end():
    registry = Registry(max_series=10)
    for number in range(100):
        registry.counter("hits", {"who": number}, public=True).value += 1
    shown = plain(registry.visible(private=True), (), 1)
    assert len(shown) == 11
    assert shown["metrics_dropped"] == 90
