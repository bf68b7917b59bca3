"""The threshold t*, in steps: how long a goal must keep the student busy before its teacher is paid (card 5.5, 5.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST_TARGET = 7
LEAST_TARGET, GREATEST_TARGET = 20, 270
"""Between which the adaptive target moves down and up."""
SOLVED = 0.8
"""Mean extrinsic reward of a teacher batch from which the adaptive target falls."""


@dataclass(frozen=True)
class Difficulty:
    """t* and its counters."""

    target: int = FIRST_TARGET
    successes: int = 0
    failures: int = 0

    def climbing(self, mean_reward: float, threshold: float, counts: int, maximum: int) -> Difficulty:
        """One step up after `counts` consecutive batches of at least `threshold`, until above `maximum` (card 5.5)."""
        successes = self.successes + 1 if mean_reward >= threshold else 0
        if successes >= counts and self.target <= maximum:
            return Difficulty(self.target + 1)
        return replace(self, successes=successes)

    def adapting(self, mean_reward: float, mean_extrinsic: float, threshold: float, counts: int) -> Difficulty:
        """Down after `counts` successes or where the task is solved, up after `counts` failures (card 5.6).

        Neither counter is reset by the other's outcome.
        """
        successes, failures = self.successes, self.failures
        if mean_reward >= threshold:
            successes += 1
        else:
            failures += 1
        if (successes >= counts or mean_extrinsic >= SOLVED) and self.target > LEAST_TARGET:
            return Difficulty(self.target - 1)
        if failures >= counts and self.target < GREATEST_TARGET:
            return Difficulty(self.target + 1)
        return Difficulty(self.target, successes, failures)
