"""Robot tasks: scenes, pictures, experts, gym's API and batches of simulations."""

from __future__ import annotations

from dataclasses import replace

import gym
import numpy as np
import pybullet
import pytest
from plain.images import ray_heights

from mi_asym.envs import HORIZON, ROBOT_TASKS, environment_note, make, make_batch, task_spec
from mi_asym.envs.images import EXTENT, heights, inside_rectangle
from mi_asym.envs.robots.arm import HOME, WORKSPACE_HIGH, WORKSPACE_LOW, joint_angles, wrapped
from mi_asym.envs.robots.expert import half_turn
from mi_asym.envs.robots.world import SCENES, Client, RobotWorld
from mirl.workers import WorkerDiedError

MARGIN = 0.0015
"""Metres by which Bullet's rays may see a box larger than it is."""


@pytest.fixture(scope="module")
def worlds() -> dict[str, RobotWorld]:
    return {task: RobotWorld(task) for task in ROBOT_TASKS}


def episode(world: RobotWorld, number: int, seeking: bool) -> tuple[bool, int]:
    world.reset(np.random.default_rng([5, number]))
    for step in range(1, HORIZON + 1):
        _, done, success = world.step(world.query_expert(seeking))
        if done:
            return success, step
    return False, HORIZON


@pytest.mark.parametrize("seeking", [False, True])
@pytest.mark.parametrize("task", ROBOT_TASKS)
def test_the_scripted_expert_succeeds_and_seeking_costs_it_steps(
    worlds: dict[str, RobotWorld], task: str, seeking: bool
):
    played = [episode(worlds[task], number, seeking) for number in range(6)]
    assert all(success for success, _ in played)
    mean = np.mean([length for _, length in played])
    # The card measured 21.8 to 29.3 and 8.0 to 10.6 in scenes that are not ours; the drawers here need a step less.
    assert (15 < mean < 30) if seeking else (5 < mean < 13)


@pytest.mark.parametrize(("task", "grip"), [("block_pulling", 1.0), ("block_pushing", 1.0), ("drawer_opening", -1.0)])
def test_the_experts_gripper_command_never_changes(worlds: dict[str, RobotWorld], task: str, grip: float):
    world, commands = worlds[task], set()
    for number in range(3):
        world.reset(np.random.default_rng([5, number]))
        done = False
        while not done:
            action = world.query_expert(seeking=True)
            commands.add(float(action[0]))
            done = world.step(action).done
    assert commands == {grip}


def test_the_holding_plane_is_on_while_a_block_is_pulled(worlds: dict[str, RobotWorld]):
    world, counts = worlds["block_pulling"], []
    for number in range(12):
        world.reset(np.random.default_rng([5, number]))
        held, done = [world.holding], False
        while not done:
            done = world.step(world.query_expert(seeking=False)).done
            held.append(world.holding)
        assert not any(held[:4])  # on its way
        counts.append(sum(held))
    assert sum(count > 0 for count in counts) >= 10
    assert max(counts) <= 4  # the original: 1 to 4 in every pulling episode


@pytest.mark.parametrize("task", ["block_pulling", "block_pushing"])
def test_the_heavy_block_does_not_move_and_the_light_one_does(worlds: dict[str, RobotWorld], task: str):
    world = worlds[task]
    world.reset(np.random.default_rng(0))
    before = [box.centre for box in world.scene.boxes()]
    for _ in range(12):
        world.step(world.query_expert(seeking=True))
    fixed, movable = (box.centre for box in world.scene.boxes())
    np.testing.assert_array_equal(fixed, before[0])
    assert np.linalg.norm(movable - before[1]) < 0.02
    for _ in range(12):
        if world.step(world.query_expert(seeking=True)).done:
            break
    assert np.linalg.norm(world.scene.boxes()[1].centre - before[1]) > 0.02


def test_a_locked_drawer_stays_shut_and_the_coin_is_fair(worlds: dict[str, RobotWorld]):
    world, unlocked = worlds["drawer_opening"], []
    for number in range(60):
        world.reset(np.random.default_rng(number))
        unlocked.append(world.scene.unlocked)
    assert 18 <= sum(unlocked) <= 42
    for _ in range(9):
        world.step(world.query_expert(seeking=True))
    assert max(drawer.opening() for drawer in world.scene.drawers) < 0.005


