"""The whole stack: what is observed and collected, in which order things happen, and that seeds decide all of it."""

from __future__ import annotations

from typing import Any

import gym
import numpy as np
import pytest
from gym import spaces
from toys import ToySimulator, toy_env, toy_envs

from mirl.workers import WorkerDiedError
from mummi.backgrounds.procedural import ProceduralVideos
from mummi.envs import TASKS, EnvOptions, make_env, make_envs, sizes_of, task_named
from mummi.envs.workers import Workers
from mummi.envs.wrappers import ActionRepeat, NormalizeActions, TimeLimit, stored

VIDEOS = ProceduralVideos("train", videos=4, frames=10)
SHORT = EnvOptions(time_limit=8)


def play(env: gym.Env, seed: int = 0) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """An episode under random actions: every observation, and what was collected."""
    chance = np.random.default_rng(seed)
    observations, done = [env.reset()], False
    while not done:
        observation, _, done, info = env.step(chance.uniform(-1, 1, env.action_space.shape))
        observations.append(observation)
    return observations, info["episode"]


class Recorder(gym.Env):
    """Says what it is asked; reward 1, 2, 3, ...; ends at `limit`."""

    action_space = spaces.Box(np.float32([-1, -0.8, -np.inf]), np.float32([1.1, 0.8, np.inf]), dtype=np.float32)
    observation_space = spaces.Dict({"height": spaces.Box(-1, 1, (), np.float32)})

    def __init__(self, limit: int = 100, info: dict[str, Any] | None = None) -> None:
        self.limit, self.info = limit, info or {}
        self.actions: list[np.ndarray] = []

    def reset(self) -> dict[str, Any]:
        self.actions = []
        return {"height": np.zeros(())}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        self.actions.append(action)
        count = len(self.actions)
        return {"height": np.float64(count)}, float(count), count >= self.limit, dict(self.info)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_gives_what_the_card_says(task: str):
    env = make_env(task, 0, VIDEOS, SHORT)
    observations, episode = play(env)
    actions, touch = sizes_of(task)
    assert env.action_space == spaces.Box(-1, 1, (actions,), np.float32)
    assert len(observations) == 5
    for observation in observations:
        assert (observation["image"].dtype, observation["image"].shape) == (np.uint8, (64, 64, 3))
        assert observation["depth"].shape == (64, 64, 1)
        assert observation["touch"].shape == (touch,)
        assert observation["reward"].shape == ()
        for sensor in ("image", "depth", "touch"):
            flag = observation[f"{sensor}_flag"]
            assert (flag.dtype, flag.shape) == (np.float16, (1,))
        assert observation.keys() == env.observation_space.spaces.keys()
    assert episode.keys() == env.observation_space.spaces.keys() | {"action", "discount"}
    env.close()


def test_an_episode_is_collected_as_the_card_says():
    observations, episode = play(toy_env(0, VIDEOS, EnvOptions()))
    assert len(observations) == 501
    assert {len(values) for values in episode.values()} == {501}
    assert not episode["action"][0].any()
    assert episode["reward"][0] == 0
    assert (episode["discount"] == 1).all()
    kinds = {key: values.dtype for key, values in episode.items()}
    assert kinds.pop("image") == np.uint8
    assert set(kinds.values()) == {np.dtype(np.float16)}
    for key in ("image", "depth", "touch", "touch_flag"):
        np.testing.assert_array_equal(
            episode[key], np.array([each[key] for each in observations]).astype(episode[key].dtype)
        )
    given = np.array([each["reward"] for each in observations])
    np.testing.assert_allclose(episode["reward"], given, rtol=1e-3)
    assert given[0] == 0
    actions = np.random.default_rng(0).uniform(-1, 1, (500, 6))
    np.testing.assert_array_equal(episode["action"][1:], actions.astype(np.float16))


def test_the_agent_sees_a_step_in_stored_types_and_a_reset_as_it_came():
    observations, _ = play(toy_env(0, VIDEOS, SHORT))
    assert (observations[0]["depth"].dtype, observations[0]["touch"].dtype) == (np.float32, np.float64)
    assert (observations[1]["depth"].dtype, observations[1]["touch"].dtype) == (np.float16, np.float16)


