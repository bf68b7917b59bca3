"""ML10: tasks, presets, the gym face, whole episodes over processes. Classes that build fast stand for the others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import plain
import pytest
import torch

from mime.envs import batch_of, dynamics_size_of, horizon_of, make
from mime.envs.manipulation import PRESETS, Job, Manipulation, Player, play_all
from mime.envs.ml10 import TEST_CLASSES, TRAIN_CLASSES, all_tasks
from mime.networks import initial_policy, policy_layout
from mime.rollout import class_statistics, sample
from mirl.workers import WorkerDiedError, WorkerError, Workers

NAME = "Metaworld-ML10"
CLASSES = ("drawer-close-v3", "window-open-v3")


@pytest.fixture(scope="module")
def player() -> Player:
    """Keeps the environments that the tests of this file share."""
    return Player()


@pytest.fixture(scope="module")
def workers() -> Workers:
    """Two processes that the tests of this file share."""
    return Workers(2, Player)


def job(name: str, goal_seed: int = 0, horizon: int = 6, episodes: int = 2, preset: str = "compat12") -> Job:
    numbers = np.random.default_rng(goal_seed)
    size = PRESETS[preset].observation_size
    layers = [
        (numbers.normal(size=(8, size)).astype(np.float32), numbers.normal(size=8).astype(np.float32)),
        (numbers.normal(size=(4, 8)).astype(np.float32), numbers.normal(size=4).astype(np.float32)),
    ]
    return Job(name, preset, goal_seed, layers, numbers.normal(size=(horizon, episodes, 4)).astype(np.float32))


def assert_equal_plays(ours, theirs) -> None:
    for one, other in zip(ours, theirs, strict=True):
        for part, twin in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, twin)


def test_the_split_and_its_tasks_are_those_of_meta_world():
    from metaworld.env_dict import ML10_V3

    assert tuple(ML10_V3["train"]) == TRAIN_CLASSES
    assert tuple(ML10_V3["test"]) == TEST_CLASSES
    assert (len(TRAIN_CLASSES), len(TEST_CLASSES)) == (10, 5)
    assert (len(all_tasks(TRAIN_CLASSES)), len(all_tasks(TEST_CLASSES))) == (500, 250)


def test_training_draws_uniformly_from_all_tasks_and_a_test_is_one_task_of_each_test_class():
    env = make(NAME, 0).unwrapped
    drawn = Counter((task["class"], task["goal"]) for task in env.sample_tasks(4000))
    assert len(drawn) > 490
    assert {name for name, _ in drawn} == set(TRAIN_CLASSES)
    tests = [env.sample_test_tasks(20) for _ in range(30)]
    assert all(tuple(task["class"] for task in batch) == TEST_CLASSES for batch in tests)
    assert len({task["goal"] for batch in tests for task in batch}) > 30


@pytest.mark.parametrize(("preset", "size", "seen"), [("compat12", 12, 6), ("full39", 39, 36)])
def test_presets_set_the_observation_and_what_the_dynamics_model_sees(preset: str, size: int, seen: int):
    env = make(NAME, 0, preset=preset)
    assert env.observation_space.shape == (size,)
    assert env.action_space.shape == (4,)
    assert dynamics_size_of(env) == seen


def test_compat12_is_hand_object_second_object_and_a_hidden_goal(player: Player):
    world = player.environment(CLASSES[0], "compat12")
    world.reset(0)
    full = world.world._get_obs()
    ours = world.preset.observation(full)
    np.testing.assert_allclose(ours, [*full[0:3], *full[4:7], *full[11:14], 0, 0, 0], rtol=1e-6)
    assert ours.dtype == np.float32
    assert player.environment(CLASSES[0], "full39").reset(0)[36:].tolist() == [0, 0, 0]


def test_compat12_picks_its_numbers_from_their_places():
    shown = PRESETS["compat12"].observation(np.arange(39.0))
    assert shown.tolist() == [0, 1, 2, 4, 5, 6, 11, 12, 13, 0, 0, 0]
    assert PRESETS["full39"].observation(np.arange(39.0)).tolist() == list(range(39))


def test_presets_set_the_rewards_version(player: Player):
    versions = {preset: player.environment(CLASSES[0], preset).world.reward_function_version for preset in PRESETS}
    assert versions == {"compat12": "v1", "full39": "v2"}


def test_the_gym_face_has_the_old_api_and_ends_after_150_steps():
    env = make(NAME, 0)
    env.unwrapped.reset_task({"class": CLASSES[0], "goal": 3})
    observation = env.reset()
    assert observation.shape == (12,)
    for step in range(1, 151):
        observation, reward, done, info = env.step(np.full(4, 0.1, dtype=np.float32))
        assert done == (step == 150)
    assert info["TimeLimit.truncated"]
    assert isinstance(reward, float)
    assert info["success"] in (0.0, 1.0)
    assert horizon_of(NAME) == 150


def test_a_goal_depends_on_seed_class_and_number_alone():
    first, again, other = (make(NAME, seed).unwrapped for seed in (0, 0, 1))
    task = {"class": CLASSES[0], "goal": 3}
    again.sample_tasks(5)
    assert first.goal_seed(task) == again.goal_seed(task) != other.goal_seed(task)
    assert len({first.goal_seed(task) for task in all_tasks(TRAIN_CLASSES + TEST_CLASSES)}) == 750


def test_goals_lie_where_the_class_allows_and_differ(player: Player):
    world = player.environment(CLASSES[0], "compat12")
    goals = np.array([world.goal(seed) for seed in range(8)])
    space = world.world._random_reset_space
    assert ((goals >= space.low) & (goals <= space.high)).all()
    assert len(np.unique(goals, axis=0)) == 8


def test_an_environment_is_built_once_per_class(player: Player):
    assert player.environment(CLASSES[0], "compat12") is player.environment(CLASSES[0], "compat12")


def test_actions_are_stored_as_chosen_and_clipped_for_the_simulator(player: Player, monkeypatch: pytest.MonkeyPatch):
    world = player.environment(CLASSES[0], "compat12")
    played = []
    for scale in (1.0, 50.0):
        world.reset(0)
        played.append(world.step(np.array([scale, -scale, scale, scale])))
    np.testing.assert_array_equal(played[0][0], played[1][0])
    _, actions, _, _ = player.play(job(CLASSES[0]))
    assert np.abs(actions).max() > 1
    told: list[np.ndarray] = []
    step = world.world.step
    monkeypatch.setattr(world.world, "step", lambda action: (told.append(action), step(action))[1])
    world.step(np.array([50.0, -50.0, 0.5, 1.5]))
    assert told[0].tolist() == [1.0, -1.0, 0.5, 1.0]


def episodes_after(history: list[Job], name: str) -> list:
    player = Player()
    for earlier in history:
        player.play(earlier)
    return [player.play(job(name, horizon=10))]


def test_nothing_of_earlier_tasks_is_left_in_an_environment():
    history = [job(CLASSES[0], seed) for seed in (5, 6)]
    assert_equal_plays(episodes_after([], CLASSES[0]), episodes_after(history, CLASSES[0]))


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", TRAIN_CLASSES + TEST_CLASSES)
def test_nothing_of_earlier_tasks_is_left_in_any_class(name: str, preset: str):
    plays = []
    for earlier in ((), (5, 6)):
        player = Player()
        for seed in earlier:
            player.play(job(name, seed, horizon=30, preset=preset))
        plays.append([player.play(job(name, 0, horizon=60, preset=preset))])
    assert_equal_plays(*plays)


def test_processes_give_what_one_player_gives_in_the_jobs_order(player: Player, workers: Workers):
    jobs = [job(name, seed) for seed, name in enumerate(CLASSES * 2 + CLASSES[:1])]
    expected = play_all(player, jobs)
    assert_equal_plays(play_all(workers, jobs), expected)
    assert_equal_plays(play_all(workers, jobs[::-1])[::-1], expected)


def test_whole_episodes_equal_the_gym_environment_step_by_step():
    env = make(NAME, 0)
    tasks = [{"class": CLASSES[0], "goal": 1}, {"class": CLASSES[1], "goal": 2}]
    layout = policy_layout(12, (64, 64), 4)
    numbers = torch.Generator().manual_seed(0)
    parameters = torch.stack([initial_policy(layout, numbers) for _ in tasks])
    noise = torch.randn(2, 150, 1, 4, generator=numbers)
    fast = sample(batch_of(env.unwrapped, tasks, 1, 150), layout, parameters, noise)
    slow = plain.rollout.sample(env, tasks, layout, parameters, noise)
    for name in ("observations", "actions"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(fast.rewards, slow.rewards, rtol=1e-2, atol=1e-2)
    assert fast.observations.shape == (2, 150, 1, 12)


def test_statistics_are_kept_for_each_class_that_was_drawn():
    env = make(NAME, 0).unwrapped
    tasks = [{"class": name, "goal": 0} for name in (*CLASSES, CLASSES[0])]
    layout = policy_layout(12, (8,), 4)
    parameters = initial_policy(layout, torch.Generator().manual_seed(0)).expand(3, -1)
    played = sample(batch_of(env, tasks, 2, 4), layout, parameters, torch.zeros(3, 4, 2, 4))
    found = class_statistics(tasks, played)
    assert set(found) == set(CLASSES)
    assert found[CLASSES[0]]["return"] == pytest.approx(float(played.returns()[[0, 2]].mean()))
    assert class_statistics([{"goal": np.zeros(2)}], played) == {}


def test_what_goes_wrong_in_a_process_names_the_class_that_was_played():
    dying, failing = Workers(1, Player), Workers(1, Player)
    dying.workers[0].process.kill()
    with pytest.raises(WorkerDiedError, match=r"died \(exit code -9\) while it was to play drawer-close-v3"):
        play_all(dying, [job(CLASSES[0])])
    with pytest.raises(WorkerError, match="could not play no-such-class: KeyError: 'no-such-class'"):
        play_all(failing, [job("no-such-class")])


def test_manipulation_takes_its_goal_from_a_seed():
    world = Manipulation(CLASSES[1], PRESETS["compat12"])
    np.testing.assert_array_equal(world.reset(3), world.reset(3))
    assert not np.array_equal(world.reset(3), world.reset(4))
