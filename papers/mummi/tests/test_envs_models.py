"""dm_control's models with touch sensors: what the card adds, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from mummi.envs.graphics import choose
from mummi.envs.models import TOUCH_SENSORS, model_of, with_touch
from mummi.envs.simulator import Simulator
from mummi.envs.tasks import TASKS

choose()

from dm_control import mujoco, suite  # noqa: E402
from dm_control.suite import common, quadruped  # noqa: E402

SUITE_TASKS = [task for task in TASKS if task != "table_wiping"]


def reloaded(domain: str) -> mujoco.Physics:
    return mujoco.Physics.from_xml_string(*model_of(domain))


@pytest.mark.parametrize(("domain", "values"), [("walker", 5), ("cheetah", 5), ("ball_in_cup", 1)])
def test_the_compiled_models_have_as_many_sensor_values_as_the_card_says(domain: str, values: int):
    assert reloaded(domain).model.nsensordata == values


def test_a_quadruped_with_its_rangefinders_has_sixty_sensor_values():
    xml = with_touch("quadruped", quadruped.make_model(floor_size=10, rangefinders=True))
    assert mujoco.Physics.from_xml_string(xml, common.ASSETS).model.nsensordata == 60


@pytest.mark.parametrize(
    ("domain", "site", "body", "place", "size", "shape", "group"),
    [
        ("walker", "left_foot_touch", "left_foot", (0.01, 0, -0.06), (0.15, 0.05, 0.02), "ellipsoid", 3),
        ("walker", "right_foot_touch", "right_foot", (0.01, 0, -0.06), (0.15, 0.05, 0.02), "ellipsoid", 3),
        ("cheetah", "back_foot_touch", "bfoot", (0.06, 0, -0.197), (0.084, 0.084, 0.084), "sphere", 4),
        ("cheetah", "front_foot_touch", "ffoot", (0.09, 0, -0.14), (0.084, 0.084, 0.084), "sphere", 4),
        ("ball_in_cup", "cup_bottom", "cup", (0, 0, -0.092), (0.03, 0.01, 0.005), "ellipsoid", 3),
    ],
)
def test_the_added_sites_are_those_of_the_card(domain, site, body, place, size, shape, group):
    model = reloaded(domain).model
    number = model.name2id(site, "site")
    assert model.id2name(model.site_bodyid[number], "body") == body
    np.testing.assert_allclose(model.site_pos[number], place)
    kind = getattr(mujoco.wrapper.mjbindings.enums.mjtGeom, f"mjGEOM_{shape.upper()}")
    assert model.site_type[number] == kind
    assert model.site_group[number] == group
    shown = size if shape != "sphere" else size[:1]
    np.testing.assert_allclose(model.site_size[number, : len(shown)], shown)


def test_the_quadrupeds_sensors_sit_on_its_toes_in_the_cards_order():
    model = reloaded("quadruped").model
    numbers = [model.name2id(name, "sensor") for name in TOUCH_SENSORS["quadruped"]]
    sites = [model.id2name(model.sensor_objid[number], "site") for number in numbers]
    assert sites == ["toe_front_left", "toe_front_right", "toe_back_left", "toe_back_right"]


def test_the_cup_is_seen_by_four_cameras_and_the_first_is_low_in_front():
    model = reloaded("ball_in_cup").model
    np.testing.assert_allclose(model.cam_pos, [(0, -1, 0.4), (0, 1, 0.4), (0, -1, 0.8), (0, 1, 0.8)])
    assert model.ncam == 4


@pytest.mark.parametrize("task", SUITE_TASKS)
def test_the_sensors_change_neither_movement_nor_reward(task: str):
    ours = Simulator(task)
    theirs = suite.load(TASKS[task].domain, TASKS[task].name)
    ours.environment.task.random.seed(7), theirs.task.random.seed(7)
    ours.environment.reset(), theirs.reset()
    limits = theirs.action_spec()
    chance = np.random.default_rng(0)
    for _ in range(60):
        action = chance.uniform(limits.minimum, limits.maximum)
        observation, reward, done, info = ours.step(action)
        moment = theirs.step(action)
        assert (reward, done, info["discount"]) == (moment.reward, False, 1.0)
        for key, value in moment.observation.items():
            np.testing.assert_array_equal(observation[key], value)
    ours.close()


@pytest.mark.parametrize("task", SUITE_TASKS)
def test_touch_and_contacts_are_observed_where_the_card_says(task: str):
    simulator = Simulator(task)
    observation = simulator.reset()
    assert observation["touch"].shape == (TASKS[task].touch_size,)
    assert simulator.action_space.shape == (TASKS[task].action_size,)
    assert ("n_contact" in observation) == (task != "cup_catch")
    assert observation.get("n_contact", np.zeros((), np.int64)).dtype == np.int64
    for sensor, value in zip(simulator.touch_sensors, observation["touch"], strict=False):
        assert simulator.physics.named.data.sensordata[sensor] == value
    simulator.close()


def test_a_walker_under_random_actions_touches_the_ground_now_and_then():
    simulator = Simulator("walker_walk")
    simulator.reset()
    chance = np.random.default_rng(1)
    felt = np.array([simulator.step(chance.uniform(-1, 1, 6))[0]["touch"] for _ in range(300)])
    assert felt.shape == (300, 2)
    assert (felt >= 0).all()
    assert ((felt > 0).mean(axis=0) > 0.05).all(), "each foot"
    assert ((felt > 0).mean(axis=0) < 0.3).all(), "card: zero in about 85 % of the steps"
    assert felt.max() > 100, "newtons, as they come"
    simulator.close()


@pytest.mark.parametrize("task", ["cheetah_run", "quadruped_walk"])
def test_feet_at_rest_carry_the_robots_weight(task: str):
    simulator = Simulator(task)
    simulator.reset()
    with simulator.physics.reset_context():
        simulator.physics.data.qpos[:] = simulator.physics.model.qpos0  # upright
    for _ in range(300):
        observation = simulator.step(np.zeros(simulator.action_space.shape))[0]
    assert (observation["touch"] > 0).all()
    weight = simulator.physics.model.body_subtreemass[0] * 9.81
    assert observation["touch"].sum() == pytest.approx(weight, rel=0.01)
    simulator.close()


def test_a_caught_ball_is_felt_by_its_weight():
    simulator = Simulator("cup_catch")
    assert simulator.reset()["touch"] == 0
    with simulator.physics.reset_context():
        simulator.physics.named.data.qpos[["ball_x", "ball_z"]] = 0, 0.34
    for _ in range(40):
        observation = simulator.step(np.zeros(2))[0]
    weight = simulator.physics.named.model.body_mass["ball"] * 9.81
    assert observation["touch"][0] == pytest.approx(weight, rel=0.01)
    simulator.close()


def test_the_finger_feels_logarithms():
    simulator = Simulator("finger_spin")
    simulator.reset()
    simulator.physics.data.sensordata[:] = 0
    simulator.physics.named.data.sensordata[["touchtop", "touchbottom"]] = 3.0, 100.0
    observed = simulator.observed(simulator.environment.task.get_observation(simulator.physics))
    np.testing.assert_allclose(observed["touch"], np.log([4.0, 101.0]))
    simulator.close()


@pytest.mark.parametrize("task", TASKS)
def test_an_episode_is_a_thousand_control_steps_and_ends_with_discount_one(task: str):
    simulator = Simulator(task)
    simulator.reset()
    still = np.zeros(simulator.action_space.shape)
    for step in range(1, 1001):
        _, _, done, info = simulator.step(still)
        assert done == (step == 1000)
    assert info["discount"] == 1.0
    simulator.close()


def test_a_model_that_lacks_a_part_is_refused_in_one_line():
    with pytest.raises(ValueError, match="dm_control's model has no body of name 'left_foot'"):
        with_touch("walker", "<mujoco><default><default class='walker'/></default><worldbody/></mujoco>")
