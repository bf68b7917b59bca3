"""Gridworlds: the card's transitions and returns, gym's API, and the batched form step by step."""

from __future__ import annotations

import gym
import numpy as np
import pytest
import torch
from plain import policies

from mi_asym.envs import GRID_TASKS, HORIZON, GridBatch, environment_note, grid_tables, make, make_batch, task_spec
from mi_asym.envs.draws import uniforms
from mi_asym.envs.gridworld import CarFlag2D, HeavenHell, Sphinx
from mirl.config import ConfigError

EPISODES = 2000
CARD = {  # card 9.2: return, success, length
    ("heaven_hell", "informed"): (1.000, 1.0, 14.00),
    ("heaven_hell", "oracle"): (1.000, 1.0, 6.00),
    ("heaven_hell", "blind"): (-0.001, 0.499, 6.00),
    ("heaven_hell", "random"): (0.013, 0.174, 42.7),
    ("sphinx", "informed"): (0.800, 1.0, 11.42),
    ("sphinx", "oracle"): (0.993, None, 5.06),
    ("sphinx", "blind"): (0.323, 0.332, 5.11),
    ("sphinx", "random"): (0.018, 0.246, 27.8),
    ("carflag_2d", "informed"): (1.000, 1.0, 9.92),
    ("carflag_2d", "oracle"): (1.000, 1.0, 7.80),
    ("carflag_2d", "random"): (0.179, 0.179, 45.3),
}


def played(task: str, policy: str) -> np.ndarray:
    """(episodes, 3): return, success and length of the card's policies."""
    env, actions, rows = make(task, 1), np.random.default_rng(0), []
    for _ in range(EPISODES):
        env.reset()
        memory: dict[str, int] = {}
        total, length, done, info = 0.0, 0, False, {"success": False}
        while not done:
            random = policy == "random"
            action = int(actions.integers(4)) if random else getattr(policies, policy)(env.unwrapped, memory)
            _, reward, done, info = env.step(action)
            total, length = total + reward, length + 1
        rows.append((total, info["success"], length))
    return np.array(rows, float)


@pytest.mark.parametrize(("task", "policy"), CARD)
def test_scripted_policies_earn_what_the_card_measured(task: str, policy: str):
    episodes = played(task, policy)
    for column, expected in enumerate(CARD[task, policy]):
        if expected is not None:  # two samples of 2000 episodes: their difference has sqrt(2) standard errors
            error = episodes[:, column].std() / np.sqrt(EPISODES) * np.sqrt(2)
            rounding = 0.005 if column == 2 and expected != 42.7 else 0.05 if column == 2 else 0.0005
            assert abs(episodes[:, column].mean() - expected) <= 3 * error + rounding, (column, expected)


def test_heaven_hell_walks_to_the_information_cell_as_the_card_says():
    env = make("heaven_hell", 0).unwrapped
    env.reset()
    env.goal = 0
    assert env.cell == 24
    np.testing.assert_allclose(env.observation(), (0.5, 0.75, 0.0))
    seen = [env.step(action)[0] for action in (3, 0, 0, 0)]
    expected = [(0.5, 1, 0), (0.6667, 1, 0), (0.8333, 1, 0), (1, 1, -1)]
    np.testing.assert_allclose(seen, expected, atol=1e-4)
    assert env.cell == 34
    np.testing.assert_allclose(env.get_state(), (1, 1, -1))
    env.step(2)
    np.testing.assert_allclose(env.observation(), (5 / 6, 1, 0))
    np.testing.assert_allclose(env.get_state(), (5 / 6, 1, -1))


def test_heaven_hell_has_fourteen_free_cells_and_walls_stop_the_agent():
    grid = HeavenHell()
    assert sum(grid.is_free(cell) for cell in range(35)) == 14
    assert grid.move(24, 0) == 24
    assert grid.move(24, 1) == 17
    assert grid.move(0, 2) == 0


@pytest.mark.parametrize(("goal", "reward"), [(0, 1.0), (1, -1.0)])
def test_both_ends_of_heaven_hell_end_the_episode(goal: int, reward: float):
    env = make("heaven_hell", 0).unwrapped
    env.reset()
    env.goal = goal
    for action in (1, 1, 1, 2, 2):
        assert env.step(action)[1:3] == (0.0, False)
    _, paid, done, info = env.step(2)
    assert (paid, done, info["success"]) == (reward, True, goal == 0)


