"""Playing: all slots at once, each with its context, into the trajectory buffer (card 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mirl.sending import sent
from sami.agent import Agent
from sami.envs.episodes import Episode, Slots, SlotStep
from sami.networks import encoder_inputs
from sami.replay import TrajectoryBuffer
from sami.streams import normal, uniform


class Taken(NamedTuple):
    """One step of every slot."""

    observation: Tensor
    """(slots, observation), before the step."""
    action: Tensor
    """(slots, action), in [-1, 1]."""
    played: SlotStep


class Player:
    """Slots, the observation and context they stand at, and the encoder's memory of their episodes."""

    def __init__(self, slots: Slots, agent: Agent, seed: int, episode: int | None = None) -> None:
        """Starts the next episode in every slot, or that of a number; first contexts are noise keyed by `seed`, unless
        they are to be clean."""
        self.slots, self.agent = slots, agent
        self.observation = torch.from_numpy(slots.reset(episode)).to(agent.device)
        self.memory = agent.encoder.empty_memory(slots.n_slots)
        size = slots.n_slots, agent.config.context_size
        self.context = normal(seed, 0, "first context", *size, device=agent.device.type)
        self.last_context = self.context
        """The context that the last action led to; `context` differs from it where a clean episode has begun."""
        if agent.config.first_context == "clean":
            self.look_at(torch.ones(slots.n_slots, 1, dtype=torch.bool, device=agent.device))

    @property
    def features(self) -> Tensor:
        """(slots, observation + context), what actor and critics see."""
        return torch.cat([self.observation, self.context], dim=-1)

    @torch.no_grad()
    def step(self, action: Tensor) -> Taken:
        """One step of every slot with the given actions (slots, action).

        The host waits for the device once, for the actions, and sends once what came of them.
        """
        before = self.observation
        played = self.slots.step(action.cpu().numpy())
        answers = played.observation, played.terminal_observation, ~played.done[:, None]
        self.observation, seen, going_on = unpacked(answers, self.agent.device)
        self.remember(seen, action, going_on)
        if played.done.any() and self.agent.config.first_context == "clean":
            self.look_at(going_on == 0)
        return Taken(before, action, played)

    def remember(self, seen: Tensor, action: Tensor, going_on: Tensor) -> None:
        """One step of the encoder on what the action led to; at an episode's end with a zero action (card 5.3).

        The memory is emptied at an end, while the context lives on into the next episode (ledger 5). `going_on`:
        (slots, 1), 0 where an episode ended, else 1.
        """
        inputs = encoder_inputs(seen, action * going_on, self.agent.action_index)
        self.context, (hidden, cell) = self.agent.encoder.step(inputs, self.memory)
        self.last_context = self.context
        self.memory = hidden * going_on, cell * going_on

    @torch.no_grad()
    def look_at(self, fresh: Tensor) -> None:
        """Begin the episodes of the `fresh` slots, (slots, 1), as training sequences begin: zero action, first
        observation."""
        nothing = self.observation.new_zeros(self.slots.n_slots, self.agent.action_size)
        inputs = encoder_inputs(self.observation, nothing, self.agent.action_index)
        context, memory = self.agent.encoder.step(inputs, self.agent.encoder.empty_memory(self.slots.n_slots))
        self.context = torch.where(fresh, context, self.context)
        hidden, cell = (torch.where(fresh, new, old) for new, old in zip(memory, self.memory, strict=True))
        self.memory = hidden, cell

    def collect(self, buffer: TrajectoryBuffer, steps: int, random_steps: int, turn: int) -> list[Episode]:
        """Play `steps` steps of every slot, the first `random_steps` at random, into `buffer`; episodes that ended."""
        seed, shape = self.agent.seed, (steps, self.slots.n_slots, self.agent.action_size)
        noise = normal(seed, turn, "exploration", *shape, device=self.agent.device.type)
        moves = sent(uniform(seed, turn, "random actions", *shape), self.agent.device) if random_steps else noise
        taken = []
        for number in range(steps):
            action = moves[number] if number < random_steps else self.sample(noise[number])
            taken.append(self.step(action))
        store(buffer, taken)
        return [episode for one in taken for episode in one.played.finished]

    @torch.no_grad()
    def sample(self, noise: Tensor) -> Tensor:
        """An action drawn from the policy; noise (slots, action) is standard normal."""
        mean, log_std = self.agent.actor(self.features)
        return torch.tanh(mean + log_std.exp() * noise)

    def state(self) -> dict[str, Any]:
        """Everything but the agent: environments, contexts and memory."""
        tensors = {"context": self.context, "hidden": self.memory[0], "cell": self.memory[1]}
        return {name: tensor.cpu() for name, tensor in tensors.items()} | {"slots": self.slots.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        device = self.agent.device
        self.slots.load_state_dict(state["slots"])
        self.observation = torch.from_numpy(self.slots.observation()).to(device)
        self.context, self.memory = state["context"].to(device), (state["hidden"].to(device), state["cell"].to(device))


def unpacked(arrays: Sequence[np.ndarray], device: torch.device) -> Sequence[Tensor]:
    """Arrays (slots, ...) as float32 tensors of a device, which they reach in one copy that nobody waits for."""
    packed = torch.from_numpy(np.concatenate(arrays, axis=1, dtype=np.float32, casting="unsafe"))
    return torch.split(sent(packed, device), [array.shape[1] for array in arrays], dim=1)


def store(buffer: TrajectoryBuffer, taken: list[Taken]) -> None:
    """Write steps of all slots into the buffer, episode by episode."""
    observations, actions = (torch.stack(parts) for parts in list(zip(*taken, strict=True))[:2])
    rewards = torch.from_numpy(np.stack([one.played.reward for one in taken]).astype(np.float32))
    done = np.stack([one.played.done for one in taken])
    for slot in range(buffer.slots):
        start = 0
        for last in [*np.flatnonzero(done[:, slot]), None]:
            end = len(taken) if last is None else int(last) + 1
            if end > start:
                steps = slice(start, end)
                buffer.extend(slot, observations[steps, slot], actions[steps, slot], rewards[steps, slot])
            if last is not None:
                played = taken[last].played
                final = torch.from_numpy(played.terminal_observation[slot])
                buffer.finish(slot, final, bool(played.terminated[slot]))
            start = end
