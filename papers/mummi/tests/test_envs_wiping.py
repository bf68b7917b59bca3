"""Table wiping, our own stand-in: physics that hold together, a reward that wiping earns, and a way to earn it."""

from __future__ import annotations

import numpy as np
import pytest

from mummi.envs.graphics import choose

choose()

from mummi.envs import wiping  # noqa: E402
from mummi.envs.camera import Camera  # noqa: E402
from mummi.envs.natural import FOREGROUND  # noqa: E402
from mummi.envs.simulator import Simulator  # noqa: E402


@pytest.fixture
def simulator() -> Simulator:
    simulator = Simulator("table_wiping")
    simulator.reset()
    return simulator


def underside(simulator: Simulator) -> np.ndarray:
    return simulator.physics.named.data.geom_xpos["eraser"] - [0, 0, 0.015]


def move(simulator: Simulator, goal: tuple[float, float, float]) -> tuple[float, dict[str, np.ndarray]]:
    """Steer the target to a place and stay there for a moment; the rewards on the way and the last observation."""
    total = 0.0
    for _ in range(100):
        offset = np.array(goal) - simulator.environment.task.target
        observation, reward, _, _ = simulator.step(np.clip(offset / wiping.SPEED, -1, 1))
        total += reward
    return total, observation


@pytest.mark.parametrize("x", wiping.REACH[:, 0])
@pytest.mark.parametrize("y", wiping.REACH[:, 1])
@pytest.mark.parametrize("z", [0.01, 0.15])
def test_the_arm_brings_the_eraser_where_it_is_told_and_holds_it_flat(simulator, x: float, y: float, z: float):
    move(simulator, (x, y, z))
    np.testing.assert_allclose(underside(simulator), (x, y, z), atol=2e-3)
    upright = simulator.physics.named.data.geom_xmat["eraser"].reshape(3, 3)[2, 2]
    assert upright > 0.9999


def test_the_wrist_feels_the_tools_weight_and_the_table(simulator: Simulator):
    _, hanging = move(simulator, (0.4, 0, 0.1))
    weight = simulator.physics.model.body_mass[simulator.physics.model.name2id("tool", "body")] * 9.81
    np.testing.assert_allclose(np.abs(hanging["touch"][2]), weight, rtol=0.01)
    np.testing.assert_allclose(hanging["touch"][[0, 1, 3, 4, 5]], 0, atol=0.01)
    _, pressing = move(simulator, (0.4, 0, -0.01))
    pressure = simulator.physics.pressure()
    assert 15 < pressure < 45
    assert hanging["touch"][2] - pressing["touch"][2] == pytest.approx(pressure, rel=0.1)


def test_a_spot_is_wiped_where_the_eraser_presses_and_nowhere_else(simulator: Simulator):
    physics = simulator.physics
    physics.model.site_pos[physics.dirt(), :2] = np.linspace((0.3, -0.2), (0.5, 0.2), wiping.MARKERS)
    move(simulator, (0.4, 0, 0.02))
    assert physics.dirty().all(), "hovering does not wipe"
    move(simulator, (0.4, 0, -0.005))
    offset = np.abs(physics.model.site_pos[physics.dirt(), :2] - underside(simulator)[:2])
    covered = (offset <= wiping.ERASER).all(axis=1)
    assert 5 < covered.sum() < 40
    np.testing.assert_array_equal(physics.dirty(), ~covered)


def test_rewards_are_spots_and_touch_minus_too_much_force(simulator: Simulator):
    physics = simulator.physics
    physics.model.site_pos[physics.dirt(), :2] = 0.5, 0.2
    move(simulator, (0.5, -0.1, 0.01))
    assert move(simulator, (0.5, -0.1, 0.01))[0] == 0
    move(simulator, (0.5, -0.1, -0.005))
    assert move(simulator, (0.5, -0.1, -0.005))[0] == pytest.approx(100 * wiping.TOUCHING)
    move(simulator, (0.5, -0.1, -0.02))
    assert physics.pressure() > wiping.HEAVY
    reward = simulator.step(np.zeros(3))[1]
    excess = (physics.pressure() - wiping.HEAVY) / wiping.HEAVY
    assert 0.2 < excess < 1
    assert reward == pytest.approx(wiping.TOUCHING - wiping.TOO_HARD * excess)
    move(simulator, (0.5, 0.2, 0.02))
    wiped, observation = move(simulator, (0.5, 0.2, -0.005))
    assert wiping.MARKERS * wiping.WIPED < wiped < wiping.MARKERS * wiping.WIPED + 100 * wiping.TOUCHING
    assert observation["dirt"] == 0


def test_the_table_is_dirty_again_in_the_next_episode(simulator: Simulator):
    physics = simulator.physics
    physics.model.site_pos[physics.dirt(), :2] = 0.4, 0
    move(simulator, (0.4, 0, -0.005))
    assert not physics.dirty().any()
    assert simulator.reset()["dirt"] == 1
    places = physics.data.site_xpos[physics.dirt()].copy()
    assert np.ptp(places[:, 0]) > 0.2
    simulator.reset()
    assert (physics.data.site_xpos[physics.dirt()] != places).any()


def episode(simulator: Simulator, act) -> float:  # type: ignore[no-untyped-def]
    simulator.reset()
    return sum(simulator.step(act(step))[1] for step in range(1000))


def sweeping(simulator: Simulator):  # type: ignore[no-untyped-def]
    """Lanes across the table, one after the other, pressing a little."""
    lanes = [
        (x, y)
        for number, x in enumerate(np.arange(0.29, 0.56, 0.05))
        for y in ((-0.24, 0.24), (0.24, -0.24))[number % 2]
    ]

    def act(step: int) -> np.ndarray:
        offset = np.array([*lanes[0], -0.006]) - simulator.environment.task.target
        if np.abs(offset[:2]).max() < 0.002 and len(lanes) > 1:
            lanes.pop(0)
        return np.clip(offset / wiping.SPEED, -1, 1)

    return act


def test_sweeping_the_table_earns_far_more_than_moving_at_random():
    simulator = Simulator("table_wiping")
    chance = np.random.default_rng(0)
    swept = [episode(simulator, sweeping(simulator)) for _ in range(2)]
    random = [episode(simulator, lambda _: chance.uniform(-1, 1, 3)) for _ in range(5)]
    assert min(swept) > 750
    assert max(swept) < wiping.MARKERS * wiping.WIPED + 1000 * wiping.TOUCHING
    assert np.mean(random) < 0.4 * min(swept)
    simulator.close()


def test_dirt_arm_and_eraser_stand_out_before_a_video_and_the_table_does_not():
    camera = Camera(Simulator("table_wiping"))
    image = camera.reset()["image"]
    foreground = image[..., 0] > FOREGROUND
    assert 0.03 < foreground.mean() < 0.4
    bright = (image[..., 0] > 150) & (image[..., 1] > 150)
    assert bright.sum() > 60, "spots"
    physics = camera.unwrapped.physics
    physics.model.site_rgba[physics.dirt(), 3] = 0
    clean = camera.with_pictures({})["image"]
    assert ((clean[..., 0] > 150) & (clean[..., 1] > 150)).sum() < 20
    assert (clean[-1, :, 0] < FOREGROUND).all(), "the table's near edge"
    camera.close()