def test_block_pulling_starts_as_the_card_says(worlds: dict[str, RobotWorld]):
    world = worlds["block_pulling"]
    for number in range(50):
        world.reset(np.random.default_rng(number))
        one, other = (box.centre for box in world.scene.boxes())
        assert one[0] == other[0]
        assert abs(one[1] - other[1]) > 0.17
        assert max(abs(one[1]), abs(other[1])) <= 0.2 - 0.085
        assert one[2] == pytest.approx(0.025)
        assert not world.scene.success()


def test_block_pushing_starts_with_a_free_way(worlds: dict[str, RobotWorld]):
    world = worlds["block_pushing"]
    for number in range(50):
        world.reset(np.random.default_rng(number))
        fixed, movable = (box.centre[:2] for box in world.scene.boxes())
        goal = world.scene.goal()
        detour = np.linalg.norm(fixed - goal) + np.linalg.norm(fixed - movable) - np.linalg.norm(movable - goal)
        assert detour > 0.1
        assert not world.scene.success()


@pytest.mark.parametrize("task", ROBOT_TASKS)
def test_the_computed_terrain_is_what_rays_hit(task: str):
    client = Client()
    client.createMultiBody(0.0, client.createCollisionShape(pybullet.GEOM_PLANE))
    scene = SCENES[task](client)
    for number in range(3):
        scene.place(np.random.default_rng(number))
        if task == "block_pushing":  # tilted, too
            turn = pybullet.getQuaternionFromEuler((0.4, 0.3, 0.2))
            client.resetBasePositionAndOrientation(scene.movable, (0.55, 0.02, 0.05), turn)
        if task == "drawer_opening":
            client.resetJointState(scene.drawers[0].body, 0, 0.03)
        middle = HOME[:2] + np.array([0.01 * number, -0.02])
        client.performCollisionDetection()
        hit, computed, least, most = (
            ray_heights(client, middle),
            *(heights([replace(box, half_extents=box.half_extents + more) for box in scene.boxes()], middle)
              for more in (0.0, -MARGIN, MARGIN)),
        )  # fmt: skip
        sure = most - least < 4 * MARGIN  # not at an outline: rays find boxes a little larger
        assert (computed[sure] > 0).sum() > 50
        np.testing.assert_allclose(hit[sure], computed[sure], atol=1e-3)
        assert (hit >= least - 1e-3).all()
        assert (hit <= most + 1e-3).all()
    client.disconnect()


def test_the_camera_sees_depth_below_it_fingers_as_zeros_and_the_goal_deeper(worlds: dict[str, RobotWorld]):
    world = worlds["block_pushing"]
    world.reset(np.random.default_rng(1))
    camera = world.arm.pose().position[2] + 0.06
    assert float(world.depth.max()) == pytest.approx(camera + 0.02, abs=2e-4)
    covered = (world.depth == 0).sum() * (EXTENT / 84) ** 2
    assert covered == pytest.approx(2 * 4 * 0.012 * 0.0125, rel=0.25)
    assert world.mask.sum() * (EXTENT / 84) ** 2 == pytest.approx(0.05**2, rel=0.25)
    assert world.depth[42, 42] > 0.2  # between the open fingers
    world.step(np.array([-1.0, 0, 0, 0, 0]))
    assert (world.depth[42, 38:47] > 0).any()
    assert (world.depth[38:47, 42] == 0).any()  # closed, they meet near the middle


def test_the_camera_moves_with_the_gripper(worlds: dict[str, RobotWorld]):
    world = worlds["block_pulling"]
    world.reset(np.random.default_rng(2))
    before = np.argwhere(world.mask).mean(0)
    towards = np.sign(before[1] - 42.0)
    world.step(np.array([1.0, 0.0, towards, 0, 0]))  # 0.05 m along y are 10.5 columns
    np.testing.assert_allclose(np.argwhere(world.mask).mean(0) - before, (0, -10.5 * towards), atol=0.7)


