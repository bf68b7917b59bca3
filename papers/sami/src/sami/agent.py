"""The agent: a soft actor-critic whose observation is completed by the context of the trajectory so far (card 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.utils import polyak_update
from torch import Tensor, nn

from sami.config import CcmConfig, TesacConfig
from sami.contrast import SELECTIONS, Contrast
from sami.networks import Actor, ContextEncoder, Critics, encoder_inputs
from sami.objectives import (
    actor_loss,
    contrastive_weight,
    critic_loss,
    pairs_loss,
    soft_target,
    softmax_loss,
    squashed_sample,
    temperature_loss,
)
from sami.replay import Trajectories, TrajectoryBuffer
from sami.streams import chooser, derived_seed, normal

ROWS_AT_ONCE = {"cpu": 1024, "cuda": 65_536}
"""Transitions that pass through actor and critics together, per device type: on a CPU so many stay in its cache."""
Losses = dict[str, Tensor]


class Agent:
    """Encoder, actor, critics, their targets and optimisers."""

    def __init__(
        self, config: TesacConfig, observation_size: int, action_size: int, action_index: int, seed: int, device: str
    ) -> None:
        """`action_index`: the column of the encoder's input before which the previous action stands."""
        self.config, self.action_size, self.action_index = config, action_size, action_index
        self.seed, self.device = seed, torch.device(device)
        self.target_entropy = -float(action_size)
        features = observation_size + config.context_size
        encoder_sizes = observation_size + action_size, config.context_hidden_size, config.context_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, 0, "networks"))
            self.actor = Actor(features, action_size, config.hidden_sizes).to(device)
            self.critics = Critics(features, action_size, config.hidden_sizes).to(device)
            self.target_critics = Critics(features, action_size, config.hidden_sizes).to(device)
            self.encoder = ContextEncoder(*encoder_sizes).to(device)
            self.target_encoder = ContextEncoder(*encoder_sizes).to(device)
        for target, online in self.targets():
            target.load_state_dict(online.state_dict())
            target.requires_grad_(False)
        self.log_temperature = torch.zeros(1, device=device, requires_grad=True)
        self.actor_optimiser = self.adam(self.actor.parameters())
        self.critic_optimiser = self.adam(self.critics.parameters())
        self.encoder_optimiser = self.adam(self.encoder.parameters())
        self.temperature_optimiser = self.adam(iter([self.log_temperature]))
        self.updates = 0

    def adam(self, parameters: Iterator[Tensor]) -> torch.optim.Adam:
        """Card 5.2; the encoder has one for both of its losses."""
        return torch.optim.Adam(parameters, lr=self.config.learning_rate, betas=(0.9, 0.999), eps=1e-8)

    def targets(self) -> tuple[tuple[nn.Module, nn.Module], ...]:
        """(target, online) networks."""
        return (self.target_critics, self.critics), (self.target_encoder, self.encoder)

    def update(self, buffer: TrajectoryBuffer) -> dict[str, float]:
        """`config.gradient_steps` gradient steps; the means of what they report (card 6)."""
        reports = [self.gradient_step(buffer, number) for number in range(self.config.gradient_steps)]
        names = dict.fromkeys(name for report in reports for name in report)
        return {
            name: float(torch.stack([report[name] for report in reports if name in report]).mean()) for name in names
        }

    def gradient_step(self, buffer: TrajectoryBuffer, number: int) -> Losses:
        """The contrastive step, then critics and encoder, actor and temperature, then the targets (card 5.6, 5.7).

        The momentum encoder reads both batches in one pass, as it moves only at the end.
        """
        choices = chooser(self.seed, self.updates, "trajectories")
        contrast = self.choose_contrast(buffer, choices, number)
        batch = buffer.gather(self.choose_batch(buffer, choices))
        contrasted = None if contrast is None else self.gather_contrast(buffer, contrast)
        keys, next_contexts = self.target_contexts(contrasted, batch)
        losses: Losses = {}
        if contrast is not None and contrasted is not None and keys is not None:
            losses |= self.contrastive_step(contrast, contrasted, keys)
        losses |= self.actor_critic_step(batch, next_contexts)
        for (target, online), share in zip(self.targets(), (self.config.tau, self.config.encoder_tau), strict=True):
            polyak_update(online.parameters(), target.parameters(), share)
        self.updates += 1
        return losses

    def choose_batch(self, buffer: TrajectoryBuffer, choices: np.random.Generator) -> np.ndarray:
        """(batch, 2) pairs (slot, number) for the soft actor-critic: of all slots, or of the one whose turn it is."""
        if self.config.batch_slots == "all":
            return buffer.sample(choices, self.config.batch_size)
        return buffer.draw(choices, self.updates % buffer.slots, self.config.batch_size)

    # The contrastive step.

    def choose_contrast(self, buffer: TrajectoryBuffer, choices: np.random.Generator, number: int) -> Contrast | None:
        """What is contrasted in gradient step `number` of an update; None where nothing is."""
        config = self.config
        if not isinstance(config, CcmConfig) or number % config.contrast_training_interval:
            return None
        select = SELECTIONS[config.contrast_selection]
        return select(buffer, buffer.scores(config.score), choices, config.contrasted, config.negatives)

    def gather_contrast(self, buffer: TrajectoryBuffer, contrast: Contrast) -> tuple[Trajectories, Trajectories]:
        """Positives and negatives, with the actions that the encoder will see."""
        stale = isinstance(self.config, CcmConfig) and self.config.contrast_actions == "previous_slot"
        positives, negatives = (
            buffer.gather(chosen, buffer.before(chosen) if stale else None)
            for chosen in (contrast.positives, contrast.negatives)
        )
        return positives, negatives

    def contrast_inputs(self, batch: Trajectories) -> Tensor:
        """(trajectories, time, input) of a contrasted batch (ledger 2)."""
        assert isinstance(self.config, CcmConfig)
        if self.config.contrast_actions == "own":
            return self.trajectory_inputs(batch)[:, :-1]
        return encoder_inputs(batch.observations[:, :-1], batch.actions, self.action_index)

    def trajectory_inputs(self, batch: Trajectories) -> Tensor:
        """(trajectories, time + 1, input): each observation with the action before it, zero before the first."""
        previous = torch.cat([torch.zeros_like(batch.actions[:, :1]), batch.actions], dim=1)
        return encoder_inputs(batch.observations, previous, self.action_index)

    def target_contexts(
        self, contrasted: tuple[Trajectories, Trajectories] | None, batch: Trajectories
    ) -> tuple[tuple[Tensor, Tensor] | None, Tensor]:
        """Keys of positives and negatives, (trajectories, time, context), and next contexts of the batch's steps."""
        inputs = [self.trajectory_inputs(batch)]
        if contrasted is not None:
            inputs += [self.contrast_inputs(part) for part in contrasted]
        with torch.no_grad():
            contexts = torch.split(self.target_encoder(stack_padded(inputs)), [len(part) for part in inputs])
        next_contexts = contexts[0][:, 1 : batch.time + 1][batch.steps()]
        return None if contrasted is None else (contexts[1], contexts[2]), next_contexts

    def contrastive_step(
        self, contrast: Contrast, contrasted: tuple[Trajectories, Trajectories], keys: tuple[Tensor, Tensor]
    ) -> Losses:
        """One Adam step of the encoder on the weighted contrastive loss (card 5.6)."""
        config = self.config
        assert isinstance(config, CcmConfig)
        weight = contrastive_weight(
            contrast.positive_scores.mean(), contrast.negative_scores.mean(), config.adversarial_loss_coef
        )
        loss = self.contrastive_loss(contrasted, keys)
        self.encoder_optimiser.zero_grad()
        (weight * loss).backward()  # type: ignore[no-untyped-call]
        self.encoder_optimiser.step()
        return {
            "loss/encoder": weight * loss.detach(),
            "loss/contrastive": loss.detach(),
            "train/contrast_weight": torch.tensor(weight, dtype=torch.float64),
            "train/contrast_weight_is_one": torch.tensor(float(weight == 1.0)),
        }

    def contrastive_loss(self, contrasted: tuple[Trajectories, Trajectories], keys: tuple[Tensor, Tensor]) -> Tensor:
        """The unweighted loss of queries from the online encoder against `keys`."""
        config = self.config
        assert isinstance(config, CcmConfig)
        dropped = 1 if config.masked_rows == "zeros" else 0
        masks = [part.steps(dropped) for part in contrasted]
        queries = self.encoder(self.contrast_inputs(contrasted[0]))[masks[0]]
        positives, negatives = (
            key[:, : part.time][mask] for key, part, mask in zip(keys, contrasted, masks, strict=True)
        )
        if config.use_weighted_info_nce:
            positives, negatives = self.encoder.weighting(positives), self.encoder.weighting(negatives)
        if config.contrastive_loss == "softmax":
            return softmax_loss(queries, positives, negatives)
        if config.masked_rows == "dropped":
            return pairs_loss(queries, positives, negatives)
        rows = [len(part.lengths) * (config.horizon + config.rows_beyond_horizon) for part in contrasted]
        return pairs_loss(queries, positives, negatives, *rows)

    # Soft actor-critic.

    def actor_critic_step(self, batch: Trajectories, next_contexts: Tensor) -> Losses:
        """Steps of critics and encoder, of the actor and of the temperature on all valid transitions (card 5.7)."""
        steps = batch.steps()
        observations, next_observations = batch.observations[:, :-1][steps], batch.observations[:, 1:][steps]
        actions, rewards = batch.actions[steps], batch.rewards[steps]
        temperature = self.log_temperature.detach().exp()
        next_noise, noise = (
            normal(self.seed, self.updates, purpose, *actions.shape, device=self.device.type)
            for purpose in ("next actions", "actions")
        )
        targets = self.critic_targets(
            torch.cat([next_observations, next_contexts], dim=-1),
            rewards,
            self.goes_on(batch)[steps],
            next_noise,
            temperature,
        )
        contexts = self.encoder(self.trajectory_inputs(batch)[:, :-1])[steps]
        critics = self.critic_step(observations, contexts, actions, targets)
        features = torch.cat([observations, contexts.detach()], dim=-1)
        return critics | self.actor_step(features, noise, temperature)

    def goes_on(self, batch: Trajectories) -> Tensor:
        """(trajectories, time): 0 at a trajectory's last step, unless its time was up and that is no end (ledger 4)."""
        last = torch.arange(batch.time, device=batch.lengths.device) == (batch.lengths - 1)[:, None]
        ends = batch.terminated if self.config.timeouts == "bootstrap" else torch.ones_like(batch.terminated)
        return 1.0 - (last * ends[:, None]).to(batch.rewards.dtype)

    @torch.no_grad()
    def critic_targets(
        self, next_features: Tensor, rewards: Tensor, goes_on: Tensor, noise: Tensor, temperature: Tensor
    ) -> Tensor:
        """(rows,) soft targets."""
        size = ROWS_AT_ONCE[self.device.type]
        parts = (torch.split(tensor, size) for tensor in (next_features, rewards, goes_on, noise))
        targets = []
        for features, reward, on, part_noise in zip(*parts, strict=True):
            mean, log_std = self.actor(features)
            action, density = squashed_sample(mean, log_std, part_noise)
            lower = self.target_critics.lower(features, action)
            targets.append(soft_target(reward, on, lower, density, temperature, self.config.gamma))
        return torch.cat(targets)

    def critic_step(self, observations: Tensor, contexts: Tensor, actions: Tensor, targets: Tensor) -> Losses:
        """Critics learn on all transitions, and the encoder through them; `contexts` carries the encoder's graph."""
        size, rows = ROWS_AT_ONCE[self.device.type], len(targets)
        leaf = contexts.detach().requires_grad_()
        self.critic_optimiser.zero_grad()
        self.encoder_optimiser.zero_grad()
        total = torch.zeros((), device=self.device)
        parts = (torch.split(tensor, size) for tensor in (observations, leaf, actions, targets))
        for observation, context, action, target in zip(*parts, strict=True):
            first, second = self.critics(torch.cat([observation, context], dim=-1), action)
            loss = critic_loss(first, second, target) / rows
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        contexts.backward(leaf.grad)  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        self.encoder_optimiser.step()
        return {"loss/critic": total}

    def actor_step(self, features: Tensor, noise: Tensor, temperature: Tensor) -> Losses:
        """The actor against the critics as they are now, then the temperature; both use its value from before."""
        size, rows = ROWS_AT_ONCE[self.device.type], len(features)
        self.actor_optimiser.zero_grad()
        self.critics.requires_grad_(False)
        total, density_sum = (torch.zeros((), device=self.device) for _ in range(2))
        for part, part_noise in zip(torch.split(features, size), torch.split(noise, size), strict=True):
            mean, log_std = self.actor(part)
            action, density = squashed_sample(mean, log_std, part_noise)
            loss = actor_loss(density, self.critics.lower(part, action), temperature) / rows
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            density_sum += density.detach().sum()
        self.critics.requires_grad_(True)
        self.actor_optimiser.step()
        own_loss = temperature_loss(self.log_temperature, density_sum / rows, self.target_entropy)
        self.temperature_optimiser.zero_grad()
        own_loss.backward()  # type: ignore[no-untyped-call]
        self.temperature_optimiser.step()
        return {"loss/actor": total, "loss/temperature": own_loss.detach(), "train/temperature": temperature.squeeze()}

    # What must survive a kill.

    def parts(self) -> dict[str, Any]:
        """Everything with a state_dict, by name."""
        return {
            "actor": self.actor, "critics": self.critics, "target_critics": self.target_critics,
            "encoder": self.encoder, "target_encoder": self.target_encoder,
            "actor_optimiser": self.actor_optimiser, "critic_optimiser": self.critic_optimiser,
            "encoder_optimiser": self.encoder_optimiser, "temperature_optimiser": self.temperature_optimiser,
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Tensors, numbers and strings only."""
        learnt = {name: part.state_dict() for name, part in self.parts().items()}
        return learnt | {"log_temperature": self.log_temperature.detach(), "updates": self.updates}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        with torch.no_grad():
            self.log_temperature.copy_(state["log_temperature"])
        self.updates = state["updates"]


def stack_padded(parts: list[Tensor]) -> Tensor:
    """(trajectories, time, input) tensors of unequal times in one batch, zeros behind the shorter ones.

    What stands behind a trajectory's end changes nothing before it, as the encoder reads forwards.
    """
    longest = max(part.shape[1] for part in parts)
    return torch.cat([nn.functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts])
