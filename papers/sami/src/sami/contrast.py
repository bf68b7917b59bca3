"""Which trajectories are contrasted with which: by task, or by skill, that is by return (card 5.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sami.replay import TrajectoryBuffer, pairs


@dataclass(frozen=True)
class Contrast:
    """Positives and negatives of one contrastive step, as (count, 2) pairs (slot, number), and their scores."""

    positives: np.ndarray
    negatives: np.ndarray
    positive_scores: np.ndarray
    negative_scores: np.ndarray


def by_task(
    buffer: TrajectoryBuffer, scores: np.ndarray, choices: np.random.Generator, batch: int, negatives: int
) -> Contrast:
    """CCM: one slot's trajectories against another's, whose scores are set to 1 and 0 (card 5.5, `env_diff`)."""
    ours, theirs = choices.choice(buffer.slots, 2, replace=False)
    positive, negative = buffer.draw(choices, ours, batch - negatives), buffer.draw(choices, theirs, negatives)
    return Contrast(positive, negative, np.ones(len(positive)), np.zeros(len(negative)))


def by_skill_in_a_task(
    buffer: TrajectoryBuffer, scores: np.ndarray, choices: np.random.Generator, batch: int, negatives: int
) -> Contrast:
    """SaTESAC: the better trajectories of one slot against its worse ones (card 5.5, `one`)."""
    return split(buffer.draw(choices, int(choices.integers(buffer.slots)), batch), scores, negatives)


def by_skill_over_all(
    buffer: TrajectoryBuffer, scores: np.ndarray, choices: np.random.Generator, batch: int, negatives: int
) -> Contrast:
    """SaCCMAll: the better trajectories of all slots against the worse (card 5.5, `all`)."""
    return split(buffer.sample(choices, batch), scores, negatives)


def by_skill_and_task(
    buffer: TrajectoryBuffer, scores: np.ndarray, choices: np.random.Generator, batch: int, negatives: int
) -> Contrast | None:
    """SaCCM: the worse of all slots against better trajectories of one slot (card 5.5, `half`).

    None where no slot has a better one, where the original crashes (ledger 13).
    """
    worse = split(buffer.sample(choices, batch), scores, negatives)
    threshold, wanted = worse.negative_scores.max(), batch - negatives
    for slot in choices.permutation(buffer.slots):
        complete = buffer.complete(slot)
        better = complete[scores[slot, complete] > threshold]
        if len(better):
            positives = pairs(slot, choices.choice(better, wanted, replace=len(better) < wanted))
            return Contrast(positives, worse.negatives, scores[tuple(positives.T)], worse.negative_scores)
    return None


def split(chosen: np.ndarray, scores: np.ndarray, negatives: int) -> Contrast:
    """The `negatives` lowest scores against the rest."""
    found = scores[tuple(chosen.T)]
    order = np.argsort(found, kind="stable")
    low, high = order[:negatives], order[negatives:]
    return Contrast(chosen[high], chosen[low], found[high], found[low])


Selection = Callable[[TrajectoryBuffer, np.ndarray, np.random.Generator, int, int], Contrast | None]
SELECTIONS: dict[str, Selection] = {
    "env_diff": by_task, "one": by_skill_in_a_task, "half": by_skill_and_task, "all": by_skill_over_all,
}  # fmt: skip
