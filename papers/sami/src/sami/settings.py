"""Which tasks are trained and tested on: the paper's settings as named data, each with where it comes from.

A task tuple is what one training slot or one test samples from at every reset (card 4.1):
Panda (table friction, cube mass); the plain MuJoCo tasks (masses, dampings), as factors; the crippled ones
(joints or legs, crippling modes, masses). Source: card 3.3, 4.5, 4.6. The paper's own Tables 3 and 5 were not
found, so most MuJoCo sets are reconstructions and say so.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from itertools import product
from typing import Any

TASKS = ("panda", "ant", "crippled_ant", "halfcheetah", "crippled_halfcheetah", "hopper", "crippled_hopper", "walker",
         "crippled_walker", "slim_humanoid", "humanoid_standup")  # fmt: skip
SETTINGS = ("training", "moderate", "extreme", "super_extreme")
ONE, TWO, NONE, THREE = 0, 1, 2, 3
"""Crippling modes: how many joints or legs are drawn. NONE leaves the robot whole (card 4.3)."""
CRIPPLING = {
    "crippled_ant": (4, (ONE, TWO, NONE)),
    "crippled_halfcheetah": (6, (ONE, TWO)),
    "crippled_hopper": (3, (ONE, TWO, NONE)),
    "crippled_walker": (6, (ONE, TWO, NONE, THREE)),
}
"""Task -> number of joints (of legs, for the ant) and the modes that its class knows (card 4.3)."""

TaskTuple = tuple[Any, ...]
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class TaskSet:
    """The tuples of one setting: one training slot, or one test, each."""

    tuples: tuple[TaskTuple, ...]
    provenance: str
    """Where the numbers come from, and whether they are the paper's or a reconstruction."""


HALF, USUAL = (0.75, 0.85), (1.0, 1.15, 1.25)
MODERATE = (0.4, 0.5), (1.5, 1.6)
EXTREME = (0.2, 0.3), (1.7, 1.8)
USUAL_MASSES, MODERATE_MASSES, EXTREME_MASSES = HALF + USUAL, MODERATE[0] + MODERATE[1], EXTREME[0] + EXTREME[1]
DEFAULT_MASSES = "; masses where the README names none: training .75-1.25, moderate .4-1.6, extreme .2-1.8 (card 4.6)"


def corners(low: Numbers, high: Numbers) -> tuple[TaskTuple, ...]:
    """The four (masses, dampings) tuples that keep low and high apart."""
    return tuple(product((low, high), repeat=2))


def crippled(*which: tuple[Numbers, int], masses: Numbers) -> tuple[TaskTuple, ...]:
    """One tuple per (joints, mode), all with the same masses."""
    return tuple((joints, (mode,), masses) for joints, mode in which)


def scaled_sets(
    usual: tuple[Numbers, Numbers], moderate: tuple[Numbers, Numbers], extreme: tuple[Numbers, Numbers], source: str
) -> dict[str, TaskSet]:
    """Training, moderate and extreme sets made of corners."""
    parts = zip(SETTINGS, (usual, moderate, extreme), strict=False)
    return {setting: TaskSet(corners(*lists), source) for setting, lists in parts}


def panda_sets() -> dict[str, TaskSet]:
    """The cells of the paper's friction x mass grid that Table 1 averages."""
    training = ((0.1, 1.0), (0.1, 5.0), (0.1, 10.0), (1.0, 1.0), (5.0, 1.0), (10.0, 1.0))
    moderate = ((1.0, 5.0), (1.0, 10.0), (5.0, 5.0), (5.0, 10.0), (10.0, 5.0), (10.0, 10.0))
    grid = tuple(product((0.1, 1.0, 5.0, 10.0, 30.0), (1.0, 5.0, 10.0, 30.0)))
    extreme = tuple(cell for cell in grid if 30.0 in cell)
    source = "recovered exactly from the released workbook of Table 1 (card 3.3)"
    sets = zip(SETTINGS, (training, moderate, extreme), strict=False)
    return {setting: TaskSet(cells, source) for setting, cells in sets}


CHEETAH = "reconstructed: public CaDM settings and comments in the release's tools (card 4.6)"
HOPPING = (
    "reconstructed: CaDM's half-cheetah masses and dampings, the README's videos and the release's tools (card 4.6)"
)
SUPER = TaskSet((((4.0,), (1.0,)),), "README videos: mass x4, damping x1 (card 2, E8)")
HOPPING_SETS = scaled_sets((HALF, USUAL), MODERATE, ((0.25,), (1.75,)), HOPPING) | {"super_extreme": SUPER}
HUMANOID_SETS = scaled_sets(
    ((0.8, 0.9), (1.0, 1.15, 1.25)),
    ((0.6, 0.7), (1.5, 1.6)),
    ((0.4, 0.5), (1.7, 1.8)),
    "reconstructed: public CaDM settings, the release's tools, README (card 4.6)",
)
CHEETAH_SETS = scaled_sets((HALF, USUAL), MODERATE, EXTREME, CHEETAH) | {"super_extreme": SUPER}
ANT_SETS = scaled_sets(
    (HALF, USUAL), MODERATE, EXTREME, "launch script (training, moderate); extreme inferred (card 4.6)"
)
README = "reconstructed from the README's text and videos (card 4.6)" + DEFAULT_MASSES
DOMINO = "reconstructed from public CaDM/DOMINO settings and the release's tools (card 4.6)"

