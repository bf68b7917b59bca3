"""The batch as its users see it: records at the end of episodes, restarts, seeds, states to save, pictures, errors."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amigo.envs import NUM_ACTIONS, TASKS, BatchedMiniGrid, find_task, make_batch
from amigo.envs.bench import environment_speed
from amigo.envs.codes import (
    AGENT,
    BALL,
    BLUE,
    BOX,
    CLOSED,
    DOOR,
    DROP,
    EMPTY,
    FORWARD,
    GREEN,
    KEY,
    LOCKED,
    OPEN,
    PICK_UP,
    RED,
    TOGGLE,
    TURN_LEFT,
    TURN_RIGHT,
)
from amigo.envs.oracle import GOAL_COLOUR, make_oracle, picture
from mirl.config import ConfigError

TABLE = {
    "Empty-5x5": (5, 5, 100),
    "Empty-8x8": (8, 8, 256),
    "KeyCorridorS3R3": (7, 7, 270),
    "KeyCorridorS4R3": (10, 10, 480),
    "KeyCorridorS5R3": (13, 13, 750),
    "ObstructedMaze-1Dl": (11, 6, 288),
    "ObstructedMaze-2Dlhb": (16, 16, 576),
    "ObstructedMaze-1Q": (16, 16, 720),
}
"""Width, height and step limit of card 4.1."""
SOLUTION = (*[FORWARD] * 5, TURN_RIGHT, *[FORWARD] * 5)
"""Eleven moves from the top left of Empty-8x8 to its goal."""


@pytest.mark.parametrize("name", TABLE)
def test_sizes_and_step_limits_are_the_cards(name: str):
    task = find_task(name)
    assert (task.width, task.height, task.max_steps) == TABLE[name]


@pytest.mark.parametrize("name", TASKS)
def test_sizes_and_step_limits_are_the_oracles(name: str):
    task, oracle = find_task(name), make_oracle(name)
    assert (task.width, task.height, task.max_steps) == (oracle.width, oracle.height, oracle.max_steps)
    assert oracle.action_space.n == NUM_ACTIONS
    assert oracle.observation_space.shape == (task.width, task.height, 3)


@pytest.mark.parametrize("name", ["KeyCorridorS3R3", "MiniGrid-KeyCorridorS3R3-v0", "minigrid-keycorridors3r3-V0"])
def test_a_task_is_found_by_every_spelling_of_its_name(name: str):
    assert find_task(name).name == "KeyCorridorS3R3"


def test_a_misspelt_task_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no task 'KeyCoridorS3R3'.*did you mean KeyCorridorS3R3\?"):
        make_batch("MiniGrid-KeyCoridorS3R3-v0", 1, 0)


def test_task_names_cost_neither_numba_nor_gym():
    program = "import sys, amigo.envs; print({'numba', 'gym', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_where_nothing_can_be_kept_on_disk_the_environments_still_run(tmp_path: Path):
    script = tmp_path / "script.py"
    lines = ("from amigo.envs.compiled import compiled", "@compiled", "def twice(x): return 2 * x", "print(twice(21))")
    script.write_text("\n".join(lines))
    environment = {"PYTHONPATH": ":".join(sys.path), "NUMBA_CACHE_DIR": "/dev/null/nowhere", "HOME": "/dev/null"}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.strip() == "42", done.stderr


def test_the_first_record_is_done_with_nothing_earned():
    batch = make_batch("KeyCorridorS3R1", 3, seed=0)
    assert batch.done.all()
    for array in (batch.reward, batch.episode_return, batch.episode_length):
        assert (array == 0).all()


def test_success_pays_by_the_steps_it_took_and_shows_the_next_episode():
    batch = make_batch("Empty-8x8", 2, seed=0)
    first = batch.frame.copy()
    for action in SOLUTION[:-1]:
        batch.step([action, 6])
        assert not batch.done.any()
    batch.step([SOLUTION[-1], 6])
    assert batch.done.tolist() == [True, False]
    assert batch.reward[0] == batch.episode_return[0] == np.float32(1 - 0.9 * 11 / 256)
    assert batch.episode_length.tolist() == [11, 11]
    np.testing.assert_array_equal(batch.frame[0], first[0])
    batch.step([6, 6])
    assert batch.episode_length.tolist() == [1, 12]
    assert batch.episode_return[0] == batch.reward[0] == 0


def test_without_auto_reset_the_last_frame_stays_until_the_restart():
    batch = make_batch("Empty-8x8", 1, seed=0)
    for action in SOLUTION:
        batch.step([action], auto_reset=False)
    assert batch.done[0]
    assert tuple(batch.agent[0]) == (6, 6, 1)
    assert tuple(batch.frame[0, 6, 6]) == (AGENT, 0, 1)
    batch.restart(batch.done)
    assert tuple(batch.agent[0]) == (1, 1, 0)
    assert batch.done[0]
    assert batch.episode_length[0] == 11


def test_the_step_limit_is_exact_and_pays_nothing():
    batch = make_batch("KeyCorridorS3R1", 2, seed=0)
    for _ in range(269):
        batch.step([6, 6])
        assert not batch.done.any()
    batch.step([6, 6])
    assert batch.done.all()
    assert (batch.episode_length == 270).all()
    assert (batch.reward == 0).all()


def test_a_restart_begins_new_episodes_only_where_it_is_asked_for():
    batch = make_batch("KeyCorridorS4R3", 3, seed=0)
    for _ in range(5):
        batch.step([0, 0, 0])
    before = batch.state_dict()
    batch.restart([False, True, False])
    np.testing.assert_array_equal(batch.frame[[0, 2]], before["frame"][[0, 2]])
    assert not np.array_equal(batch.frame[1], before["frame"][1])
    assert batch.episode_length.tolist() == [5, 5, 5]
    assert not batch.done.any()
    batch.step([0, 0, 0])
    assert batch.episode_length.tolist() == [6, 1, 6]


def test_a_layout_depends_on_seed_and_index_but_not_on_how_many_there_are():
    few, many, other = (make_batch("KeyCorridorS5R3", n, seed) for n, seed in ((2, 0), (6, 0), (6, 1)))
    np.testing.assert_array_equal(few.frame, many.frame[:2])
    assert len({frame.tobytes() for batch in (many, other) for frame in batch.frame}) == 12


def test_with_fix_seed_every_episode_has_the_oracles_layout_of_that_seed():
    oracle = make_oracle("KeyCorridorS3R3")
    oracle.seed(4)
    expected = oracle.reset()
    batch = make_batch("KeyCorridorS3R3", 3, seed=9, fix_seed=True, env_seed=4)
    for _ in range(2):
        for frame in batch.frame:
            np.testing.assert_array_equal(frame, expected)
        for _ in range(270):
            batch.step([0, 1, 2])
        assert batch.done.all()


def test_a_saved_state_continues_equally():
    actions = np.random.default_rng(0).integers(7, size=(800, 4))
    batch = make_batch("KeyCorridorS3R3", 4, seed=0)
    for row in actions[:300]:
        batch.step(row)
    saved = batch.state_dict()
    other = make_batch("KeyCorridorS3R3", 4, seed=5)
    other.load_state_dict(saved)
    for row in actions[300:]:
        batch.step(row)
        other.step(row)
    for name, array in batch.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name], err_msg=name)


def test_a_state_of_another_task_or_size_is_refused_and_changes_nothing():
    batch = make_batch("KeyCorridorS3R3", 4, seed=0)
    before = batch.state_dict()
    with pytest.raises(ValueError, match=r"frame is uint8 \(4, 10, 10, 3\), expected uint8 \(4, 7, 7, 3\)"):
        batch.load_state_dict(make_batch("KeyCorridorS4R3", 4, seed=0).state_dict())
    with pytest.raises(ValueError, match="the stored environments hold"):
        batch.load_state_dict({})
    for name, array in batch.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("wrong", [7, -1])
def test_an_action_that_does_not_exist_is_refused_and_changes_nothing(wrong: int):
    batch = make_batch("Empty-5x5", 2, seed=0)
    before = batch.state_dict()
    with pytest.raises(ValueError, match=f"actions must be 0 to 6, environment 1 got {wrong}"):
        batch.step([2, wrong])
    np.testing.assert_array_equal(batch.frame, before["frame"])


@pytest.mark.parametrize("actions", [[0], [[0, 1]], [0, 1, 2]])
def test_the_wrong_number_of_actions_is_refused(actions: list[int]):
    with pytest.raises(ValueError, match=r"actions must have the shape \(2,\)"):
        make_batch("Empty-5x5", 2, seed=0).step(actions)


def test_the_target_must_be_taken_with_empty_hands():
    batch = corridor_with({(2, 1): (KEY, RED, 0), (1, 2): (BALL, BLUE, 0)}, target=BLUE)
    batch.step([PICK_UP])
    assert (batch.carried_object[0], batch.carried_colour[0]) == (KEY, RED)
    for action in (TURN_RIGHT, PICK_UP):
        batch.step([action])
    assert not batch.done[0]
    assert tuple(batch.frame[0, 1, 2]) == (BALL, BLUE, 0)
    for action in (TURN_LEFT, DROP, TURN_RIGHT, PICK_UP):
        batch.step([action])
    assert batch.done[0]
    assert batch.reward[0] == np.float32(1 - 0.9 * 7 / 100)


def test_a_locked_door_opens_only_to_the_key_of_its_colour():
    for colour, state in ((RED, OPEN), (GREEN, LOCKED)):
        batch = corridor_with({(2, 1): (DOOR, RED, LOCKED), (1, 2): (KEY, colour, 0)})
        for action in (TOGGLE, TURN_RIGHT, PICK_UP, TURN_LEFT, TOGGLE):
            batch.step([action])
        assert tuple(batch.frame[0, 2, 1]) == (DOOR, RED, state)
        assert (batch.carried_object[0], batch.carried_colour[0]) == (KEY, colour)


def test_an_agent_in_a_doorway_hides_the_door_and_leaves_it_open():
    batch = corridor_with({(2, 1): (DOOR, GREEN, CLOSED)})
    for action in (FORWARD, TOGGLE, FORWARD):
        batch.step([action])
    assert tuple(batch.frame[0, 2, 1]) == (AGENT, 0, 0)
    batch.step([FORWARD])
    assert tuple(batch.frame[0, 2, 1]) == (DOOR, GREEN, OPEN)


def test_a_box_keeps_its_key_while_carried_and_gives_it_when_opened():
    batch = corridor_with({(2, 1): (BOX, GREEN, 0)})
    batch.state.hidden_key[0, 2, 1] = 1 + BLUE
    for action in (PICK_UP, TURN_RIGHT, DROP, TOGGLE):
        batch.step([action])
    assert tuple(batch.frame[0, 2, 1]) == (EMPTY, 0, 0)
    assert tuple(batch.frame[0, 1, 2]) == (KEY, BLUE, 0)
    assert not batch.state.hidden_key.any()


@pytest.mark.parametrize("name", TASKS)
def test_random_play_keeps_the_invariants(name: str):
    play(name, calls=300, num_envs=100)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_million_random_steps_keep_the_invariants(name: str):
    play(name, calls=2000, num_envs=500)


@pytest.mark.parametrize("name", ["KeyCorridorS3R3", "ObstructedMaze-2Dlhb"])
def test_memory_stays_flat_over_a_million_steps(name: str):
    batch, actions = make_batch(name, 500, seed=1), np.random.default_rng(1).integers(NUM_ACTIONS, size=(100, 500))
    sizes = []
    for turn in range(21):
        for row in actions:
            batch.step(row)
        if turn in (0, 20):
            sizes.append(resident_kib())
    assert sizes[1] - sizes[0] < 1024


def test_a_picture_shows_the_goals_cell_and_needs_no_window():
    batch = make_batch("ObstructedMaze-1Dl", 2, seed=0)
    plain, marked = picture(batch, 1), picture(batch, 1, goal=3 * batch.height + 2)
    assert plain.shape == marked.shape == (6 * 32, 11 * 32, 3)
    changed = np.argwhere((plain != marked).any(axis=2))
    assert changed.min(axis=0).tolist() == [2 * 32, 3 * 32]
    assert changed.max(axis=0).tolist() == [3 * 32 - 1, 4 * 32 - 1]
    assert tuple(marked[2 * 32, 3 * 32]) == GOAL_COLOUR
    assert "pyglet" not in sys.modules


def test_a_picture_is_the_oracles_own():
    oracle = make_oracle("KeyCorridorS4R3")
    oracle.seed(3)
    oracle.reset()
    batch = make_batch("KeyCorridorS4R3", 1, 0, env_seeds=[3])
    for action in (0, 2, 2, 1, 2):
        oracle.step(action)
        batch.step([action])
    np.testing.assert_array_equal(picture(batch, 0), oracle.unwrapped.render(mode="rgb_array"))


def test_speeds_are_measured_in_steps_of_one_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("amigo.envs.bench.STEPS", 50)
    monkeypatch.setattr("amigo.envs.bench.measure", lambda function: [function(), 0.5][1])
    assert environment_speed("Empty-5x5", num_envs=3) == {"batched_steps_per_s": 300.0, "oracle_steps_per_s": 100.0}


def corridor_with(cells: dict[tuple[int, int], tuple[int, int, int]], target: int = 255) -> BatchedMiniGrid:
    """Empty-5x5 with things in it; the agent stands at (1, 1) and looks right."""
    batch = make_batch("Empty-5x5", 1, seed=0)
    batch.state.target_colour[0] = target
    for (x, y), cell in cells.items():
        batch.state.frame[0, x, y] = cell
    return batch


def play(name: str, calls: int, num_envs: int) -> None:
    """Random actions; after each call: one agent where the state says, empty hands (1, 5), exact steps and rewards."""
    batch, rng = make_batch(name, num_envs, seed=1), np.random.default_rng(1)
    everyone, before = np.arange(num_envs), batch.episode_length.copy()
    for _ in range(calls):
        ended = batch.done.copy()
        batch.step(rng.integers(NUM_ACTIONS, size=num_envs))
        x, y, heading = batch.agent.T
        assert (batch.frame[everyone, x, y, 2] == heading).all()
        assert ((batch.frame[..., 0] == AGENT).sum(axis=(1, 2)) == 1).all()
        assert (batch.frame[everyone, x, y, 0] == AGENT).all()
        assert ((batch.carried_object == 1) <= (batch.carried_colour == 5)).all()
        assert (batch.frame[batch.state.hidden_key > 0, 0] == BOX).all()
        assert (batch.episode_length == np.where(ended, 0, before) + 1).all()
        success = batch.reward > 0
        paid = 1 - 0.9 * batch.episode_length / batch.max_steps
        assert (batch.reward == np.where(success, paid, 0).astype(np.float32)).all()
        assert (batch.done == (success | (batch.episode_length == batch.max_steps))).all()
        before = batch.episode_length.copy()


def resident_kib() -> int:
    """Memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024