def test_sphinx_has_26_starts_and_takes_its_fee_on_every_step_there():
    grid = Sphinx()
    assert all(len(grid.starts(goal)) == 26 for goal in range(3))
    grid.reset()
    grid.cell, grid.goal = 6, 1
    for action in (1, 1, 2):  # onto the cell, then two bumps
        observation, reward, done, _ = grid.step(action)
        planes = observation.reshape(2, 36)
        assert (reward, done) == (-0.2, False)
        assert planes[0].nonzero()[0].tolist() == [0]
        assert planes[1].nonzero()[0].tolist() == [35]
    assert grid.step(3)[0].reshape(2, 36)[1].sum() == 0.0
    assert grid.get_state().reshape(2, 36)[1].nonzero()[0].tolist() == [35]


def test_every_candidate_ends_a_sphinx_episode_and_only_the_right_one_pays():
    assert [Sphinx().arrival(cell, 1) for cell in (5, 35, 30)] == [(0, True, False), (1, True, True), (0, True, False)]


def test_carflag_has_112_goals_outside_the_information_area():
    grid = CarFlag2D()
    assert len(grid.goal_cells) == 112
    assert not set(grid.goal_cells) & {48, 49, 50, 59, 60, 61, 70, 71, 72}
    goals = {int(value * 112) for value in uniforms(1, np.arange(5000), np.zeros(5000, int), 0)}
    assert goals == set(range(112))


def test_carflag_shows_the_flag_in_the_information_area_only():
    grid = CarFlag2D()
    grid.reset()
    for cell in range(121):
        grid.cell = cell
        assert grid.observation()[121:].sum() == float(cell in grid.information_cells)
        assert grid.get_state()[121:].sum() == 1.0


def test_carflag_carries_the_agent_over_unless_it_may_not_start_there():
    carry, uniform = CarFlag2D(), CarFlag2D(start="uniform")
    kept = {"carry": 0, "uniform": 0}
    for grid in (carry, uniform):
        name = "carry" if grid.carries_position else "uniform"
        for _ in range(300):
            grid.cell = 0
            grid.reset()
            kept[name] += grid.cell == 0
            assert grid.cell in grid.starts(grid.goal)
    assert kept["carry"] > 280
    assert kept["uniform"] < 20


def test_a_carflag_start_is_drawn_anew_from_the_information_area():
    grid = CarFlag2D()
    starts = set()
    for _ in range(2000):
        grid.cell = 60
        grid.reset()
        starts.add(grid.cell)
    assert starts == set(grid.goal_cells)


@pytest.mark.parametrize("task", GRID_TASKS)
def test_a_time_out_is_done_without_success(task: str):
    env = make(task, 0)
    for _ in range(20):
        env.reset()
        env.unwrapped.cell = {"heaven_hell": 24, "sphinx": 14, "carflag_2d": 60}[task]
        for step in range(1, HORIZON + 1):  # up and down again, in the middle
            _, _, done, info = env.step(1 if step % 2 else 3)
            if done:
                break
        if step == HORIZON:
            assert (done, info["success"], info["TimeLimit.truncated"]) == (True, False, True)
            return
    pytest.fail("no episode reached the time limit")


@pytest.mark.parametrize("task", GRID_TASKS)
def test_gym_environments_have_the_era_api(task: str):
    env, spec = make(task, 0), task_spec(task)
    first = env.reset()
    assert isinstance(env, gym.wrappers.TimeLimit)
    assert first in env.observation_space
    assert env.unwrapped.get_state() in env.unwrapped.state_space
    assert first.dtype == np.float64
    assert first.shape == (spec.observation_size,)
    assert env.action_space.n == spec.num_actions
    assert env.unwrapped.max_episode_steps == HORIZON
    assert env.unwrapped.img_size == (spec.image_shape[-1] if spec.image_shape else None)
    assert environment_note(task) == ""
    frame = env.render(mode="rgb_array")
    assert (frame.dtype, frame.shape[2]) == (np.uint8, 3)