def test_the_gripper_holds_a_drawers_handle_and_nothing_in_the_air(worlds: dict[str, RobotWorld]):
    world = worlds["drawer_opening"]
    world.reset(np.random.default_rng(3))
    world.step(np.array([-1.0, 0, 0, 0, 0]))
    assert not world.holding
    world.reset(np.random.default_rng(3))
    held = []
    while not world.step(world.query_expert(seeking=True)).done:
        held.append(world.holding)
    assert held[0] is False
    assert any(held)


def test_actions_move_the_tool_by_the_cards_units_and_stay_in_the_workspace(worlds: dict[str, RobotWorld]):
    world = worlds["block_pulling"]
    world.reset(np.random.default_rng(0))
    start = world.arm.pose()
    np.testing.assert_allclose(start.position, HOME, atol=1e-4)
    world.step(np.array([1.0, 0.5, -1.0, 0.4, 1.0]))
    pose = world.arm.pose()
    np.testing.assert_allclose(pose.position - start.position, (0.025, -0.05, 0.02), atol=5e-4)
    assert pose.yaw - start.yaw == pytest.approx(np.pi / 8, abs=5e-3)
    for _ in range(8):
        world.step(np.array([1.0, 1.0, 3.0, 1.0, 0.0]))
    np.testing.assert_allclose(world.arm.pose().position, WORKSPACE_HIGH, atol=1e-3)


def test_joint_angles_bring_the_tool_to_every_corner_of_the_workspace(worlds: dict[str, RobotWorld]):
    world, draws = worlds["block_pulling"], np.random.default_rng(0)
    for _ in range(50):
        position, yaw = draws.uniform(WORKSPACE_LOW, WORKSPACE_HIGH), draws.uniform(-3.0, 3.0)
        for joint, angle in enumerate(joint_angles(position, yaw)):
            world.client.resetJointState(world.arm.body, joint, angle)
        pose = world.arm.pose()
        np.testing.assert_allclose(pose.position, position, atol=1e-4)
        assert abs(wrapped(pose.yaw - yaw)) < 1e-3


