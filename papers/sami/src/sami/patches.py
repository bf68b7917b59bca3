"""The three library functions that SaMI's README asks to edit, exchanged in memory and never in site-packages.

Environments that speak gym 0.23's API (reset returns the observation, step four values) do not run in
Stable-Baselines3 2.1.0 and gymnasium 0.29.1. The patched functions accept both APIs (card 4.7). A library whose
function is not the one that was read here is refused by name.

    with patched():
        vector = DummyVecEnv([lambda: gymnasium.make("SamiAnt-v0")])
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np


class PatchError(RuntimeError):
    """A library's function is not the one that the patch was written for."""


def step_wait(vector: Any) -> tuple[Any, Any, Any, Any]:
    """DummyVecEnv.step_wait whose environments may return the observation alone from reset (patch 1).

    The terminal observation is kept in `infos`; a reset's own info is kept where there is one.
    """
    for index, environment in enumerate(vector.envs):
        observation, reward, terminated, truncated, info = environment.step(vector.actions[index])
        info["TimeLimit.truncated"] = truncated and not terminated
        if terminated or truncated:
            info["terminal_observation"] = observation
            observation = first_observation(vector, index, environment.reset())
        vector.buf_rews[index], vector.buf_dones[index] = reward, terminated or truncated
        vector.buf_infos[index] = info
        vector._save_obs(index, observation)
    return vector._obs_from_buf(), np.array(vector.buf_rews), np.array(vector.buf_dones), deepcopy(vector.buf_infos)


def reset(vector: Any) -> Any:
    """DummyVecEnv.reset whose environments may return the observation alone (patch 2).

    Seeds and options go on to the environments as before; the README's version lost the seeds, see `reset_unseeded`.
    """
    return reset_with(vector, forward_seed=True)


def reset_unseeded(vector: Any) -> Any:
    """As the README has it: `seed()` of a vector environment changes nothing."""
    return reset_with(vector, forward_seed=False)


def reset_with(vector: Any, forward_seed: bool) -> Any:
    """Reset every environment; those of Stable-Baselines3 releases that know options get theirs."""
    chosen = getattr(vector, "_options", [None] * vector.num_envs)
    for index, environment in enumerate(vector.envs):
        arguments: dict[str, Any] = {"options": chosen[index]} if chosen[index] else {}
        if forward_seed:
            arguments["seed"] = vector._seeds[index]
        vector._save_obs(index, first_observation(vector, index, environment.reset(**arguments)))
    vector._reset_seeds()
    if hasattr(vector, "_reset_options"):
        vector._reset_options()
    return vector._obs_from_buf()


def first_observation(vector: Any, index: int, answer: Any) -> Any:
    """The observation of either API's reset; its info, if any, goes where Stable-Baselines3 keeps it."""
    if isinstance(answer, tuple):
        observation, vector.reset_infos[index] = answer
        return observation
    return answer


def step(limit: Any, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
    """gymnasium's TimeLimit.step for five or four values (patch 3): a four-value `done` counts as terminated."""
    answer = limit.env.step(action)
    if len(answer) == 5:
        observation, reward, terminated, truncated, info = answer
    else:
        (observation, reward, terminated, info), truncated = answer, False
    limit._elapsed_steps += 1
    return observation, reward, terminated, truncated or limit._elapsed_steps >= limit._max_episode_steps, info


@dataclass(frozen=True)
class Patch:
    """One function of a library and what stands in for it."""

    package: str
    module: str
    owner: str
    name: str
    source_sha256: str
    """Of the function's source text in the pinned release."""
    pinned: str
    replacement: Callable[..., Any]

    @property
    def target(self) -> type:
        """The class that holds the function."""
        found: type = getattr(import_module(self.module), self.owner)
        return found


VECTOR = ("stable-baselines3", "stable_baselines3.common.vec_env.dummy_vec_env", "DummyVecEnv")
PATCHES = (
    Patch(*VECTOR, "step_wait", "f9dce14a89ec4c092dca04423d1106aa16fd7a375d44c5077ced22d9b1964f03", "2.1.0", step_wait),
    Patch(*VECTOR, "reset", "21a7245951b6eba3c24dacf6a3747513148355a375103d967d107287369d5cc4", "2.1.0", reset),
    Patch(
        "gymnasium",
        "gymnasium.wrappers.time_limit",
        "TimeLimit",
        "step",
        "6d6ef9bd2f68e4b71150f343093f44156e341420fd343ddfd90e93951a708bd8",
        "0.29.1",
        step,
    ),
)


def stock_function(patch: Patch) -> Callable[..., Any]:
    """The library's function. PatchError where it is not the one that the patch was written for."""
    function: Callable[..., Any] | None = vars(patch.target).get(patch.name)
    where = f"{patch.owner}.{patch.name} of {patch.package} {version(patch.package)}"
    if function is None:
        raise PatchError(f"{where} does not exist; install {patch.package}=={patch.pinned}")
    found = sha256(inspect.getsource(function).encode()).hexdigest()
    if found != patch.source_sha256:
        raise PatchError(
            f"{where} is not the function that SaMI's patch was written for (sha256 {found[:12]}, expected "
            f"{patch.source_sha256[:12]}); install {patch.package}=={patch.pinned}"
        )
    return function


@contextmanager
def patched(drop_seed: bool = False) -> Iterator[None]:
    """The libraries with the documented patches, for as long as the block runs.

    `drop_seed`: lose the seeds of vector environments, as the README's version does. PatchError, with nothing
    changed, where a library's function is another one, a patched one included.
    """
    stock = [(patch, stock_function(patch)) for patch in PATCHES]
    try:
        for patch, _ in stock:
            replacement = reset_unseeded if drop_seed and patch.replacement is reset else patch.replacement
            setattr(patch.target, patch.name, replacement)
        yield
    finally:
        for patch, function in stock:
            setattr(patch.target, patch.name, function)
