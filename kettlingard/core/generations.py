"""The definitions that a service has had, by number, and which of them have served."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from .spec import ServiceSpec

KEPT = 3  # to go back to, beside the one that runs


class Generations(Struct, frozen=True):
    """Those that run, and those to which `rollback` may go."""

    specs: Mapping[int, ServiceSpec] = field(default_factory=dict)
    good: tuple[int, ...] = ()  # oldest first; all their instances were ready
    prepared: frozenset[int] = frozenset()  # `exec_start_pre` is not to run for them again

    def next_number(self, wanted: int) -> int:
        """A number that none has had; `wanted` is the last one that was asked for."""
        return max(wanted, *self.specs) + 1 if self.specs else 1

    def with_new(self, number: int, spec: ServiceSpec, *, prepared: bool) -> Generations:
        """One more."""
        ready = self.prepared | {number} if prepared else self.prepared
        return replace(self, specs={**self.specs, number: spec}, prepared=ready)

    def kept(self, in_use: Collection[int | None]) -> Generations:
        """Without those that neither run nor may come back."""
        needed = {*in_use, *self.good}
        return replace(self, specs={n: spec for n, spec in self.specs.items() if n in needed})

    def proved(self, number: int) -> Generations:
        """This one serves."""
        if self.good and self.good[-1] == number:
            return self
        others = tuple(one for one in self.good if one != number)
        return replace(self, good=(*others, number)[-(KEPT + 1) :])

    def before(self, number: int) -> int | None:
        """The newest good one that is older than `number`; None if none is kept."""
        return max((one for one in self.good if one < number), default=None)

    def returned_to(self, number: int) -> Generations:
        """It is tried again under a new number: a second rollback goes further back."""
        return replace(self, good=tuple(one for one in self.good if one < number))
