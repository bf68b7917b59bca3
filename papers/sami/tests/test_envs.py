"""MuJoCo environments: the card's numbers, gym's API, seeds."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gym
import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.policies import BasePolicy

from sami.envs import environment_id, horizon_of, make_slots, make_test_env, sizes_of
from sami.envs.episodes import Options, scaled_action
from sami.envs.locomotion import Locomotion
from sami.envs.models import load_model
from sami.envs.simulator import mujoco
from sami.settings import CRIPPLING, TASKS, task_sets

MUJOCO_TASKS = [task for task in TASKS if task != "panda"]
FACTS = {
    "ant": (28, 8, 0.05, 1999),
    "crippled_ant": (41, 8, 0.05, 2000),
    "halfcheetah": (18, 6, 0.05, 1000),
    "crippled_halfcheetah": (18, 6, 0.05, 1000),
    "hopper": (11, 3, 0.008, 2000),
    "crippled_hopper": (11, 3, 0.008, 1000),
    "walker": (17, 6, 0.008, 2000),
    "crippled_walker": (17, 6, 0.008, 2000),
    "slim_humanoid": (45, 17, 0.015, 1000),
    "humanoid_standup": (45, 17, 0.015, 2000),
}
ROLLOUTS = [
    ("ant", ((1.0,), (1.0,)), 20.52634),
    ("ant", ((0.5,), (0.25,)), 19.91682),
    ("halfcheetah", ((1.0,), (1.0,)), -2.33491),
    ("halfcheetah", ((0.5,), (0.25,)), -2.91485),
    ("hopper", ((1.0,), (1.0,)), 11.31695),
    ("hopper", ((0.25,), (1.75,)), 14.62811),
    ("walker", ((1.0,), (1.0,)), -5.39482),
    ("slim_humanoid", ((1.0,), (1.0,)), 175.03063),
    ("slim_humanoid", ((0.6,), (1.5,)), 218.07568),
    ("humanoid_standup", ((1.0,), (1.0,)), 1340.75065),
    ("crippled_ant", ((0,), (0,), (1.0,)), 20.08381),
    ("crippled_halfcheetah", ((3,), (0,), (1.0,)), -2.16153),
    ("crippled_hopper", ((1,), (0,), (1.0,)), 27.72472),
    ("crippled_walker", ((3,), (0,), (1.0,)), -3.20359),
    ("crippled_walker", ((0, 1, 2), (3,), (1.0,)), -5.39482),
]


def at_rest(task: str, parameters: Any, **options: Any) -> Locomotion:
    """An environment at the model's own initial state, without noise."""
    environment = Locomotion(task, parameters, seed=0, **options)
    environment.reset()
    mujoco.mj_resetData(environment.model, environment.data)
    environment.place(np.array(environment.data.qpos), 0.0)
    return environment


def alternating(environment: Locomotion, size: float = 0.5) -> np.ndarray:
    """Half the actuators' range, + and - in turn."""
    high = environment.action_space.high
    return (size * high * np.where(np.arange(len(high)) % 2 == 0, 1, -1)).astype(np.float32)


def unscaled(task: str) -> Any:
    """A tuple that changes nothing."""
    return ((0,), (2,), (1.0,)) if task in CRIPPLING else ((1.0,), (1.0,))


@pytest.mark.parametrize("task", MUJOCO_TASKS)
def test_sizes_steps_and_horizons_are_the_cards(task: str):
    environment = Locomotion(task, seed=0)
    observation, action, dt, horizon = FACTS[task]
    assert sizes_of(task) == (observation, action)
    assert environment.reset()["observation"].shape == (observation,)
    assert environment.dt == pytest.approx(dt)
    assert horizon_of(task) == environment.horizon == horizon


@pytest.mark.parametrize(("task", "parameters", "expected"), ROLLOUTS)
def test_a_rollout_from_rest_sums_to_the_cards_reward(task: str, parameters: Any, expected: float):
    environment = at_rest(task, parameters)
    total = sum(environment.step(alternating(environment))[1] for _ in range(20))
    assert total == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("task", MUJOCO_TASKS)
def test_rewards_are_what_the_card_says(task: str):
    """Each formula written out again from the simulator's own state."""
    environment = at_rest(task, unscaled(task) if task != "crippled_halfcheetah" else ((0,), (0,), (1.0,)))
    generator = np.random.default_rng(0)
    for _ in range(8):
        action = generator.uniform(environment.action_space.low, environment.action_space.high).astype(np.float32)
        data = environment.data
        x, torso, speed = float(data.qpos[0]), float(data.xpos[1, 0]), float(data.qvel[0])
        observation, reward, _, _ = environment.step(action)
        if task == "crippled_halfcheetah":
            action[0] = 0
        cost, height = float(np.sum(action.astype(np.float64) ** 2)), float(data.qpos[2])
        walked, moved = (data.qpos[0] - x) / environment.dt, (data.xpos[1, 0] - torso) / environment.dt
        expected = {
            "ant": moved - 0.01 * cost + 1,
            "crippled_ant": moved - 0.01 * cost + 1,
            "halfcheetah": walked - 0.1 * cost,
            "crippled_halfcheetah": walked - 0.1 * cost,
            "hopper": walked + 1 - 0.1 * cost,
            "crippled_hopper": walked + 1 - 0.001 * cost,
            "walker": walked + 1 - 0.001 * cost,
            "crippled_walker": walked + 1 - 0.001 * cost,
            "slim_humanoid": 0.25 / 0.015 * speed - 0.1 * cost + (5.0 if 1.0 <= height <= 2.0 else 0.0),
            "humanoid_standup": height / 0.003 - 0.1 * cost + 1,
        }[task]
        assert reward == pytest.approx(expected, rel=1e-9)
        if task == "halfcheetah":
            assert observation["observation"][0] == pytest.approx(walked, rel=1e-5)


