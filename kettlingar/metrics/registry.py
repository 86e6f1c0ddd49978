"""Numbers by name and labels: what has been counted, measured and sampled. Pure.

A name has one kind for good, and owns the names that its text form will use
(`jobs` as a counter owns `jobs_total`), so that what is shown is never ambiguous.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

Labels = tuple[tuple[str, str], ...]  # sorted by name

# Upper bounds in seconds, as people look at services: half a millisecond to ten seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_RESERVED_LABELS = frozenset({"le", "quantile"})


class Kind(Enum):
    """What a name's numbers are; the value lists the suffixes that its text form uses."""

    INFO = ("_info",)
    GAUGE = ("",)
    COUNTER = ("_total", "_created")
    SAMPLES = ("_count", "_sum", "_created", "_avg", "_m50", "_m90")
    HISTOGRAM = ("_bucket", "_count", "_sum", "_created")


@dataclass(slots=True)
class Number:
    """A gauge, a counter or a numeric fact."""

    value: float = 0


@dataclass(slots=True)
class Samples:
    """Count and sum of all values, and the newest ones for percentiles."""

    newest: deque[float]
    count: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        """Note one value."""
        self.newest.append(value)
        self.count += 1
        self.total += value

    def average(self) -> float:
        """Return the mean of the newest values."""
        return sum(self.newest) / len(self.newest)

    def percentile(self, percent: int) -> float:
        """Return the smallest of the newest values that `percent` of them do not exceed."""
        ranked = sorted(self.newest)
        return ranked[max(0, -(-percent * len(ranked) // 100) - 1)]


@dataclass(slots=True)
class Histogram:
    """How many values fell under each bound; the last one has no bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, value: float) -> None:
        """Note one value."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.total += value

    def cumulated(self) -> list[int]:
        """Return, for each bound, how many values are not over it; the last is their number."""
        reached, result = 0, []
        for count in self.counts:
            reached += count
            result.append(reached)
        return result


Metric = Number | Samples | Histogram | str


@dataclass(frozen=True, slots=True)
class Series:
    """One name with one set of labels, as it is shown."""

    name: str
    kind: Kind
    labels: Labels
    metric: Metric
    public: bool


class Registry:
    """All numbers of one service. Bounded: over `max_series` nothing new is taken."""

    def __init__(self, *, max_series: int = 10_000, max_samples: int = 250) -> None:
        self._series: dict[tuple[str, Labels], Series] = {}
        self._kinds: dict[str, Kind] = {}
        self._owned: dict[str, str] = {}  # a name in the text form -> the metric's name
        self._max_series = max_series
        self._max_samples = max_samples
        self.dropped = 0

    def info(
        self, name: str, value: float | str, labels: Mapping[str, object], **how: bool
    ) -> None:
        """Note a fact: a number, or a text."""
        if isinstance(value, str):
            self._replace(name, Kind.INFO, labels, value, **how)
        else:
            self._replace(name, Kind.GAUGE, labels, Number(value), **how)

    def gauge(self, name: str, value: float, labels: Mapping[str, object], **how: bool) -> None:
        """Note how much there is now."""
        self._replace(name, Kind.GAUGE, labels, Number(value), **how)

    def counter(self, name: str, labels: Mapping[str, object], *, public: bool) -> Number:
        """Return a counter; whoever counts often keeps it."""
        name = name.removesuffix("_total")
        series = self._find(name, Kind.COUNTER, labels, public=public)
        assert isinstance(series.metric, Number)
        return series.metric

    def samples(self, name: str, labels: Mapping[str, object], *, public: bool) -> Samples:
        """Return the samples of that name."""
        series = self._find(name, Kind.SAMPLES, labels, public=public)
        assert isinstance(series.metric, Samples)
        return series.metric

    def histogram(self, name: str, labels: Mapping[str, object], *, public: bool) -> Histogram:
        """Return the histogram of that name."""
        series = self._find(name, Kind.HISTOGRAM, labels, public=public)
        assert isinstance(series.metric, Histogram)
        return series.metric

    def visible(self, *, private: bool) -> Iterator[Series]:
        """Give the series, those of one name together; without `private` the public ones only."""
        for series in sorted(self._series.values(), key=lambda s: (s.name, s.labels)):
            if private or series.public:
                yield series
        if private and self.dropped:
            yield Series("metrics_dropped", Kind.COUNTER, (), Number(self.dropped), False)

    # --- one series -----------------------------------------------------------

    def _replace(
        self,
        name: str,
        kind: Kind,
        labels: Mapping[str, object],
        metric: Metric,
        *,
        public: bool = False,
    ) -> None:
        key = name, sorted_labels(labels.items())
        self._store(key, Series(name, kind, key[1], metric, public))

    def _find(self, name: str, kind: Kind, labels: Mapping[str, object], *, public: bool) -> Series:
        key = name, sorted_labels(labels.items())
        known = self._series.get(key)
        if known is not None and known.kind is kind:
            return known
        fresh = Series(name, kind, key[1], self._fresh(kind), public)
        self._store(key, fresh)
        return fresh

    def _fresh(self, kind: Kind) -> Metric:
        if kind is Kind.SAMPLES:
            return Samples(deque(maxlen=self._max_samples))
        return Histogram() if kind is Kind.HISTOGRAM else Number()

    def _store(self, key: tuple[str, Labels], series: Series) -> None:
        if self._kinds.get(series.name) is not series.kind:
            self._claim(series.name, series.kind)
        if key not in self._series and len(self._series) >= self._max_series:
            self.dropped += 1
            return
        self._series[key] = series

    def _claim(self, name: str, kind: Kind) -> None:
        if not _NAME.match(name):
            raise ValueError(f"cannot measure {name!r}: a name has letters, digits and _ only")
        wanted = {name, *(name + suffix for suffix in kind.value)}
        for one in sorted(wanted):
            owner = self._owned.get(one)
            if owner is not None:
                known = self._kinds[owner].name.lower()
                raise ValueError(
                    f"cannot measure {name!r} as {kind.name.lower()}: {one!r} belongs to"
                    f" {owner!r}, which is {known}; choose another name"
                )
        self._owned.update(dict.fromkeys(wanted, name))
        self._kinds[name] = kind


def sorted_labels(labels: Iterable[tuple[str, object]]) -> Labels:
    """Return labels as they are kept; ValueError for names that the text form cannot have."""
    result = []
    for name, value in labels:
        if not _NAME.match(name) or name.startswith("__") or name in _RESERVED_LABELS:
            raise ValueError(f"cannot use {name!r} as a label: it is reserved, or no plain name")
        result.append((name, str(value)))
    return tuple(sorted(result))