def test_with_precision_32_nothing_is_halved():
    _, episode = play(toy_env(0, VIDEOS, EnvOptions(time_limit=8, precision=32)))
    assert {values.dtype for key, values in episode.items() if key != "image"} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("value", "precision", "expected"),
    [
        (np.float64(1.5), 16, np.float16),
        (np.float32(1.5), 32, np.float32),
        (np.int32(7), 16, np.int16),
        (np.int64(7), 32, np.int32),
        (np.uint8(7), 16, np.uint8),
    ],
)
def test_numbers_are_stored_in_the_asked_precision(value: Any, precision: int, expected: type):
    assert stored(value, precision).dtype == expected
    assert stored(value, precision) == value


def test_what_is_no_number_is_not_stored():
    with pytest.raises(ValueError, match="floats, signed integers and bytes, got <U3"):
        stored("abc", 16)


def test_a_repeated_action_sums_rewards_and_stops_at_the_end():
    env = ActionRepeat(Recorder(limit=5), 2)
    env.reset()
    steps = [env.step(np.zeros(3)) for _ in range(3)]
    assert [reward for _, reward, _, _ in steps] == [1 + 2, 3 + 4, 5]
    assert [done for _, _, done, _ in steps] == [False, False, True]
    assert steps[0][0]["height"] == 2, "the last observation"


def test_actions_are_mapped_onto_finite_ranges_and_never_clipped():
    recorder = Recorder()
    env = NormalizeActions(recorder)
    env.reset()
    for action in ([-1, -1, -5], [1, 1, 5], [0, 0, 0], [2, -3, 9]):
        env.step(np.array(action, np.float64))
    expected = [[-1, -0.8, -5], [1.1, 0.8, 5], [0.05, 0, 0], [2.15, -2.4, 9]]
    np.testing.assert_allclose(recorder.actions, expected, atol=1e-6)
    assert env.action_space.low.tolist() == [-1, -1, -np.inf]


def test_the_time_limit_counts_agent_steps_and_gives_a_discount_only_where_there_is_none():
    for info, discount in (({}, 1.0), ({"discount": np.float32(0.5)}, 0.5)):
        env = TimeLimit(Recorder(info=info), 3)
        for _ in range(2):
            env.reset()
            steps = [env.step(np.zeros(3)) for _ in range(3)]
            assert [done for _, _, done, _ in steps] == [False, False, True]
            assert steps[-1][3]["discount"] == discount


def test_rewards_are_those_of_all_control_steps():
    simulator = ToySimulator()
    simulator.seed(4), simulator.reset()
    chance = np.random.default_rng(0)
    expected = [sum(simulator.step(2 * action)[1] for _ in range(2)) for action in chance.uniform(-1, 1, (10, 6))]
    _, episode = play(toy_env(4, VIDEOS, EnvOptions(time_limit=20)))
    np.testing.assert_allclose(episode["reward"][1:], expected, rtol=1e-3)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_the_same_seed_gives_the_same_episodes_and_pictures():
    first, second = make_env("walker_walk", 1, VIDEOS, SHORT), make_env("walker_walk", 1, VIDEOS, SHORT)
    episodes = [play(first)[1] for _ in range(2)]
    again = [play(second)[1] for _ in range(2)]
    assert all(same(one, other) for one, other in zip(episodes, again, strict=True))
    assert not same(*episodes)
    second.seed(1)
    assert same(play(second)[1], episodes[0]), "seeding starts anew"
    first.close(), second.close()


def test_an_environment_continues_from_its_state_as_if_nothing_had_happened():
    whole = make_env("cup_catch", 1, VIDEOS, SHORT)
    play(whole)
    state = whole.state()
    expected = play(whole)[1]
    continued = make_env("cup_catch", 1, VIDEOS, SHORT)
    continued.load_state(state)
    assert same(play(continued)[1], expected)
    whole.close(), continued.close()


