"""Which skill moves the cube: pick and place, roll or push (card 4.5)."""

from __future__ import annotations

from typing import NamedTuple

PICK_AND_PLACE, ROLL, PUSH, DOWN = "prud"
"""One letter per step. DOWN: the cube is below the table's top, or far above it without being lifted."""

LIFTED = 0.021
"""Metres of the cube's centre above which contacts count; .02 at rest."""


class CubeContact(NamedTuple):
    """What the classifier reads after a step."""

    height: float
    """Of the cube's centre above the table's top, in metres; .02 at rest."""
    on_table: bool
    """Cube and table touch."""
    both_fingers: bool
    """Both fingers touch the cube."""


def step_skill(contact: CubeContact) -> str:
    """The letter of one step."""
    lifted = contact.height > LIFTED
    if lifted and contact.both_fingers and not contact.on_table:
        return PICK_AND_PLACE
    if lifted:
        return ROLL
    return PUSH if 0.019 < contact.height < 0.21 else DOWN


def episode_skill(letters: str) -> str:
    """pick_and_place if any step is; else roll if any is; else push."""
    if PICK_AND_PLACE in letters:
        return "pick_and_place"
    return "roll" if ROLL in letters else "push"