def test_the_ants_forward_velocity_is_the_torso_bodys_which_lags_behind_the_root():
    environment = at_rest("ant", ((1.0,), (1.0,)))
    before = float(environment.data.qpos[0])
    for _ in range(3):
        observation, _, _, _ = environment.step(alternating(environment, 1.0))
        root, before = (environment.data.qpos[0] - before) / environment.dt, float(environment.data.qpos[0])
    assert abs(observation["observation"][0] - root) > 1e-3


@pytest.mark.parametrize("task", ["ant", "halfcheetah"])
def test_the_forward_velocity_is_zero_after_a_reset(task: str):
    assert Locomotion(task, seed=0).reset()["observation"][0] == 0


def test_the_humanoid_is_paid_for_being_upright_at_the_end_of_the_step():
    environment = at_rest("slim_humanoid", ((1.0,), (1.0,)))
    lying = np.array(environment.data.qpos)
    for height, paid in ((0.5, 0.0), (1.5, 5.0), (2.5, 0.0)):
        lying[2] = height
        environment.place(lying, 0.0)
        assert environment.step(np.zeros(17))[1] == paid


def test_contact_and_impact_terms_are_zero_because_the_simulator_never_fills_them():
    environment = Locomotion("ant", ((1.0,), (1.0,)), seed=0)
    environment.reset()
    generator = np.random.default_rng(0)
    touched = 0
    for _ in range(200):
        environment.step(generator.uniform(-1, 1, 8))
        touched += environment.data.ncon > 0
        assert not environment.data.cfrc_ext.any()
    assert touched > 100


@pytest.mark.parametrize(
    ("task", "cost", "healthy", "horizon"),
    [("ant", 0.005, 0.05, 1999), ("crippled_ant", 0.0, 0.05, 3000), ("hopper", 0.001, 1.0, 2000)],
)
def test_the_legacy_rewards_are_those_before_july_2024(task: str, cost: float, healthy: float, horizon: int):
    final, legacy = (at_rest(task, unscaled(task), reward_version=version) for version in ("final", "legacy"))
    action = alternating(final)
    difference = final.step(action)[1] - legacy.step(action)[1]
    squares = float(np.sum(action.astype(np.float64) ** 2))
    assert difference == pytest.approx((legacy.robot.control_cost - final.robot.control_cost) * squares + 1 - healthy)
    assert legacy.robot.control_cost == cost
    assert horizon_of(task, "legacy") == legacy.horizon == horizon


@pytest.mark.parametrize(
    ("model", "modern", "old"),
    [
        ("hopper", 15.820013, 15.264999),
        ("walker2d", 23.677137, 22.698007),
        ("ant", 0.910880, 0.878710),
        ("humanoidstandup", 42.116030, 39.645817),
        ("half_cheetah", 14.0, 14.0),
    ],
)
def test_total_masses_are_the_cards_in_both_versions(model: str, modern: float, old: float):
    assert load_model(model).body_mass.sum() == pytest.approx(modern, abs=1e-6)
    assert load_model(model, legacy_capsule_mass=True).body_mass.sum() == pytest.approx(old, abs=1e-6)


def test_the_hoppers_bodies_weigh_what_mujoco_210_said():
    masses = load_model("hopper", legacy_capsule_mass=True).body_mass[1:]
    np.testing.assert_allclose(masses, [3.534292, 3.926991, 2.714336, 5.089380], atol=1e-6)


def test_legacy_masses_change_the_inertias_and_what_is_derived_from_them():
    modern, old = load_model("hopper"), load_model("hopper", legacy_capsule_mass=True)
    np.testing.assert_allclose(old.body_inertia[1] / modern.body_inertia[1], 3.534292 / 3.665191, rtol=1e-6)
    assert (old.dof_invweight0 > modern.dof_invweight0).all()


def test_the_walkers_feet_keep_their_different_frictions():
    friction = load_model("walker2d").geom_friction[:, 0]
    assert (friction[4], friction[7]) == (0.9, 1.9)