MAIN: dict[str, dict[str, TaskSet]] = {
    "panda": panda_sets(),
    "ant": ANT_SETS,
    "halfcheetah": CHEETAH_SETS,
    "hopper": HOPPING_SETS,
    "walker": HOPPING_SETS,
    "slim_humanoid": HUMANOID_SETS,
    "humanoid_standup": HUMANOID_SETS,
    "crippled_ant": {
        "training": TaskSet(
            tuple(((0, 1, 2, 3), (mode,), masses) for mode, masses in product((NONE, ONE), (HALF, USUAL))),
            README + "; whole, or one leg of 0-3",
        ),
        "moderate": TaskSet(
            crippled(*(((leg,), ONE) for leg in range(4)), masses=MODERATE_MASSES), README + "; one leg, unseen mass"
        ),
        "extreme": TaskSet(
            crippled(*((legs, TWO) for legs in ((0, 1), (1, 2), (2, 3), (0, 3))), masses=EXTREME_MASSES),
            README + "; two neighbouring legs, of which the README shows (0, 1)",
        ),
    },
    "crippled_halfcheetah": {
        "training": TaskSet(
            crippled(((3,), ONE), ((4,), ONE), ((5,), ONE), ((3, 4, 5), ONE), masses=USUAL_MASSES),
            README + "; one front joint",
        ),
        "moderate": TaskSet(crippled(*(((k,), ONE) for k in range(3)), masses=MODERATE_MASSES), README),
        "extreme": TaskSet(
            crippled(*((joints, TWO) for joints in ((0, 3), (1, 4), (4, 5))), masses=EXTREME_MASSES),
            README + "; the three pairs of its videos",
        ),
    },
    "crippled_hopper": {
        "training": TaskSet(
            tuple(((0, 1, 2), (NONE,), masses) for masses in ((0.75,), (0.85,), (1.0,), (1.15, 1.25))),
            README + "; whole, the masses shared out among four slots",
        ),
        "moderate": TaskSet(
            tuple(((0, 1, 2), (NONE,), (mass,)) for mass in MODERATE_MASSES), README + "; whole, unseen masses"
        ),
        "extreme": TaskSet(crippled(*(((k,), ONE) for k in range(3)), masses=EXTREME_MASSES), README + "; one joint"),
    },
    "crippled_walker": {
        "training": TaskSet(
            tuple(((0, 1, 2), (mode,), masses) for mode, masses in product((NONE, THREE), (HALF, USUAL))),
            README + "; whole, or the right leg (mode 3)",
        ),
        "moderate": TaskSet(crippled(*(((k,), ONE) for k in range(3)), masses=MODERATE_MASSES), README),
        "extreme": TaskSet(
            crippled(((3, 4, 5), THREE), *(((k,), ONE) for k in (3, 4, 5)), masses=EXTREME_MASSES),
            README + "; the left leg, or one of its joints",
        ),
    },
}  # fmt: skip
"""Table 2's settings (Table 1's, for Panda)."""


def ant_domino() -> dict[str, TaskSet]:
    """CaDM's ant: only the mass varies."""
    masses = {
        "training": (0.85, 0.9, 0.95, 1.0),
        "moderate": (0.4, 0.45, 0.5, 0.55, 0.6),
        "extreme": (0.2, 0.25, 0.3, 0.35, 0.4),
    }
    source = DOMINO + "; the grouping is inferred"
    return {name: TaskSet(tuple(((mass,), (1.0,)) for mass in each), source) for name, each in masses.items()}


