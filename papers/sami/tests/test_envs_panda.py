"""Panda: the card's facts, the skill classifier, and slots against single environments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from plain.slots import PlainSlots

from mirl.workers import WorkerDiedError, WorkerError
from sami.envs import horizon_of, make_slots, make_test_env, sizes_of
from sami.envs.episodes import episode_generator
from sami.envs.panda import PandaPush
from sami.envs.panda_scene import build
from sami.envs.skills import CubeContact, episode_skill, step_skill
from sami.patches import patched


@pytest.fixture(scope="module")
def light() -> Iterator[PandaPush]:
    """A cube of mass 1 on a table of friction 1."""
    environment = PandaPush(parameters=(1.0, 1.0), seed=0)
    yield environment
    environment.close()


@pytest.fixture(scope="module")
def heavy() -> Iterator[PandaPush]:
    """A cube of mass 30 on a table of friction .1."""
    environment = PandaPush(parameters=(0.1, 30.0), seed=0)
    yield environment
    environment.close()


def towards(observation: dict[str, np.ndarray], above: float, gripper: float) -> np.ndarray:
    """An action that brings the gripper over the cube, `above` its centre."""
    gap = observation["achieved_goal"] + np.array([0, 0, above]) - observation["observation"][:3]
    return np.append(np.clip(gap / 0.05, -1, 1), gripper).astype(np.float32)


def test_sizes_and_horizon_are_the_cards(light: PandaPush):
    observation = light.reset()
    assert {key: value.shape for key, value in observation.items()} == {
        "achieved_goal": (3,),
        "desired_goal": (3,),
        "observation": (19,),
    }
    assert light.action_space.shape == (4,)
    assert sizes_of("panda") == (25, 4)
    assert horizon_of("panda") == light.horizon == 50


def test_cube_and_goal_start_on_the_table_within_thirty_centimetres(light: PandaPush):
    light.seed(0)
    starts = [light.reset() for _ in range(60)]
    cubes, goals = (np.array([each[key] for each in starts]) for key in ("achieved_goal", "desired_goal"))
    for places in (cubes, goals):
        assert (np.abs(places[:, :2]) <= 0.15).all()
        assert np.ptp(places[:, :2], axis=0).min() > 0.2
        np.testing.assert_allclose(places[:, 2], 0.02, atol=1e-6)


def test_mass_and_friction_are_set_and_survive_resets(heavy: PandaPush):
    for _ in range(3):
        heavy.reset()
        cube = heavy.scene.bullet.getDynamicsInfo(heavy.scene.bodies["object"], -1)
        table = heavy.scene.bullet.getDynamicsInfo(heavy.scene.bodies["table"], -1)
        assert cube[0] == 30
        np.testing.assert_allclose(cube[2], (0.008,) * 3, rtol=1e-6)
        assert (cube[1], table[1], table[7]) == (0.5, 0.1, 0.001)


def test_the_reward_is_minus_the_distance_to_the_goal(light: PandaPush):
    observation = light.reset()
    for _ in range(20):
        observation, reward, _, _ = light.step(towards(observation, 0.0, -1.0))
        distance = np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"])
        assert reward == pytest.approx(-float(distance), abs=1e-6)


def test_an_episode_ends_with_success_or_after_fifty_steps(light: PandaPush):
    light.reset()
    dones = [light.step(np.zeros(4))[2] for _ in range(50)]
    assert dones == [False] * 49 + [True]
    light.reset()
    light.scene.whole.task.goal = light.scene.whole.task.get_achieved_goal() + np.array([0.04, 0.0, 0.0])
    _, _, done, info = light.step(np.zeros(4))
    assert done
    assert info["is_success"]


def test_the_first_episode_equals_panda_gyms_own(light: PandaPush):
    stock = build()
    stock.sim.set_lateral_friction("table", -1, 1.0)
    stock.sim.set_spinning_friction("table", -1, 0.001)
    stock.robot.reset()
    stock.task.np_random = episode_generator(5, 0)
    stock.task.reset()
    light.seed(5)
    observation = light.reset()
    for _ in range(30):
        action = towards(observation, 0.0, -1.0)
        observation, reward, _, info = light.step(action)
        theirs, their_reward, success, _, _ = stock.step(action)
        np.testing.assert_array_equal(observation["observation"], theirs["observation"])
        assert (reward, info["is_success"]) == (their_reward, success)
    assert observation["observation"][7:10].tolist() != light.reset()["observation"][7:10].tolist()
    stock.close()


def test_an_episode_depends_on_its_number_and_not_on_the_ones_before(light: PandaPush):
    def play() -> list[np.ndarray]:
        observation = light.reset()
        seen = [observation["observation"]]
        for _ in range(25):
            observation = light.step(towards(observation, 0.0, -1.0))[0]
            seen.append(observation["observation"])
        return seen

    light.seed(3)
    first = play()
    play()
    light.seed(3)
    np.testing.assert_array_equal(first, play())


@pytest.mark.parametrize(
    ("height", "on_table", "both_fingers", "letter"),
    [
        (0.05, False, True, "p"),
        (0.05, True, True, "r"),
        (0.05, False, False, "r"),
        (0.05, True, False, "r"),
        (0.5, False, False, "r"),
        (0.02, True, False, "u"),
        (0.02, True, True, "u"),
        (0.021, True, False, "u"),
        (0.019, True, False, "d"),
        (-0.3, False, False, "d"),
    ],
)
def test_a_step_is_classified_by_height_and_contacts(height: float, on_table: bool, both_fingers: bool, letter: str):
    assert step_skill(CubeContact(height, on_table, both_fingers)) == letter


@pytest.mark.parametrize(
    ("letters", "skill"), [("uurupu", "pick_and_place"), ("uuru", "roll"), ("uudd", "push"), ("", "push")]
)
def test_an_episode_is_the_most_demanding_skill_in_it(letters: str, skill: str):
    assert episode_skill(letters) == skill


def test_a_cube_that_rests_is_pushed_and_one_that_is_held_up_is_placed(light: PandaPush):
    light.seed(1)
    observation = light.reset()
    letters = ""
    for above, gripper, steps in ((0.1, 1.0, 8), (0.0, 1.0, 6), (0.0, -1.0, 6)):
        for _ in range(steps):
            observation, _, _, info = light.step(towards(observation, above, gripper))
            letters += info["skill"]
    assert letters[0] == "u"
    for _ in range(6):
        observation, _, _, info = light.step(np.array([0.0, 0.0, 1.0, -1.0]))
        letters += info["skill"]
    assert observation["achieved_goal"][2] > 0.1
    assert letters[-1] == "p"
    assert light.contact().both_fingers
    assert not light.contact().on_table


def reaching(observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Actions of all slots that go for the cube with a fidgety gripper."""
    gap = np.clip((observation[:, 13:16] - observation[:, 6:9]) / 0.05, -1, 1)
    return np.append(gap, generator.uniform(-1, 1, (len(gap), 1)), axis=1).astype(np.float32)