@pytest.mark.parametrize("mdp", [False, True])
@pytest.mark.parametrize("task", GRID_TASKS)
def test_every_step_of_the_batched_form_equals_the_gym_environment(task: str, mdp: bool):
    number, actions = 7, np.random.default_rng(0)
    batch = make_batch(task, number, seed=3, mdp=mdp)
    single = [make(task, 3, environment=k, mdp=mdp) for k in range(number)]
    batch.reset()
    observations = [env.reset() for env in single]
    successes = 0
    for _ in range(600):
        np.testing.assert_array_equal(batch.observation(), np.stack(observations).astype(np.float32))
        np.testing.assert_array_equal(batch.state(), np.stack([e.unwrapped.get_state() for e in single]).astype("f4"))
        chosen = actions.integers(4, size=number)
        outcome = batch.step(chosen)
        stepped = [env.step(int(action)) for env, action in zip(single, chosen, strict=True)]
        np.testing.assert_array_equal(outcome.reward, np.float32([row[1] for row in stepped]))
        assert outcome.done.tolist() == [row[2] for row in stepped]
        assert outcome.success.tolist() == [row[3]["success"] for row in stepped]
        assert outcome.timed_out.tolist() == [row[3].get("TimeLimit.truncated", False) for row in stepped]
        observations = [env.reset() if row[2] else row[0] for env, row in zip(single, stepped, strict=True)]
        batch.reset(outcome.done)
        successes += int(outcome.success.sum())
    assert successes > 0


@pytest.mark.parametrize("task", GRID_TASKS)
def test_compact_indices_name_the_rows_of_the_tables(task: str):
    batch = make_batch(task, 5, seed=0)
    batch.reset()
    tables = grid_tables(task)
    assert tables.all_states.shape == (tables.num_states, task_spec(task).state_size)
    np.testing.assert_array_equal(tables.all_states[batch.state_index], batch.state())
    np.testing.assert_array_equal(tables.all_observations[batch.observation_index], batch.observation())


def test_a_saved_batch_goes_on_equally():
    batch, other = make_batch("carflag_2d", 4, seed=0), make_batch("carflag_2d", 4, seed=0)
    batch.reset()
    for step in range(30):
        if step == 13:
            other.load_state_dict(batch.state_dict())
        action = np.full(4, step % 4)
        outcome = batch.step(action)
        if step >= 13:
            np.testing.assert_array_equal(other.step(action).reward, outcome.reward)
            np.testing.assert_array_equal(other.observation(), batch.observation())
            other.reset(outcome.done)
        batch.reset(outcome.done)


def test_inactive_environments_stay_as_they_are():
    batch = make_batch("heaven_hell", 3, seed=0)
    batch.reset()
    outcome = batch.step(np.array([1, 1, 1]), active=np.array([True, False, True]))
    assert batch.cell.tolist() == [17, 24, 17]
    assert batch.episode_step.tolist() == [1, 0, 1]
    assert not outcome.done.any()


def test_an_episode_that_is_over_cannot_be_stepped():
    batch = make_batch("heaven_hell", 1, seed=0)
    with pytest.raises(RuntimeError, match="reset it first"):
        batch.step(np.array([0]))


def test_seeds_purposes_environments_and_episodes_draw_apart():
    def goals(seed: int, purpose: str) -> list[int]:
        batch: GridBatch = make_batch("carflag_2d", 8, seed, purpose=purpose)
        batch.reset()
        first = batch.goal.tolist()
        batch.reset()
        return [*first, *batch.goal.tolist()]

    assert goals(0, "train") == goals(0, "train")
    assert goals(0, "train") != goals(1, "train")
    assert goals(0, "train") != goals(0, "eval")
    assert len(set(goals(0, "train"))) > 10


def test_draws_are_uniform_over_environments_episodes_and_their_order():
    count = 20_000
    across = [
        uniforms(7, np.arange(count), np.zeros(count, int), 0),
        uniforms(7, np.zeros(count, int), np.arange(count), 0),
    ]
    for values in (*across, uniforms(7, np.arange(count), np.arange(count), 1)):
        counts = np.histogram(values, bins=20, range=(0, 1))[0]
        assert ((counts - count / 20) ** 2 / (count / 20)).sum() < 43.8  # chi-square, 19 degrees, p = 0.001
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4 / np.sqrt(count)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "heaven_hel"}, "no task 'heaven_hel' in paper mi_asym; did you mean heaven_hell"),
        ({"task": "sphinx", "start": "uniform"}, "--start uniform is for carflag_2d only"),
        ({"task": "carflag_2d", "start": "here"}, "--start must be carry or uniform, got 'here'"),
        ({"task": "sphinx", "num_envs": 0}, "--num-envs must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        make_batch(**({"num_envs": 1, "seed": 0} | arguments))


def test_saved_states_are_tensors_only():
    assert all(isinstance(value, torch.Tensor) for value in make_batch("sphinx", 2, 0).state_dict().values())
