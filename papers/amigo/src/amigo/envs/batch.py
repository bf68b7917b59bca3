"""Many MiniGrid environments in lock-step (card 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amigo.envs.mechanics import State, allocate, begin, step
from amigo.envs.mersenne_twister import stream_of
from amigo.envs.tasks import NUM_ACTIONS, Task


class BatchedMiniGrid:
    """`num_envs` environments of one task; each step overwrites the arrays of its state in place.

    Whoever keeps a frame copies it. With auto-reset, where `done`, the reward, return and length are those of the
    finished episode while frame, agent and carried things already belong to the next one (card 4.3).
    """

    num_actions = NUM_ACTIONS

    def __init__(
        self,
        task: Task,
        num_envs: int,
        seed: int,
        *,
        first: int = 0,
        fix_seed: bool = False,
        env_seed: int = 1,
        env_seeds: Sequence[int] | None = None,
    ) -> None:
        """Draws the first layouts.

        Environment i draws its layouts from a stream keyed by (seed, first + i); with `fix_seed` all environments show,
        in every episode, the layout that gym-minigrid gives for `env_seed`; `env_seeds` sets gym's seeds one by one.
        """
        if env_seeds is None:
            streams = range(first, first + num_envs)
            env_seeds = [env_seed] * num_envs if fix_seed else [environment_seed(seed, i) for i in streams]
        if num_envs < 1 or len(env_seeds) != num_envs:
            raise ValueError(f"{num_envs} environments cannot have {len(env_seeds)} seeds")
        self.task = task
        self.num_envs = num_envs
        self.fix_seed = fix_seed
        self.width, self.height, self.max_steps = task.width, task.height, task.max_steps
        self.state: State = allocate(task.layout, np.stack([stream_of(s) for s in env_seeds]))
        self.reset()

    @property
    def frame(self) -> NDArray[np.uint8]:
        """[E, W, H, 3], indexed [x][y]; the agent's cell is (10, 0, heading)."""
        return self.state.frame

    @property
    def agent(self) -> NDArray[np.int32]:
        """[E, 3]: x, y, heading in the present frame."""
        return self.state.agent

    @property
    def carried_object(self) -> NDArray[np.uint8]:
        """[E]: 1 for empty hands."""
        return self.state.carried_object

    @property
    def carried_colour(self) -> NDArray[np.uint8]:
        """[E]: 5 for empty hands."""
        return self.state.carried_colour

    @property
    def reward(self) -> NDArray[np.float32]:
        """[E]: extrinsic reward of the last step."""
        return self.state.reward

    @property
    def done(self) -> NDArray[np.bool_]:
        """[E]: whether the last step ended an episode; true after `reset`."""
        return self.state.done

    @property
    def episode_return(self) -> NDArray[np.float32]:
        """[E]: extrinsic return of the last step's episode so far."""
        return self.state.episode_return

    @property
    def episode_length(self) -> NDArray[np.int32]:
        """[E]: steps of the last step's episode so far."""
        return self.state.episode_length

    def reset(self) -> None:
        """New episodes everywhere; done is set, reward, return and length are zero (the card's first record)."""
        self.restart(np.ones(self.num_envs, np.bool_))
        self.state.done[:] = True
        for array in (self.state.reward, self.state.episode_return, self.state.episode_length):
            array[:] = 0

    def restart(self, mask: ArrayLike) -> None:
        """New episodes in the environments of `mask` (bool [E]).

        Reward, done, return and length keep describing the step before; counting starts anew with the next step.
        """
        marked = np.ascontiguousarray(mask, np.bool_)
        if marked.shape != (self.num_envs,):
            raise ValueError(f"the mask must have the shape ({self.num_envs},), not {marked.shape}")
        begin(self.task.layout, self.state, marked, self.fix_seed)

    def step(self, actions: ArrayLike, *, auto_reset: bool = True) -> None:
        """One step with `actions` (whole numbers 0–6, [E]).

        Without `auto_reset` the last frame of a finished episode stays to be seen, until `restart(done)`.
        """
        chosen = np.ascontiguousarray(actions, np.int64)
        if chosen.shape != (self.num_envs,):
            raise ValueError(f"actions must have the shape ({self.num_envs},), not {chosen.shape}")
        wrong = step(self.task.layout, self.state, chosen, auto_reset, self.fix_seed)
        if wrong >= 0:
            raise ValueError(f"actions must be 0 to {NUM_ACTIONS - 1}, environment {wrong} got {chosen[wrong]}")

    def state_dict(self) -> dict[str, NDArray[np.generic]]:
        """Copies of every array, the random streams among them."""
        return {name: array.copy() for name, array in self.state._asdict().items()}

    def load_state_dict(self, arrays: Mapping[str, ArrayLike]) -> None:
        """Continue from a `state_dict` of the same task and number of environments; raises ValueError for others."""
        if set(arrays) != set(State._fields):
            raise ValueError(f"the stored environments hold {sorted(arrays)}, expected {sorted(State._fields)}")
        for name, array in self.state._asdict().items():
            stored = np.asarray(arrays[name])
            if stored.shape != array.shape or stored.dtype != array.dtype:
                expected, given = f"{array.dtype} {array.shape}", f"{stored.dtype} {stored.shape}"
                raise ValueError(f"the stored environments' {name} is {given}, expected {expected}")
        for name, array in self.state._asdict().items():
            array[...] = np.asarray(arrays[name])


def environment_seed(seed: int, index: int) -> int:
    """The gym seed of environment `index` in a run with `seed`; 63 bits, so that no two environments agree."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> np.uint64(1))