def test_loading_the_cheetah_warns_of_nothing_and_leaves_no_log_behind(tmp_path):
    code = "from sami.envs.models import load_model; print(load_model('half_cheetah').body_mass.sum())"
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(answer.stdout) == pytest.approx(14.0)
    assert "settotalmass" not in answer.stderr
    assert not list(tmp_path.iterdir())


def test_an_unusable_drawing_library_does_not_stop_an_import():
    code = "import os, sami.envs; print(os.environ['MUJOCO_GL'])"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"MUJOCO_GL": "nonsense"}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "nonsense"


@pytest.mark.parametrize("task", MUJOCO_TASKS)
def test_gym_and_gymnasium_make_the_task_with_their_own_spaces(task: str):
    name = environment_id(task)
    for library in (gym, gymnasium):
        environment = library.make(name, horizon=3)
        assert isinstance(environment.action_space, library.spaces.Box)
        assert isinstance(environment.observation_space, library.spaces.Dict)


def test_the_environment_speaks_gym_023():
    environment = make_test_env("hopper", ((1.0,), (1.0,)), seed=0, horizon=2)
    observation = environment.reset()
    assert observation["observation"].dtype == np.float32
    assert environment.observation_space.contains(observation)
    observation, reward, done, info = environment.step(environment.action_space.sample())
    assert (done, info["is_success"], info["episode"]) == (False, False, {"r": reward, "l": 1})
    _, second, done, info = environment.step(environment.action_space.sample())
    assert done
    assert "TimeLimit.truncated" not in info
    assert info["episode"] == {"r": pytest.approx(reward + second), "l": 2}


def test_a_seed_repeats_an_environment_and_another_does_not():
    def play(seed: int) -> list[np.ndarray]:
        environment = make_test_env("halfcheetah", task_sets("halfcheetah")["training"].tuples[3], seed)
        seen = [environment.reset()["observation"] for _ in range(2)]
        return [*seen, environment.step(np.full(6, 0.3, dtype=np.float32))[0]["observation"]]

    first, again, other = play(1), play(1), play(2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[1])


def test_an_episode_depends_on_its_number_and_not_on_how_the_ones_before_were_played():
    played, waiting = (Locomotion("ant", task_sets("ant")["training"].tuples[3], seed=4) for _ in range(2))
    for environment in (played, waiting):
        environment.reset()
    for _ in range(20):
        played.step(np.ones(8))
    np.testing.assert_array_equal(played.reset()["observation"], waiting.reset()["observation"])
    action = np.full(8, 0.5)
    np.testing.assert_array_equal(played.step(action)[0]["observation"], waiting.step(action)[0]["observation"])


def test_observations_are_copies_of_their_own():
    environment = Locomotion("walker", seed=0)
    first = environment.reset()["observation"]
    kept = first.copy()
    environment.step(np.ones(6))
    np.testing.assert_array_equal(first, kept)


def test_actions_are_scaled_as_stable_baselines_scales_them():
    space = gymnasium.spaces.Box(np.float32(-0.4), np.float32(0.4), (17,), np.float32)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 17)).astype(np.float32)
    theirs = BasePolicy.unscale_action(SimpleNamespace(action_space=space), actions)
    np.testing.assert_array_equal(scaled_action(actions, space.low, space.high), theirs)


def test_wrong_input_is_told_in_one_line():
    environment = Locomotion("hopper", seed=0)
    environment.reset()
    with pytest.raises(ValueError, match=r"actions have shape \(3,\), got \(4,\)"):
        environment.step(np.zeros(4))
    with pytest.raises(ValueError, match="reward_version is final or legacy, got 'old'"):
        Options(reward_version="old")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no task 'hoper'"):
        make_slots("hoper", [((1.0,), (1.0,))], 0)
    with pytest.raises(ValueError, match="at least one task tuple"):
        make_slots("hopper", [], 0)
    with pytest.raises(ValueError, match="horizon is at least 1, got 0"):
        make_slots("hopper", [((1.0,), (1.0,))], 0, horizon=0)


def floors() -> list[dict[str, str]]:
    with (Path(__file__).parents[3] / "results/reference/sami.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["role"] == "floor"]


@pytest.mark.slow
@pytest.mark.parametrize("row", floors(), ids=lambda row: f"{row['task']} {row['setting']}")
def test_the_reference_tables_floors_are_the_means_of_32_episodes(row: dict[str, str]):
    """Episodes of another processor may go another way; then means must agree as those of two samples do."""
    slots = make_slots(row["task"], [unscaled(row["task"])] * 32, seed=11)
    slots.reset()
    generator, acts = np.random.default_rng(1), "random" in row["setting"]
    returns: list[float] = []
    while not returns:
        actions = generator.uniform(-1, 1, (32, slots.action_size)) * acts
        returns = [episode.total_reward for episode in slots.step(actions).finished]
    spread = float(row["spread"])
    assert np.mean(returns) == pytest.approx(float(row["value"]), abs=4 * spread * (2 / 32) ** 0.5)
    card = float(row["note"].rpartition(": ")[2])
    assert card == pytest.approx(np.mean(returns), abs=4 * spread), "the card's one episode is one of these"
