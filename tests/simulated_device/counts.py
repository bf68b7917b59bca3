"""What a program asked of the device: launches, waits and copies, by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counts:
    """Each by the name of the operation."""

    launches: Counter[str] = field(default_factory=Counter)
    """Operations of ATen that start work on the device; those of the backward pass and of optimisers as well."""
    waits: Counter[str] = field(default_factory=Counter)
    """Times the host stood still until the device had done all it was given."""
    copies: Counter[str] = field(default_factory=Counter)
    """Copies between host and device; those that are waited for are among the waits too."""

    def copy(self) -> Counts:
        return Counts(self.launches.copy(), self.waits.copy(), self.copies.copy())

    def since(self, before: Counts) -> Counts:
        """What came after `before`, an earlier copy of this."""
        return Counts(self.launches - before.launches, self.waits - before.waits, self.copies - before.copies)

    def __str__(self) -> str:
        found = {"launches": self.launches, "waits": self.waits, "copies": self.copies}
        return "; ".join(f"{sum(counter.values()):,} {what}{most(counter)}" for what, counter in found.items())


def most(counter: Counter[str]) -> str:
    """The six that are most frequent, in brackets."""
    named = ", ".join(f"{number:,} {name}" for name, number in counter.most_common(6))
    return f" ({named})" if named else ""