def test_half_a_turn_of_the_gripper_does_not_matter():
    assert half_turn(3.0) == pytest.approx(3.0 - np.pi)
    assert half_turn(1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("task", ROBOT_TASKS)
def test_gym_environments_have_the_era_api_and_say_what_stands_in(task: str):
    env, spec = make(task, 0), task_spec(task)
    assert isinstance(env, gym.wrappers.TimeLimit)
    first = env.reset()
    assert first in env.observation_space
    assert env.unwrapped.get_state() in env.unwrapped.state_space
    assert (first.dtype, first.shape) == (np.float64, (spec.observation_size,))
    observation, reward, done, info = env.step(env.unwrapped.query_expert(1))
    assert observation.shape == (14112,)
    assert (reward, done, info) == (0.0, False, {"success": False})
    assert env.unwrapped.img_size == 84
    assert env.unwrapped.image_space.shape == (2, 84, 84)
    assert env.render(mode="rgb_array").shape == (240, 320, 3)
    assert "stand-in" in environment_note(task)
    assert "Stand-in" in type(env.unwrapped).__doc__
    env.close()


@pytest.mark.parametrize("task", ROBOT_TASKS)
def test_every_step_of_the_batched_form_equals_the_gym_environment(task: str):
    batch, single = make_batch(task, 2, seed=4), [make(task, 4, environment=k) for k in range(2)]
    for steps in (2, 4):
        batch.reset()
        observations = [env.reset() for env in single]
        for _ in range(steps):
            states = np.stack([env.unwrapped.get_state() for env in single])
            np.testing.assert_array_equal(batch.observation(), np.stack(observations).astype(np.float32))
            np.testing.assert_array_equal(batch.state(), states.astype(np.float32))
            chosen = np.stack([env.unwrapped.query_expert(k) for k, env in enumerate(single)])
            np.testing.assert_array_equal(batch.query_expert(np.arange(2)), chosen)
            stepped = [env.step(action) for env, action in zip(single, chosen, strict=True)]
            outcome = batch.step(chosen)
            assert outcome.done.tolist() == [row[2] for row in stepped]
            np.testing.assert_array_equal(outcome.reward, np.float32([row[1] for row in stepped]))
            observations = [row[0] for row in stepped]
            assert not outcome.done.any()
    assert batch.frame(1).shape == (240, 320, 3)
    batch.close()


def test_worker_processes_change_nothing_and_are_told_when_they_die():
    here, there = make_batch("block_pushing", 3, seed=1), make_batch("block_pushing", 3, seed=1, workers=2)
    shares = list(there.shares)
    for active in (None, np.array([True, False, True])):
        for batch in (here, there):
            batch.reset(active)
        for _ in range(2):
            actions = here.query_expert(0)
            np.testing.assert_array_equal(there.query_expert(0), actions)
            for one, other in zip(here.step(actions), there.step(actions), strict=True):
                np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(there.observation(), here.observation())
            np.testing.assert_array_equal(there.state(), here.state())
    np.testing.assert_array_equal(there.frame(2), here.frame(2))
    shares[1].process.kill()
    with pytest.raises(WorkerDiedError, match=r"died \(exit code -9\) while it was to reset"):
        there.reset()
    there.close()
    here.close()
    assert not any(share.process.is_alive() for share in shares)


def test_a_saved_batch_goes_on_equally_in_the_middle_of_episodes():
    batch, other = (make_batch("block_pulling", 2, seed=0) for _ in range(2))
    draws = np.random.default_rng(0)
    batch.reset()
    batch.reset(np.array([False, True]))
    for time in range(6):
        if time == 4:
            other.load_state_dict(batch.state_dict())
        advised = batch.query_expert(1)
        action = np.where([[True], [False]], advised, draws.uniform(-1, 1, (2, 5)))
        if time >= 4:
            np.testing.assert_array_equal(other.observation(), batch.observation())
            np.testing.assert_array_equal(other.query_expert(1), advised)
            other.step(action)
        batch.step(action)
    np.testing.assert_array_equal(other.observation(), batch.observation())
    np.testing.assert_array_equal(other.state(), batch.state())
    assert other.episode.tolist() == [0, 1]
    for each in (batch, other):
        each.close()


def test_the_time_limit_ends_an_episode_and_its_expert_is_not_asked_any_more():
    batch = make_batch("block_pushing", 1, seed=0)
    batch.reset()
    for step in range(1, HORIZON + 1):
        outcome = batch.step(np.zeros((1, 5)))
        assert (outcome.done[0], outcome.timed_out[0]) == (step == HORIZON, step == HORIZON)
    assert not outcome.success[0]
    np.testing.assert_array_equal(batch.query_expert(0), np.zeros((1, 5)))
    with pytest.raises(RuntimeError, match="reset it first"):
        batch.step(np.zeros((1, 5)))
    batch.close()


def test_an_episode_is_the_same_whatever_was_played_before(worlds: dict[str, RobotWorld]):
    def trace(world: RobotWorld) -> list[np.ndarray]:
        world.reset(np.random.default_rng(8))
        return [world.depth, *(world.step(world.query_expert(True)) and world.depth for _ in range(12))]

    used = worlds["block_pushing"]
    episode(used, 3, seeking=True)
    for one, other in zip(trace(used), trace(RobotWorld("block_pushing")), strict=True):
        np.testing.assert_array_equal(one, other)


def test_mdp_batches_observe_the_state():
    batch = make_batch("block_pulling", 1, seed=0, mdp=True)
    batch.reset()
    np.testing.assert_array_equal(batch.observation(), batch.state())
    assert batch.state().reshape(2, 84, 84)[1].sum() > 100
    batch.close()


def test_rectangles_are_as_large_as_they_say():
    pixels = inside_rectangle(np.array([0.02, -0.03]), 0.5, (0.05, 0.03)).sum()
    assert pixels * (EXTENT / 84) ** 2 == pytest.approx(4 * 0.05 * 0.03, rel=0.05)
