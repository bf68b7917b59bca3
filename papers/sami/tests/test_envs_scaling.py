"""Masses, dampings and crippled joints: what a task changes in the model, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sami.envs.locomotion import Locomotion
from sami.envs.models import load_model

ONE, TWO, NONE, THREE = 0, 1, 2, 3


def fresh(task: str, parameters: Any, **options: Any) -> Locomotion:
    environment = Locomotion(task, parameters, seed=0, **options)
    environment.reset()
    return environment


def played(environment: Locomotion, action: np.ndarray, steps: int = 60) -> np.ndarray:
    """Observations and rewards of an episode of one action."""
    environment.seed(0)
    environment.reset()
    rows = []
    for _ in range(steps):
        observation, reward, _, _ = environment.step(action)
        rows.append(np.append(observation["observation"], reward))
    return np.array(rows)


def test_the_ants_legs_are_scaled_in_opposite_directions():
    model, whole = fresh("ant", ((0.5,), (0.25,))).model, load_model("ant")
    np.testing.assert_allclose(model.body_mass[2:8], 0.5 * whole.body_mass[2:8])
    np.testing.assert_allclose(model.body_mass[8:14], 2.0 * whole.body_mass[8:14])
    assert model.body_mass[1] == whole.body_mass[1]
    assert model.body_mass.sum() == pytest.approx(1.056788, abs=1e-6)
    np.testing.assert_allclose(model.dof_damping, [0.0] * 6 + [0.25] * 2 + [4.0] * 6)


def test_the_cheetahs_masses_and_dampings_are_scaled_everywhere():
    model = fresh("halfcheetah", ((0.5,), (0.25,))).model
    assert model.body_mass.sum() == pytest.approx(7.0)
    np.testing.assert_allclose(model.dof_damping, [0, 0, 0, 1.5, 1.125, 0.75, 1.125, 0.75, 0.375])


def test_the_hoppers_mass_is_scaled_and_its_inertia_is_not():
    model, whole = fresh("hopper", ((0.5,), (1.0,))).model, load_model("hopper")
    assert model.body_mass.sum() == pytest.approx(7.910007, abs=1e-6)
    np.testing.assert_array_equal(model.body_inertia, whole.body_inertia)
    np.testing.assert_array_equal(model.dof_invweight0, whole.dof_invweight0)


def test_repeated_resets_do_not_accumulate():
    environment = fresh("hopper", ((0.5,), (2.0,)))
    once = environment.model.body_mass.copy(), environment.model.dof_damping.copy()
    for _ in range(3):
        environment.reset()
    np.testing.assert_array_equal(environment.model.body_mass, once[0])
    np.testing.assert_array_equal(environment.model.dof_damping, once[1])


def test_masses_and_dampings_are_drawn_independently_from_their_lists():
    environment = Locomotion("halfcheetah", ((0.75, 0.85), (1.0, 1.15, 1.25)), seed=0)
    drawn = []
    for _ in range(120):
        environment.reset()
        drawn.append((environment.context["mass"], environment.context["damping"]))
    assert set(drawn) == {(mass, damping) for mass in (0.75, 0.85) for damping in (1.0, 1.15, 1.25)}
    assert abs(np.mean([mass == 0.75 for mass, _ in drawn]) - 0.5) < 0.15


def test_crippled_robots_keep_their_damping_unless_asked():
    whole = load_model("hopper").dof_damping
    np.testing.assert_array_equal(fresh("crippled_hopper", ((0,), (ONE,), (0.5,))).model.dof_damping, whole)
    varied = fresh("crippled_hopper", ((0,), (ONE,), (0.5,)), vary_damping=True)
    np.testing.assert_array_equal(varied.model.dof_damping, 0.5 * whole)


@pytest.mark.parametrize(
    ("task", "parameters", "actuators"),
    [
        ("crippled_ant", ((0,), (ONE,), (1.0,)), (2, 3)),
        ("crippled_ant", ((1, 3), (TWO,), (1.0,)), (0, 1, 4, 5)),
        ("crippled_halfcheetah", ((3,), (ONE,), (1.0,)), (3,)),
        ("crippled_halfcheetah", ((1, 4), (TWO,), (1.0,)), (1, 4)),
        ("crippled_hopper", ((2,), (ONE,), (1.0,)), (2,)),
        ("crippled_walker", ((5,), (ONE,), (1.0,)), (5,)),
        ("crippled_walker", ((0, 3), (TWO,), (1.0,)), (0, 3)),
    ],
)
def test_what_a_crippled_actuator_is_told_changes_nothing(task: str, parameters: Any, actuators: tuple[int, ...]):
    environment = Locomotion(task, parameters, seed=0)
    quiet = np.full(environment.model.nu, 0.4, dtype=np.float32)
    loud, other = quiet.copy(), quiet.copy()
    loud[list(actuators)] = -0.9
    other[next(k for k in range(environment.model.nu) if k not in actuators)] = -0.9
    np.testing.assert_array_equal(played(environment, quiet), played(environment, loud))
    assert not np.array_equal(played(environment, quiet), played(environment, other))


@pytest.mark.parametrize(
    ("crippled", "whole"), [("crippled_hopper", "hopper"), ("crippled_walker", "walker"), ("crippled_ant", "ant")]
)
def test_mode_two_is_no_crippling(crippled: str, whole: str):
    hurt, well = fresh(crippled, ((0, 1), (NONE,), (1.0,))), load_model(Locomotion(whole, seed=0).robot.model)
    assert hurt.context["crippled"] == ()
    assert hurt.mask.all()
    for field in ("body_mass", "dof_damping", "geom_size", "geom_pos", "geom_rgba"):
        np.testing.assert_array_equal(getattr(hurt.model, field), getattr(well, field))


def test_the_crippled_ants_leg_shrinks_and_its_lower_part_moves_up():
    model, whole = fresh("crippled_ant", ((0,), (ONE,), (1.0,))).model, load_model("ant")
    np.testing.assert_allclose(whole.geom_size[[3, 4], :2], [(0.08, 0.1414), (0.08, 0.2828)], atol=1e-4)
    np.testing.assert_allclose(model.geom_size[[3, 4], :2], [(0.04, 0.0707), (0.04, 0.1414)], atol=1e-4)
    np.testing.assert_allclose(whole.geom_pos[4, :2], (0.2, 0.2))
    np.testing.assert_allclose(model.geom_pos[4, :2], (0.1, 0.1))
    np.testing.assert_array_equal(model.body_inertia, whole.body_inertia)
    np.testing.assert_array_equal(model.geom_size[5:], whole.geom_size[5:])


@pytest.mark.parametrize("task", ["crippled_halfcheetah", "crippled_hopper"])
def test_cheetah_and_hopper_are_only_painted(task: str):
    environment = fresh(task, ((1,), (ONE,), (1.0,)))
    whole = load_model(environment.robot.model)
    np.testing.assert_array_equal(environment.model.geom_size, whole.geom_size)
    changed = np.flatnonzero((environment.model.geom_rgba != whole.geom_rgba).any(1))
    assert [environment.model.geom(int(k)).name for k in changed] == [
        {"crippled_halfcheetah": "bshin"}.get(task, "leg_geom")
    ]


def test_the_walkers_geoms_shrink_and_take_positions_in_the_drawn_order():
    model, whole = fresh("crippled_walker", ((0,), (ONE,), (1.0,))).model, load_model("walker2d")
    np.testing.assert_allclose(model.geom_size[2, :2], 0.5 * whole.geom_size[2, :2])
    np.testing.assert_array_equal(model.geom_size[3:], whole.geom_size[3:])
    np.testing.assert_array_equal(model.geom_pos[3], whole.geom_pos[2])
    np.testing.assert_array_equal(model.geom_pos[4], whole.geom_pos[2])


def test_mode_three_leaves_the_shrunken_leg_actuated_unless_masked():
    leg = ((0, 1, 2), (THREE,), (1.0,))
    released, masked = fresh("crippled_walker", leg), fresh("crippled_walker", leg, mask_leg=True)
    assert released.mask.tolist() == [1, 1, 1, 1, 1, 1]
    assert masked.mask.tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(released.context["crippled"]) == [0, 1, 2]


def test_two_joints_are_distinct_and_every_pair_occurs():
    environment = Locomotion("crippled_halfcheetah", ((3, 4, 5), (TWO,), (1.0,)), seed=0)
    pairs = set()
    for _ in range(60):
        environment.reset()
        pairs.add(tuple(sorted(environment.context["crippled"])))
    assert pairs == {(3, 4), (3, 5), (4, 5)}


def test_a_new_episode_mends_what_the_last_one_crippled():
    environment = Locomotion("crippled_ant", ((0, 1, 2, 3), (ONE,), (1.0,)), seed=0)
    whole = load_model("ant").geom_size
    for _ in range(6):
        environment.reset()
        assert (environment.model.geom_size != whole).any(1).sum() == 2
        assert environment.mask.sum() == 6
