"""The three documented patches: what fails without them, what runs with them, what stays as it was (card 4.7)."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers.time_limit import TimeLimit
from stable_baselines3.common.vec_env import DummyVecEnv

from sami import patches
from sami.envs import environment_id
from sami.patches import PatchError, patched

LIMIT = 3
SPACE = gymnasium.spaces.Box(-10.0, 10.0, (3,), np.float32)


class OldApi(gymnasium.Env):
    """Reset returns the observation, step four values. Observations count steps; `ends` ends an episode itself."""

    observation_space, action_space = SPACE, SPACE

    def __init__(self, ends: int = 100) -> None:
        self.ends, self.resets, self.seeds = ends, 0, []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.seeds.append(seed)
        self.resets += 1
        self.steps = 0
        return self.seen()

    def seen(self) -> np.ndarray:
        return np.array([self.resets, self.steps, 0], dtype=np.float32)

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self.seen(), float(action[0]), self.steps >= self.ends, {"step": self.steps}


class NewApi(OldApi):
    """The same with two and five values."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=seed), {"resets": self.resets}

    def step(self, action: Any) -> Any:
        observation, reward, done, info = super().step(action)
        return observation, reward, done, False, info


def vector_of(kind: type[OldApi], ends: int = 100, count: int = 1) -> DummyVecEnv:
    return DummyVecEnv([lambda: TimeLimit(kind(ends), LIMIT) for _ in range(count)])


def test_the_stock_vec_env_cannot_reset_our_environments():
    vector = DummyVecEnv([lambda: gymnasium.make(environment_id("hopper"))])
    with pytest.raises(ValueError, match="values to unpack"):
        vector.reset()


def test_the_stock_time_limit_cannot_step_our_environments():
    environment = gymnasium.make(environment_id("hopper"))
    environment.reset()
    with pytest.raises(ValueError, match="not enough values to unpack"):
        environment.step(np.zeros(3, dtype=np.float32))


def test_the_stock_vec_env_cannot_start_our_environments_again():
    class FiveValues(OldApi):
        def step(self, action: Any) -> Any:
            observation, reward, done, info = super().step(action)
            return observation, reward, done, False, info

    vector = DummyVecEnv([lambda: FiveValues(ends=1)])
    vector.envs[0].reset()
    with pytest.raises(ValueError, match="too many values to unpack"):
        vector.step(np.ones((1, 3)))


@pytest.mark.parametrize(("ends", "truncated"), [(100, True), (LIMIT, False)])
def test_with_the_patches_our_environments_run_and_restart(ends: int, truncated: bool):
    with patched():
        vector = vector_of(OldApi, ends)
        np.testing.assert_array_equal(vector.reset(), [[1, 0, 0]])
        for step in (1, 2):
            observation, reward, done, infos = vector.step(np.full((1, 3), 0.5))
            np.testing.assert_array_equal(observation, [[1, step, 0]])
            assert (reward.tolist(), done.tolist()) == ([0.5], [False])
            assert "terminal_observation" not in infos[0]
        observation, _, done, infos = vector.step(np.zeros((1, 3)))
    assert done.tolist() == [True]
    np.testing.assert_array_equal(observation, [[2, 0, 0]])
    np.testing.assert_array_equal(infos[0]["terminal_observation"], [1, 3, 0])
    assert infos[0]["TimeLimit.truncated"] is truncated


@pytest.mark.parametrize("task", ["halfcheetah", "crippled_ant", "hopper"])
def test_with_the_patches_the_tasks_run_in_stable_baselines(task: str):
    with patched():
        vector = DummyVecEnv([lambda: gymnasium.make(environment_id(task), horizon=2) for _ in range(2)])
        first = vector.reset()["observation"]
        action = np.zeros((2, *vector.action_space.shape), dtype=np.float32)
        assert not vector.step(action)[2].any()
        observation, _, done, infos = vector.step(action)
    assert done.all()
    assert first.shape == observation["observation"].shape
    assert not any(info["TimeLimit.truncated"] for info in infos)


def played(vector: DummyVecEnv) -> list[Any]:
    """Everything a vector environment gives over eight steps."""
    vector.seed(5)
    seen: list[Any] = [vector.reset().tolist(), [dict(info) for info in vector.reset_infos]]
    for step in range(8):
        observation, reward, done, infos = vector.step(np.full((2, 3), step))
        plain = [{key: np.asarray(value).tolist() for key, value in info.items()} for info in infos]
        seen.append([observation.tolist(), reward.tolist(), done.tolist(), plain, list(vector.reset_infos)])
    return [*seen, [environment.unwrapped.seeds for environment in vector.envs]]


@pytest.mark.parametrize("ends", [2, 100])
def test_modern_environments_behave_as_before(ends: int):
    stock = played(vector_of(NewApi, ends, 2))
    with patched():
        assert played(vector_of(NewApi, ends, 2)) == stock


def test_seeds_go_on_to_the_environments_unless_the_readmes_loss_is_asked_for():
    seen = {}
    for drop in (False, True):
        with patched(drop_seed=drop):
            vector = vector_of(OldApi, count=2)
            vector.seed(7)
            vector.reset()
            seen[drop] = [environment.unwrapped.seeds[-1] for environment in vector.envs]
    assert seen == {False: [7, 8], True: [None, None]}


def test_a_seeded_vector_environment_repeats_a_task():
    observations = []
    with patched():
        for seed in (1, 1, 2):
            vector = DummyVecEnv([lambda: gymnasium.make(environment_id("hopper"))])
            vector.seed(seed)
            observations.append(vector.reset()["observation"])
    np.testing.assert_array_equal(observations[0], observations[1])
    assert not np.array_equal(observations[0], observations[2])


def test_the_stock_functions_are_back_afterwards_even_after_an_error():
    before = [vars(patch.target)[patch.name] for patch in patches.PATCHES]
    with pytest.raises(KeyError), patched():
        raise KeyError
    assert [vars(patch.target)[patch.name] for patch in patches.PATCHES] == before


@pytest.mark.parametrize("changed", [patch.name for patch in patches.PATCHES])
def test_a_library_whose_function_changed_is_refused_by_name(changed: str, monkeypatch: pytest.MonkeyPatch):
    patch = next(each for each in patches.PATCHES if each.name == changed)

    def another(self: Any, *arguments: Any) -> None:
        """A release's new function."""

    monkeypatch.setattr(patch.target, patch.name, another)
    others = [vars(each.target)[each.name] for each in patches.PATCHES]
    expected = rf"{patch.owner}\.{patch.name} of {patch.package} .*install {patch.package}=={patch.pinned}"
    with pytest.raises(PatchError, match=expected), patched():
        pass
    assert [vars(each.target)[each.name] for each in patches.PATCHES] == others


def test_a_library_that_lost_its_function_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(TimeLimit, "step")
    with pytest.raises(PatchError, match=r"TimeLimit\.step of gymnasium 0\.29\.1 does not exist"), patched():
        pass


def test_patching_twice_is_refused():
    with patched(), pytest.raises(PatchError, match="step_wait"), patched():
        pass