DOMINO_SETS: dict[str, dict[str, TaskSet]] = {
    "ant": ant_domino(),
    "halfcheetah": CHEETAH_SETS,
    "hopper": HOPPING_SETS,
    "slim_humanoid": HUMANOID_SETS,
    "crippled_halfcheetah": {
        "training": TaskSet(crippled(*(((k,), ONE) for k in range(4)), masses=USUAL_MASSES), DOMINO),
        "moderate": TaskSet(crippled(((4,), ONE), ((5,), ONE), masses=MODERATE_MASSES), DOMINO),
        "extreme": TaskSet(crippled(((4, 5), TWO), masses=EXTREME_MASSES), DOMINO),
    },
    "crippled_ant": {
        "training": TaskSet(
            crippled(((0,), ONE), ((1,), ONE), ((2,), ONE), ((0, 1, 2), ONE), masses=USUAL_MASSES), DOMINO
        ),
        "moderate": TaskSet(crippled(((3,), ONE), masses=MODERATE_MASSES), DOMINO),
        "extreme": TaskSet(crippled(((3,), ONE), masses=EXTREME_MASSES), DOMINO),
    },
}
"""Table 6's settings; half-cheetah, hopper and slim humanoid share theirs with Table 2, seed by seed (card 3.1)."""
SCRIPT = "the release's launch script (card 2.1)"
SCRIPT_SETS: dict[str, dict[str, TaskSet]] = {
    "ant": {
        "training": TaskSet(ANT_SETS["training"].tuples, SCRIPT),
        "moderate": TaskSet(ANT_SETS["moderate"].tuples, SCRIPT + ", its test tuples"),
    },
    "panda": {
        "training": TaskSet(((0.0, 1.0), (0.0, 5.0), (1.0, 1.0), (1.0, 5.0)), SCRIPT),
        "moderate": TaskSet(((0.0, 10.0), (1.0, 10.0), (10.0, 10.0), (30.0, 10.0)), SCRIPT + ", its test tuples"),
    },
}
"""Launch recipes; Panda's differ from Table 1's cells."""
VARIANTS = {"main": MAIN, "domino": DOMINO_SETS, "script": SCRIPT_SETS}


def variants_of(task: str) -> tuple[str, ...]:
    """The named families of task sets that a task has."""
    return tuple(name for name, sets in VARIANTS.items() if task in sets)


def task_sets(task: str, variant: str = "main") -> dict[str, TaskSet]:
    """Setting -> tuples. ValueError, in one line, where the task has no such variant."""
    if task not in TASKS:
        raise ValueError(f"no task {task!r}; one of {', '.join(TASKS)}")
    if variant not in variants_of(task):
        raise ValueError(f"{task} has no task sets {variant!r}; one of {', '.join(variants_of(task))}")
    return VARIANTS[variant][task]


def parse_tuples(task: str, text: str) -> tuple[TaskTuple, ...]:
    """A list of tuples as the original's command line wrote it, such as "[([0.75],[1.0]),([1.25],[1.0])]"."""
    try:
        tuples = tuple(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError):
        raise ValueError(f"{text!r} is not a list of task tuples") from None
    return tuple(checked_tuple(task, each) for each in tuples)


def checked_tuple(task: str, parts: object) -> TaskTuple:
    """The tuple with its lists as tuples. ValueError, in one line, where it does not describe a task."""
    size = 3 if task in CRIPPLING else 2
    if not isinstance(parts, tuple | list) or len(parts) != size:
        raise ValueError(f"a task of {task} has {size} parts, got {parts!r}")
    if task == "panda":
        friction, mass = (number(part, task, "friction or mass") for part in parts)
        if friction < 0 or mass <= 0:
            raise ValueError(f"a task of panda is (friction >= 0, mass > 0), got {parts!r}")
        return (friction, mass)
    lists = [part if isinstance(part, tuple | list) else (part,) for part in parts]
    if not all(lists):
        raise ValueError(f"a task of {task} samples from lists that are not empty, got {parts!r}")
    if task in CRIPPLING:
        return checked_crippling(task, lists)
    masses, dampings = (tuple(number(value, task, "factor") for value in values) for values in lists)
    if min(masses + dampings) <= 0:
        raise ValueError(f"masses and dampings of {task} are positive factors, got {parts!r}")
    return (masses, dampings)


def checked_crippling(task: str, lists: list[Any]) -> TaskTuple:
    """(joints, modes, masses), each within what the robot has."""
    limbs, modes = CRIPPLING[task]
    which, how, masses = (tuple(values) for values in lists)
    if any(joint not in range(limbs) for joint in which):
        raise ValueError(f"joints or legs of {task} are 0-{limbs - 1}, got {which}")
    if any(mode not in modes for mode in how):
        raise ValueError(f"crippling modes of {task} are {modes}, got {how}")
    needed = max({ONE: 1, TWO: 2, NONE: 0, THREE: 3}[mode] for mode in how)
    if len(set(which)) < needed:
        raise ValueError(f"{task}: mode {how} needs {needed} different joints or legs, got {which}")
    factors = tuple(number(value, task, "mass") for value in masses)
    if min(factors) <= 0:
        raise ValueError(f"masses of {task} are positive factors, got {masses}")
    return (tuple(int(joint) for joint in which), tuple(int(mode) for mode in how), factors)


def number(value: object, task: str, what: str) -> float:
    """A plain number as float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{what} of a task of {task} is a finite number, got {value!r}")
    return float(value)
