"""MetricsKitten: a service that counts and times what it does, and shows it at /metrics.

What is marked public is for everybody, the rest for callers with credentials.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kettlingar.errors import BadRequest
from kettlingar.request import HttpResult, RequestInfo

from .exposition import openmetrics as openmetrics_text
from .exposition import plain
from .registry import Histogram, Number, Registry, Samples, sorted_labels

if TYPE_CHECKING:
    from kettlingar.api.methods import MethodTable
    from kettlingar.config.schema import Configuration

__all__ = ["MetricsKitten", "RPCKittenVarz"]


class MetricsKitten:
    """A mix-in: `class MyKitten(RPCKitten, MetricsKitten)`."""

    METRICS_MIN_SAMPLES = 10  # with fewer, there are no percentiles
    METRICS_MAX_SAMPLES = 250  # the newest ones, of which percentiles are made
    METRICS_MAX_SERIES = 10_000  # a bound on memory, whatever ends up in labels

    config: Configuration
    methods: MethodTable

    # --- for methods to use ---------------------------------------------------

    def metrics_info(
        self, name: str, value: float | str = "", public: bool = False, **labels: object
    ) -> None:
        """Note a fact about this process: a text, or a number."""
        self._metrics.info(name, value, labels, public=public)

    def metrics_gauge(
        self, name: str, value: float, public: bool = False, **labels: object
    ) -> None:
        """Note how much there is of something now."""
        self._metrics.gauge(name, value, labels, public=public)

    def metrics_count(
        self, name: str, value: float = 1, public: bool = False, **labels: object
    ) -> None:
        """Count `value` more. ValueError if it is negative: counters only grow."""
        if value < 0:
            raise ValueError(f"cannot count {value} of {name}: use metrics_gauge for what shrinks")
        self._metrics.counter(name, labels, public=public).value += value

    def metrics_sample(
        self, name: str, value: float, public: bool = False, **labels: object
    ) -> None:
        """Note one of many measurements: they are shown as number, sum, mean and percentiles."""
        self._metrics.samples(name, labels, public=public).add(value)

    # --- requests -------------------------------------------------------------

    def request_done(self, request: RequestInfo, name: str, status: int, seconds: float) -> None:
        """Time a request (a hook of the server's); then `metrics_http_request`."""
        found = self.methods.find(name, private=request.authed)
        if found is None and name:  # a public page of a method that itself is private
            found = self.methods.find(name, private=True)
        request.handler = found.attribute if found else ""
        request.code = status
        times = self._metrics_times.get((request.handler, status))
        if times is None:
            times = self._metrics_times[request.handler, status] = self._metrics_begin_times(
                name, status, public=found is None or found.public
            )
        counter, histogram = times
        counter.value += 1
        histogram.add(seconds)
        self.metrics_http_request(request, elapsed_us=int(seconds * 1e6))

    def metrics_http_request(
        self, request_info: RequestInfo, elapsed_us: int | None = None, sent: int | None = None
    ) -> None:
        """Note an answered request: an author may do more or less here, or nothing.

        `request_info.code` is the status, `request_info.handler` the method's name in the
        class, empty if the request was refused before it reached one.
        """
        if elapsed_us is not None:
            self._metrics_elapsed.add(elapsed_us)

    def _metrics_begin_times(
        self, name: str, status: int, *, public: bool
    ) -> tuple[Number, Histogram]:
        method, code = name or "(none)", status or "other"  # raw_ methods write their own
        return (
            self._metrics.counter("http", {"method": method, "code": code}, public=public),
            self._metrics.histogram(
                "http_request_duration_seconds", {"method": method}, public=public
            ),
        )

    @cached_property
    def _metrics(self) -> Registry:
        # Made when first used: the order of the classes, and who calls whose __init__, is the
        # author's.
        registry = Registry(
            max_series=self.METRICS_MAX_SERIES, max_samples=self.METRICS_MAX_SAMPLES
        )
        labels = {"app": self.config.app_name, "worker": self.config.worker_name}
        registry.info("start_time", int(time.time()), labels, public=True)
        return registry

    @cached_property
    def _metrics_times(self) -> dict[tuple[str, int], tuple[Number, Histogram]]:
        return {}

    @cached_property
    def _metrics_elapsed(self) -> Samples:
        return self._metrics.samples("http_elapsed_us", {}, public=True)

    # --- methods --------------------------------------------------------------

    async def public_api_metrics(
        self, _request: RequestInfo, openmetrics: bool = False, **labels: str
    ) -> Any:
        """Show the public numbers; openmetrics: as OpenMetrics text. Other arguments are labels."""
        return await self._metrics_page(openmetrics=openmetrics, private=False, labels=labels)

    async def api_metrics(
        self, _request: RequestInfo, openmetrics: bool = False, **labels: str
    ) -> Any:
        """Show all numbers; openmetrics: as OpenMetrics text. Other arguments become labels."""
        return await self._metrics_page(openmetrics=openmetrics, private=True, labels=labels)

    async def _metrics_page(
        self, *, openmetrics: bool, private: bool, labels: dict[str, str]
    ) -> Any:
        try:
            extra = sorted_labels(labels.items())
        except ValueError as problem:
            raise BadRequest(str(problem)) from problem
        found = self._metrics.visible(private=private)
        if not openmetrics:
            return plain(found, extra, self.METRICS_MIN_SAMPLES)
        mimetype, text = await openmetrics_text(found, extra, self.METRICS_MIN_SAMPLES)
        return HttpResult(mimetype, text)


class RPCKittenVarz(MetricsKitten):
    """The mix-in's older name, and its older method."""

    async def public_api_varz(self, _request: RequestInfo) -> Any:
        """Show the public numbers."""
        return await self._metrics_page(openmetrics=False, private=False, labels={})

    async def api_varz(self, _request: RequestInfo) -> Any:
        """Show all numbers."""
        return await self._metrics_page(openmetrics=False, private=True, labels={})
