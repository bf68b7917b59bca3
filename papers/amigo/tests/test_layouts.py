"""Layouts: number by number the oracle's for the same seed, alike in distribution for others, and what they hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from gym.utils import seeding
from scipy import stats

from amigo.envs import TASKS, make_batch
from amigo.envs.codes import AGENT, BALL, BOX, CLOSED, DOOR, EMPTY, GOAL, KEY, LOCKED, WALL
from amigo.envs.mersenne_twister import draw, next_word, stream_from, stream_of
from amigo.envs.oracle import make_oracle

FALSE_ALARM = 1e-3
"""Probability that a test fails although the distributions agree (Bonferroni over features); seeds are fixed."""
CORRIDORS = [name for name in TASKS if name.startswith("KeyCorridor")]
MAZES = [name for name in TASKS if name.startswith("ObstructedMaze")]
BLOCKED_TWICE = ["ObstructedMaze-" + kind for kind in ("2Dlhb", "1Q", "2Q", "Full")]
"""Rooms with two blocking balls, of which the second may fall on the first key."""


@pytest.mark.parametrize("seed", [0, 1, 7, 12345, 2**40 + 3, 2**63 - 1])
def test_a_stream_starts_where_gym_seeds_it(seed: int):
    np.testing.assert_array_equal(stream_of(seed), stream_from(seeding.np_random(seed)[0]))


def test_a_stream_gives_numpys_numbers_over_several_refills():
    source, stream = np.random.RandomState(3), stream_from(np.random.RandomState(3))
    expected = source.randint(0, 2**32, size=2000, dtype=np.uint32)
    assert [next_word(stream) for _ in range(2000)] == expected.tolist()


def test_whole_numbers_are_drawn_as_numpy_draws_them():
    source, stream = np.random.RandomState(4), stream_from(np.random.RandomState(4))
    for low, high in np.random.default_rng(0).integers(1, 40, size=(3000, 2)).cumsum(axis=1):
        assert draw(stream, low, high) == source.randint(low, high)


@pytest.mark.parametrize("name", TASKS)
def test_layouts_of_a_seed_are_the_oracles_and_so_are_the_ones_after_it(name: str):
    seeds = range(100, 108)
    batch, oracle = make_batch(name, len(seeds), 0, env_seeds=seeds), make_oracle(name)
    frames = []
    for _ in range(3):
        frames.append(batch.frame.copy())
        batch.reset()
    for index, seed in enumerate(seeds):
        oracle.seed(seed)
        for frame in frames:
            np.testing.assert_array_equal(frame[index], oracle.reset())


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_thousands_of_layouts_of_one_stream_are_the_oracles(name: str):
    batch, oracle = make_batch(name, 1, 0, env_seeds=[9]), make_oracle(name)
    oracle.seed(9)
    for _ in range(3000):
        np.testing.assert_array_equal(batch.frame[0], oracle.reset())
        batch.reset()


@pytest.mark.parametrize("name", ["KeyCorridorS3R3", "KeyCorridorS5R3", "ObstructedMaze-2Dlhb", "ObstructedMaze-1Q"])
def test_fresh_layouts_agree_with_the_oracles_in_distribution(name: str):
    ours = features(make_batch(name, 2000, seed=1).frame)
    oracle = make_oracle(name)
    oracle.seed(77)
    theirs = features(np.stack([oracle.reset() for _ in range(400)]))
    assert ours.keys() == theirs.keys()
    for feature in ours:
        values = sorted(set(ours[feature]) | set(theirs[feature]))
        if len(values) > 1:
            counts = [[Counter(side[feature])[value] for value in values] for side in (ours, theirs)]
            assert stats.chi2_contingency(pooled(counts)).pvalue > FALSE_ALARM / len(ours), feature


def test_a_distribution_test_notices_a_shifted_key():
    frames = make_batch("KeyCorridorS5R3", 2400, seed=1).frame
    ours, theirs = features(frames[:2000]), features(frames[2000:])
    theirs["x of 5"] = [min(x + 1, 3) for x in theirs["x of 5"]]
    counts = [[Counter(side["x of 5"])[value] for value in (1, 2, 3)] for side in (ours, theirs)]
    assert stats.chi2_contingency(counts).pvalue < FALSE_ALARM / len(ours)


@pytest.mark.parametrize("name", CORRIDORS)
def test_a_corridor_has_one_locked_door_one_matching_key_and_one_ball_behind_it(name: str):
    batch = make_batch(name, 300, seed=2)
    for frame in batch.frame:
        locked = np.argwhere((frame[..., 0] == DOOR) & (frame[..., 2] == LOCKED))
        keys, balls = np.argwhere(frame[..., 0] == KEY), np.argwhere(frame[..., 0] == BALL)
        assert len(locked) == len(keys) == len(balls) == 1
        assert frame[tuple(locked[0])][1] == frame[tuple(keys[0])][1]
        outside = reachable(frame, through_locked=False)
        assert outside[tuple(keys[0])]
        assert not outside[tuple(balls[0])]
        assert reachable(frame, through_locked=True)[frame[..., 0] != WALL].all()


@pytest.mark.parametrize("name", MAZES)
def test_a_maze_has_one_blue_ball_and_a_key_for_every_locked_door_that_no_ball_has_replaced(name: str):
    batch = make_batch(name, 300, seed=3)
    for frame, hidden in zip(batch.frame, batch.state.hidden_key, strict=True):
        assert ((frame[..., 0] == BALL) & (frame[..., 1] == 2)).sum() == 1
        locked = (frame[..., 0] == DOOR) & (frame[..., 2] == LOCKED)
        keys = sorted([*frame[frame[..., 0] == KEY][:, 1], *(hidden[hidden > 0] - 1)])
        doors = sorted(frame[locked][:, 1])
        boxes = (frame[..., 0] == BOX).sum()
        assert boxes == (hidden > 0).sum()
        assert keys == doors if name not in BLOCKED_TWICE else set(keys) <= set(doors)


@pytest.mark.parametrize("name", ["ObstructedMaze-2Dlhb", "ObstructedMaze-1Q"])
def test_one_layout_in_fifteen_has_no_solution_because_a_ball_replaces_the_box_with_the_key(name: str):
    """The first key's box lies on one of 15 free cells of the side room; the second ball is put on one of them.

    That key is the one to the target's room. As in gym-minigrid 1.0.1, to which these layouts are equal.
    """
    batch = make_batch(name, 4000, seed=4)
    doors = ((batch.frame[..., 0] == DOOR) & (batch.frame[..., 2] == LOCKED)).sum(axis=(1, 2))
    keys = (batch.state.hidden_key > 0).sum(axis=(1, 2))
    assert (doors == 2).all()
    assert stats.binomtest(int((keys == 1).sum()), 4000, 1 / 15).pvalue > FALSE_ALARM


def test_the_agent_never_starts_on_a_thing_or_facing_one():
    for name in [*CORRIDORS, *MAZES]:
        batch = make_batch(name, 200, seed=5)
        assert (batch.state.under_agent == (EMPTY, 0, 0)).all()
        x, y, heading = batch.agent.T
        ahead = batch.frame[
            np.arange(200), x + np.array([1, 0, -1, 0])[heading], y + np.array([0, 1, 0, -1])[heading], 0
        ]
        # A KeyCorridor's unlocked doors are added after the agent has been placed, so it may face one of those.
        assert set(ahead) <= ({EMPTY, WALL, DOOR} if name in CORRIDORS else {EMPTY, WALL})


def test_an_empty_room_holds_nothing_but_the_goal():
    batch = make_batch("Empty-Random-6x6", 500, seed=6)
    assert set(np.unique(batch.frame[..., 0])) == {EMPTY, WALL, GOAL, AGENT}
    starts = Counter(map(tuple, batch.agent[:, :2].tolist()))
    assert (
        stats.chisquare([starts[x, y] for x in range(1, 5) for y in range(1, 5) if (x, y) != (4, 4)]).pvalue
        > FALSE_ALARM
    )


def features(frames: np.ndarray) -> dict[str, list[int]]:
    """What layouts look like, one list a feature; of equal things the first, so that entries are independent."""
    found: dict[str, list[int]] = {}
    for frame in frames:
        for kind in (AGENT, KEY, BALL, BOX):
            for x, y in np.argwhere(frame[..., 0] == kind)[:1]:
                found.setdefault(f"x of {kind}", []).append(int(x))
                found.setdefault(f"y of {kind}", []).append(int(y))
                found.setdefault(f"colour of {kind}", []).append(int(frame[x, y, 1]))
        x, y = np.argwhere(frame[..., 0] == AGENT)[0]
        found.setdefault("heading", []).append(int(frame[x, y, 2]))
        for state in (CLOSED, LOCKED):
            doors = np.argwhere((frame[..., 0] == DOOR) & (frame[..., 2] == state))
            found.setdefault(f"how many doors {state}", []).append(len(doors))
            for x, y in doors[:1]:
                found.setdefault(f"colour of a door {state}", []).append(int(frame[x, y, 1]))
                found.setdefault(f"place of a door {state}", []).append(100 * int(x) + int(y))
    return found


def pooled(counts: list[list[int]], least: int = 20) -> np.ndarray:
    """The table with its rare columns added together, so that the chi-square approximation holds."""
    table = np.array(counts)
    rare = table.sum(axis=0) < least
    joined = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    return joined[:, joined.sum(axis=0) > 0]


def reachable(frame: np.ndarray, *, through_locked: bool) -> np.ndarray:
    """Cells that the agent can come to if things can be moved away and unlocked doors be opened."""
    reached = np.zeros(frame.shape[:2], bool)
    edge = [tuple(np.argwhere(frame[..., 0] == AGENT)[0])]
    while edge:
        x, y = edge.pop()
        kind, _, state = frame[x, y]
        if not reached[x, y] and kind != WALL and (through_locked or kind != DOOR or state != LOCKED):
            reached[x, y] = True
            edge += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
    return reached
