"""Many MuJoCo environments as one: physics of all slots on MuJoCo's own threads, the rest in whole arrays.

Every number equals what `Locomotion` gives slot by slot (tests/test_envs_slots.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sami.envs.episodes import (
    Context,
    Episode,
    Options,
    SlotStep,
    checked_actions,
    episode_generator,
    scaled_action,
    slot_seed,
)
from sami.envs.locomotion import TORSO
from sami.envs.models import load_model
from sami.envs.rendering import Camera
from sami.envs.robots import Snapshot, robot_of
from sami.envs.scaling import EDITED, Body, actuator_mask, apply_context, body_of, copy_of, draw_start
from sami.envs.simulator import Batch, mujoco
from sami.settings import TaskTuple, checked_tuple


class MujocoSlots:
    """One simulation per task tuple; see `sami.envs.episodes.Slots`."""

    action_index = 0

    def __init__(
        self,
        task: str,
        tuples: Sequence[TaskTuple],
        seed: int,
        horizon: int | None = None,
        threads: int = 1,
        options: Options | None = None,
    ) -> None:
        self.tuples = tuple(checked_tuple(task, each) for each in tuples)
        self.options = options or Options()
        self.robot = robot_of(task, self.options.reward_version)
        self.horizon = horizon or self.robot.horizon
        self.model = load_model(self.robot.model, self.options.legacy_capsule_mass)
        self.dt = self.model.opt.timestep * self.robot.frame_skip
        self.original = copy_of(body_of(self.model))
        self.low, self.high = (self.model.actuator_ctrlrange[:, side].astype(np.float32) for side in (0, 1))
        self.batch = Batch(self.model, self.n_slots, max(1, min(threads, self.n_slots)))
        self.edited = [self.batch.expand(name) for name in EDITED]
        self.streams = [slot_seed(seed, slot) for slot in range(self.n_slots)]
        self.episodes = [-1] * self.n_slots
        self.masks = np.ones((self.n_slots, self.model.nu))
        self.drawn: list[Context] = [{}] * self.n_slots
        self.lengths = np.zeros(self.n_slots, dtype=np.int64)
        self.totals = np.zeros(self.n_slots)
        self.camera: Camera | None = None
        self.batch.bind("xpos"), self.batch.bind("xmat")
        self.batch.forward()
        self.now = self.snapshot()
        self.seen = self.observed(self.now, self.now)
        self.observation_size, self.action_size = self.seen.shape[1], self.model.nu

    @property
    def n_slots(self) -> int:
        """One per tuple."""
        return len(self.tuples)

    def reset(self, episode: int | None = None) -> NDArray[np.float32]:
        """The next episode in every slot, or the one of that number."""
        if episode is not None:
            self.episodes = [episode - 1] * self.n_slots
        self.begin(range(self.n_slots))
        return self.observation()

    def observation(self) -> NDArray[np.float32]:
        """(slots, observation size) of now."""
        return self.seen.copy()

    def begin(self, slots: Sequence[int]) -> None:
        """The next episode of some slots."""
        where = np.asarray(slots)
        self.batch.reset(where, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        for slot in slots:
            self.episodes[slot] += 1
            position, velocity = self.draw(slot)
            self.batch.qpos[slot] += position
            self.batch.qvel[slot] += velocity
        self.batch.forward(where)
        self.lengths[where], self.totals[where] = 0, 0.0
        for kept, new in zip(self.now, self.snapshot(), strict=True):
            kept[where] = new[where]
        self.seen[where] = self.observed(self.now, self.now)[where]

    def draw(self, slot: int) -> tuple[Any, Any]:
        """Draw a slot's running episode and change its robot; returns the noise of its first moment."""
        generator = episode_generator(self.streams[slot], self.episodes[slot])
        sizes = (self.model.nq, self.model.nv)
        start = draw_start(self.robot, self.tuples[slot], self.options, sizes, generator)
        apply_context(self.robot, Body(*(field[slot] for field in self.edited)), self.original, start.context)
        self.masks[slot] = actuator_mask(self.robot, self.model.nu, start.context, self.options)
        self.drawn[slot] = start.context
        return start.position_noise, start.velocity_noise

    def snapshot(self) -> Snapshot:
        """Copies of what the simulators hold now, (slots, ...)."""
        batch = self.batch
        return Snapshot(
            np.array(batch.qpos), np.array(batch.qvel), np.array(batch.xpos[:, TORSO]), np.array(batch.xmat[:, TORSO])
        )

    def observed(self, before: Snapshot, after: Snapshot) -> NDArray[np.float32]:
        """(slots, observation size)."""
        return self.robot.observe(before, after, self.dt).astype(np.float32)

    def step(self, actions: object) -> SlotStep:
        """One control step of every slot; those that reach the horizon start again."""
        given = checked_actions(actions, (self.n_slots, self.action_size))
        controls = scaled_action(given, self.low, self.high).astype(np.float64) * self.masks
        before = self.now
        self.batch.ctrl[:] = controls
        self.batch.step(nstep=self.robot.frame_skip)
        self.now = self.snapshot()
        rewards = self.robot.reward(self.robot, before, self.now, controls, self.dt)
        self.lengths += 1
        self.totals += rewards
        terminal = self.seen = self.observed(before, self.now)
        done = self.lengths >= self.horizon
        finished: tuple[Episode, ...] = ()
        if done.any():
            ended = [int(slot) for slot in np.flatnonzero(done)]
            finished = tuple(self.episode(slot, float(rewards[slot])) for slot in ended)
            self.seen = terminal.copy()
            self.begin(ended)
        nowhere = np.zeros(self.n_slots, dtype=bool)
        return SlotStep(
            self.seen.copy(), rewards.astype(np.float32), nowhere, done, nowhere.copy(), terminal.copy(), finished
        )

    def episode(self, slot: int, last_reward: float) -> Episode:
        """The record of a slot's episode that has just ended."""
        total, length = float(self.totals[slot]), int(self.lengths[slot])
        return Episode(slot, total, last_reward, length, False, "", self.drawn[slot])

    def context(self, slot: int) -> Context:
        """What was drawn for the episode that a slot is in."""
        return self.drawn[slot]

    def render(self, slot: int, width: int = 480, height: int = 360) -> NDArray[np.uint8]:
        """(height, width, 3) of a slot as it is now."""
        if self.camera is None:
            self.camera = Camera(self.model, width, height)
        model = self.batch.get_model(slot)
        data = self.batch.get_data(slot)
        mujoco.mj_forward(model, data)
        return self.camera.picture(model, data)

    def state_dict(self) -> dict[str, Any]:
        """What a continued run needs: simulator rows, episode numbers and the last snapshot's lagging parts."""
        return {
            "streams": list(self.streams),
            "episodes": list(self.episodes),
            "lengths": self.lengths.tolist(),
            "totals": self.totals.tolist(),
            "simulators": self.batch.state.tolist(),
            "torso": self.now.torso.tolist(),
            "rotation": self.now.rotation.tolist(),
            "seen": self.seen.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict` bit for bit. ValueError where it is of other slots."""
        rows = np.array(state["simulators"])
        if rows.shape != self.batch.state.shape:
            raise ValueError(f"the saved slots have shape {rows.shape}, these {self.batch.state.shape}")
        self.streams, self.episodes = list(state["streams"]), list(state["episodes"])
        self.lengths, self.totals = np.array(state["lengths"], dtype=np.int64), np.array(state["totals"])
        for slot in range(self.n_slots):
            if self.episodes[slot] >= 0:
                self.draw(slot)
        self.batch.state[:] = rows
        self.now = Snapshot(
            np.array(self.batch.qpos), np.array(self.batch.qvel), np.array(state["torso"]), np.array(state["rotation"])
        )
        self.seen = np.array(state["seen"], dtype=np.float32)

    def close(self) -> None:
        """Let go of the drawing surface."""
        if self.camera is not None:
            self.camera.close()
            self.camera = None
