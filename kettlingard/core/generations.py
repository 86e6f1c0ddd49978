"""Which definitions of a service have served, so that `rollback` knows where to go."""

from __future__ import annotations

from dataclasses import dataclass, replace

KEPT = 3  # to go back to, beside the one that runs


@dataclass(frozen=True, slots=True)
class Generations:
    """Numbers of generations, oldest first."""

    good: tuple[int, ...] = ()  # all their instances were ready

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
