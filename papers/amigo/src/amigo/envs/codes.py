"""The numbers that stand for things in a frame (card 4.1), as gym-minigrid encodes them."""

from __future__ import annotations

# First channel: what lies in the cell. Unseen 0, floor 3 and lava 9 do not occur in these tasks.
EMPTY, WALL, DOOR, KEY, BALL, BOX, GOAL, AGENT = 1, 2, 4, 5, 6, 7, 8, 10
# Second channel: its colour.
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)
# Third channel: a door's state; the agent's heading; 0 otherwise.
OPEN, CLOSED, LOCKED = range(3)
RIGHT, DOWN, LEFT, UP = range(4)

OBJECTS, COLOURS, STATES = 11, 6, 4
"""How many numbers each channel knows."""
CELL_CODES = OBJECTS * COLOURS * STATES
"""Ways a cell can look."""

TURN_LEFT, TURN_RIGHT, FORWARD, PICK_UP, DROP, TOGGLE, DONE = range(7)

NOTHING_CARRIED = (1, 5)
"""Object and colour reported for empty hands (card 4.3)."""

COLOURS_BY_NAME = (BLUE, GREEN, GREY, PURPLE, RED, YELLOW)
"""The colours in the alphabetical order from which gym-minigrid draws them."""

STEP_X = (1, 0, -1, 0)
STEP_Y = (0, 1, 0, -1)
"""One cell forward, by heading."""