@pytest.mark.parametrize("parallel", ["none", "thread", "process"])
def test_workers_do_the_same_wherever_they_run(parallel: str):
    workers = toy_envs(3, SHORT, envs=2, parallel=parallel)
    assert len(workers) == 2
    firsts = workers.reset()
    steps = [workers.step(np.full((2, 6), 0.1 * number)) for number in range(4)]
    alone = toy_env(3, ProceduralVideos("train", videos=3, frames=20), SHORT, worker=1)
    np.testing.assert_array_equal(alone.reset()["image"], firsts[1]["image"])
    for number, step in enumerate(steps):
        observation, reward, done, info = alone.step(np.full(6, 0.1 * number))
        assert step[1][1:3] == (reward, done)
        assert same(step[1][0], observation)
    assert same(steps[-1][1][3]["episode"], info["episode"])
    assert not same(steps[-1][0][3]["episode"], info["episode"]), "the other worker has another seed"
    states = workers.state()
    again = workers.reset([1])
    assert len(again) == 1
    workers.load_state(states)
    np.testing.assert_array_equal(workers.reset()[1]["image"], again[0]["image"])
    workers.seed(3)
    np.testing.assert_array_equal(workers.reset()[0]["image"], firsts[0]["image"])
    workers.close()


def test_real_environments_draw_on_threads_of_their_own():
    workers = make_envs("cup_catch", 0, VIDEOS, SHORT, envs=2, parallel="thread")
    alone = make_env("cup_catch", 0, VIDEOS, SHORT, worker=1)
    np.testing.assert_array_equal(workers.reset()[1]["image"], alone.reset()["image"])
    workers.close(), alone.close()


def test_a_worker_that_dies_is_named():
    workers = toy_envs(0, SHORT, envs=2, parallel="process")
    process = workers.workers[1].process  # type: ignore[attr-defined]
    process.kill()
    with pytest.raises(WorkerDiedError, match=rf"process {process.pid} died \(exit code -9\) while it was to reset"):
        workers.reset()
    workers.close()


def test_what_an_environment_refuses_in_a_process_reaches_the_caller():
    with pytest.raises(ValueError, match="no task 'nonsense'"):
        Workers(make_env, [("nonsense", 0, VIDEOS, SHORT)], "process")


@pytest.mark.parametrize("given", ["walker_walk", "dmc_walker_walk", "DMC_Walker_Walk"])
def test_the_originals_task_names_are_understood(given: str):
    assert task_named(given) == "walker_walk"


def test_an_unknown_task_is_refused_with_what_was_meant():
    with pytest.raises(
        ValueError, match=r"no task 'dmc_walker_wlak'; did you mean walker_walk\? \(tasks: walker_walk,"
    ):
        make_envs("dmc_walker_wlak", 0, VIDEOS)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"action_repeat": 0}, "action_repeat must be at least 1, got 0"),
        ({"time_limit": 0}, "time_limit must be at least 1, got 0"),
        ({"time_limit": 1}, r"time_limit must be at least action_repeat \(2\), got 1"),
        ({"depth_miss_ratio": 1.5}, "depth_miss_ratio must be from 0 to 1, got 1.5"),
        ({"max_miss_len": 1}, "max_miss_len must be at least 2, got 1"),
        ({"precision": 64}, "precision must be 16 or 32, got 64"),
        ({"plain": True, "fast_rendering": True}, "fast_rendering must be False where plain is True"),
    ],
)
def test_senseless_options_are_refused_in_one_line(options: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        EnvOptions(**options)


@pytest.mark.parametrize(
    ("envs", "parallel", "complaint"),
    [
        (0, "none", "envs must be at least 1, got 0"),
        (1, "async", "parallel must be none or thread or process, got async"),
    ],
)
def test_senseless_workers_are_refused(envs: int, parallel: Any, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        make_envs("walker_walk", 0, VIDEOS, SHORT, envs, parallel)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_whole_episode_has_501_entries_and_the_suites_return(task: str):
    env = make_env(task, 0, VIDEOS)
    observations, episode = play(env)
    assert len(observations) == len(episode["reward"]) == 501
    assert (episode["discount"] == 1).all()
    given = float(sum(each["reward"] for each in observations))
    assert float(episode["reward"].astype(np.float64).sum()) == pytest.approx(given, rel=1e-2, abs=1e-2)
    assert 0.1 < 1 - episode["image_flag"].mean() < 0.5
    env.close()
