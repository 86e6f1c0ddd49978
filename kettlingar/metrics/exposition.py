"""The numbers as plain data, and as OpenMetrics text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import groupby
from operator import attrgetter
from typing import Any

from kettlingar.errors import HttpError

from .registry import BUCKETS, Histogram, Kind, Labels, Number, Samples, Series


def plain(found: Iterable[Series], extra: Labels, min_samples: int) -> dict[str, Any]:
    """Return `{'name,label="value"': number}`."""
    shown: dict[str, Any] = {}
    for series in found:
        labels = "".join(f',{name}="{value}"' for name, value in (*extra, *series.labels))
        for suffix, value in _values(series, min_samples):
            shown[series.name + suffix + labels] = value
    return shown


def _values(series: Series, min_samples: int) -> Iterator[tuple[str, Any]]:
    metric = series.metric
    if isinstance(metric, Samples):
        yield "_count", metric.count
        yield "_sum", metric.total
        yield from _statistics(metric, min_samples)
    elif isinstance(metric, Histogram):
        yield "_count", metric.cumulated()[-1]
        yield "_sum", metric.total
    else:
        yield "", metric.value if isinstance(metric, Number) else metric


def _statistics(samples: Samples, min_samples: int) -> Iterator[tuple[str, float]]:
    """Mean and percentiles of a few values say nothing: they come when there are enough."""
    if len(samples.newest) >= min_samples:
        yield "_avg", samples.average()
        yield "_m50", samples.percentile(50)
        yield "_m90", samples.percentile(90)


async def openmetrics(
    found: Iterable[Series], extra: Labels, min_samples: int
) -> tuple[str, bytes]:
    """Return MIME type and text. HttpError 501 if prometheus_client is not installed.

    Its import and the writing take long enough for others to notice: a thread does both.
    """
    try:
        text = await asyncio.to_thread(import_module, "prometheus_client.openmetrics.exposition")
    except ImportError as problem:
        raise HttpError(
            501,
            "cannot write OpenMetrics text: prometheus_client is not installed;"
            " pip install 'kettlingar[metrics]'",
        ) from problem
    families = _Families(list(_families(found, dict(extra), min_samples)))
    mimetype: str = text.CONTENT_TYPE_LATEST
    return mimetype, await asyncio.to_thread(text.generate_latest, families)


class _Families:
    """What the text writer expects of a registry."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


def _families(found: Iterable[Series], extra: dict[str, str], min_samples: int) -> Iterator[Any]:
    from prometheus_client.core import Metric

    for name, group in groupby(found, key=attrgetter("name")):
        of_name = list(group)
        kind = of_name[0].kind
        family = Metric(name, "", _TYPES[kind])
        more = {suffix: Metric(name + suffix, "", "gauge") for suffix in _STATISTICS}
        for series in of_name:
            labels = extra | dict(series.labels)
            _ADD[kind](family, labels, series.metric)
            if isinstance(series.metric, Samples):
                for suffix, value in _statistics(series.metric, min_samples):
                    more[suffix].add_sample(name + suffix, labels, value)
        yield family
        yield from (one for one in more.values() if one.samples)


_STATISTICS = ("_avg", "_m50", "_m90")
_TYPES = {
    Kind.INFO: "info",
    Kind.GAUGE: "gauge",
    Kind.COUNTER: "counter",
    Kind.SAMPLES: "summary",
    Kind.HISTOGRAM: "histogram",
}  # fmt: skip


def _add_info(family: Any, labels: dict[str, str], metric: Any) -> None:
    family.add_sample(family.name + "_info", {"value": metric, **labels}, 1)


def _add_gauge(family: Any, labels: dict[str, str], metric: Any) -> None:
    family.add_sample(family.name, labels, metric.value)


def _add_counter(family: Any, labels: dict[str, str], metric: Any) -> None:
    family.add_sample(family.name + "_total", labels, metric.value)


def _add_samples(family: Any, labels: dict[str, str], metric: Any) -> None:
    family.add_sample(family.name + "_count", labels, metric.count)
    family.add_sample(family.name + "_sum", labels, metric.total)


def _add_histogram(family: Any, labels: dict[str, str], metric: Any) -> None:
    reached = metric.cumulated()
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), reached, strict=True):
        family.add_sample(family.name + "_bucket", {**labels, "le": bound}, count)
    family.add_sample(family.name + "_count", labels, reached[-1])
    family.add_sample(family.name + "_sum", labels, metric.total)


_ADD: dict[Kind, Callable[[Any, dict[str, str], Any], None]] = {
    Kind.INFO: _add_info,
    Kind.GAUGE: _add_gauge,
    Kind.COUNTER: _add_counter,
    Kind.SAMPLES: _add_samples,
    Kind.HISTOGRAM: _add_histogram,
}