def test_slots_equal_the_plain_environments_in_one_process_and_in_two():
    tuples, horizon = ((0.1, 1.0), (10.0, 5.0)), 12
    local, processes = make_slots("panda", tuples, 2, horizon), make_slots("panda", tuples, 2, horizon, threads=2)
    with patched():
        plain = PlainSlots("panda", tuples, 2, horizon)
        first = local.reset()
        np.testing.assert_array_equal(first, plain.reset())
        np.testing.assert_array_equal(first, processes.reset())
        generator, finished = np.random.default_rng(0), 0
        for _ in range(27):
            action = reaching(local.observation(), generator)
            step, other = local.step(action), processes.step(action)
            observation, rewards, dones, terminal, infos = plain.step(action)
            np.testing.assert_array_equal(step.observation, observation)
            np.testing.assert_array_equal(step.reward, rewards)
            np.testing.assert_array_equal(step.done, dones)
            np.testing.assert_array_equal(step.terminal_observation, terminal)
            assert step.success.tolist() == [info["is_success"] for info in infos]
            for mine, theirs in zip(step[:-1], other[:-1], strict=True):
                np.testing.assert_array_equal(mine, theirs)
            assert step.finished == other.finished
            for episode in step.finished:
                assert episode.total_reward == infos[episode.slot]["episode"]["r"]
                assert len(episode.skills) == episode.length - 1, "the last step has no part in the skill"
            finished += len(step.finished)
        assert finished >= 4
        plain.vector.close()
    state = json.loads(json.dumps(processes.state_dict()))
    processes.close()
    restored = make_slots("panda", tuples, 77, horizon)
    restored.load_state_dict(state)
    np.testing.assert_array_equal(restored.observation(), local.observation())
    for _ in range(15):
        action = reaching(local.observation(), generator)
        step, other = local.step(action), restored.step(action)
        np.testing.assert_array_equal(step.observation, other.observation)
        np.testing.assert_array_equal(step.reward, other.reward)
        assert step.finished == other.finished
    with pytest.raises(ValueError, match="the state is of 1 slots, these are 2"):
        restored.load_state_dict({"slots": state["slots"][:1]})
    local.close(), restored.close()


def test_an_episode_can_be_asked_for_by_its_number_however_many_were_played():
    played, fresh = (make_slots("panda", ((1.0, 1.0), (1.0, 5.0)), 0, horizon=3) for _ in range(2))
    played.reset()
    for _ in range(7):
        played.step(np.zeros((2, 4), dtype=np.float32))
    np.testing.assert_array_equal(played.reset(episode=1), fresh.reset(episode=1))
    played.close(), fresh.close()


def test_a_process_that_ends_is_told_and_so_is_an_error_in_one():
    slots = make_slots("panda", ((1.0, 1.0), (1.0, 5.0)), 0, threads=2)
    with pytest.raises(WorkerError, match=r"could not no_such_method: AttributeError: .*no_such_method"):
        slots.shares[0].call("no_such_method")()
    slots.shares[1].process.kill()
    with pytest.raises(WorkerDiedError, match=r"died \(exit code -9\) while it was to reset"):
        slots.reset()
    slots.close()


def test_cube_and_goal_can_be_told_apart_in_a_picture(light: PandaPush):
    light.reset()
    picture = light.render(width=320, height=240).astype(int)
    red, green, blue = (picture[..., colour] for colour in range(3))
    for strong, weak in ((red, green), (green, red)):
        assert ((strong > 2 * weak) & (strong > 2 * blue)).sum() > 100


def test_the_registered_environment_speaks_gym_023():
    environment = make_test_env("panda", (0.1, 1.0), seed=0, horizon=2)
    observation = environment.reset()
    assert environment.observation_space.contains(observation)
    answer: Any = environment.step(environment.action_space.sample())
    assert len(answer) == 4
    assert answer[3]["context"] == {"friction": 0.1, "mass": 1.0}
    picture = environment.render(mode="rgb_array", width=64, height=48)
    assert picture.shape == (48, 64, 3)
    assert picture.std() > 0
    environment.close()
