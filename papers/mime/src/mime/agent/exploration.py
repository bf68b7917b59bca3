"""MAML+expl: the exploration module beside MAML, its rewards mixed in by a fixed share."""

from __future__ import annotations

import torch
from torch import Tensor

from mime.agent.maml import MamlAgent
from mime.config import MamlExplConfig
from mime.dynamics import (
    CHUNK,
    DynamicsModel,
    Noise,
    adapt_dynamics,
    first_adam_step,
    meta_gradient,
    prediction_error,
    transitions,
)
from mime.exploration import intrinsic_rewards
from mime.networks import dynamics_layout, initial_dynamics
from mime.objectives import initial_eta, mixed_rewards
from mime.rollout import Episodes, rows
from mime.streams import Streams
from mime.surrogate import Experience, MetaBatch


class MamlExplAgent(MamlAgent):
    """MAML+expl: a meta-learned Bayesian dynamics model pays for information, by a fixed share (card 5.5)."""

    config: MamlExplConfig

    def __init__(
        self,
        config: MamlExplConfig,
        observation_size: int,
        action_size: int,
        seed: int,
        device: str = "cpu",
        dynamics_size: int | None = None,
    ) -> None:
        super().__init__(config, observation_size, action_size, seed, device, dynamics_size)
        layout = dynamics_layout(self.dynamics_size, config.dyn_hidden, action_size)
        chunk = {"chunks": CHUNK, "whole": 0}[config.dynamics_batch]
        self.model = DynamicsModel(layout, config.dyn_prior_sd, config.dyn_likelihood_sd, config.dyn_samples, chunk)
        stream = self.weight_streams.of("dynamics")
        self.dynamics = initial_dynamics(layout, config.dyn_prior_sd, stream).to(device)
        self.dynamics_gradient = torch.zeros_like(self.dynamics)
        self.eta = initial_eta(config.eta).to(device)

    def explores(self, iteration: int | None) -> bool:
        return iteration is None or iteration > self.config.pre_epochs

    def bonus(self, episodes: Episodes, before: list[Experience], draw: Streams, purpose: str) -> Tensor:
        inputs, targets = self.transitions(episodes)
        parameters = self.dynamics.expand(len(inputs), -1)
        for step, experience in enumerate(before):
            batch = self.transitions(experience.episodes)
            noise = self.minibatch_noise(draw, f"{purpose} dynamics {step}", batch[0])
            parameters = adapt_dynamics(self.model, parameters, batch, noise, self.config.dyn_lr)
        noise = self.noise(draw, f"{purpose} bonus", *inputs.shape[:3], self.model.samples)
        precision = torch.float64 if self.config.information_precision == "double" else None
        return intrinsic_rewards(self.model, parameters, inputs, targets, noise, self.config.dyn_lr, precision)

    def transitions(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """`dynamics.transitions` of what the dynamics model sees of the observations."""
        return transitions(episodes, self.dynamics_size)

    def learning_rewards(self, extrinsic: Tensor, intrinsic: Tensor | None) -> Tensor:
        return extrinsic if intrinsic is None else mixed_rewards(extrinsic, intrinsic, self.eta)

    def update(self, batch: MetaBatch, draw: Streams) -> dict[str, float]:
        return self.update_dynamics(batch, draw) | super().update(batch, draw)

    def update_dynamics(self, batch: MetaBatch, draw: Streams) -> dict[str, float]:
        """Meta-learn the dynamics model: many updates in the first iteration, one in every other (card 5.5)."""
        config, model = self.config, self.model
        train = [self.transitions(experience.episodes) for experience in batch.train]
        valid = self.transitions(batch.valid.episodes)
        tasks = len(valid[0])
        old_error = self.error(self.dynamics.expand(tasks, -1), train[0], draw, "old error")
        step_size = config.dyn_fast_lr * tasks**2
        adapted = self.dynamics
        for update in range(config.dyn_first_updates if draw.iteration == 0 else 1):

            def fresh(purpose: str, chunks: int, update: int = update) -> Noise:
                return self.noise(draw, f"dynamics {update} {purpose}", tasks, chunks, model.samples)

            gradient, adapted = meta_gradient(model, self.dynamics, train, valid, config.dyn_lr, fresh)
            keeps = config.dynamics_gradients == "accumulated"  # ledger 1
            self.dynamics_gradient = self.dynamics_gradient + gradient if keeps else gradient
            self.dynamics = self.dynamics + first_adam_step(self.dynamics_gradient, step_size)
        new_error = self.error(adapted, train[0], draw, "new error")
        return {"loss/dynamics_old_mse": old_error, "loss/dynamics_new_mse": new_error}

    @torch.no_grad()
    def error(self, parameters: Tensor, batch: tuple[Tensor, Tensor], draw: Streams, purpose: str) -> float:
        """Mean squared error of the dynamics model on transitions, with one draw of its weights per task."""
        return prediction_error(self.model, parameters, batch, self.noise(draw, purpose, len(batch[0]), 1, 1))

    def minibatch_noise(self, draw: Streams, purpose: str, inputs: Tensor) -> Noise:
        """Noise of the inner loss on `inputs` (tasks, time, episodes, size)."""
        return self.noise(draw, purpose, len(inputs), self.model.chunks_of(rows(inputs).shape[1]), self.model.samples)

    def noise(self, draw: Streams, purpose: str, *leading: int) -> Noise:
        """Standard normal numbers for each layer of the dynamics model: (*leading, units)."""
        shapes = self.model.noise_shapes(*leading)
        return [draw.normal(f"{purpose} layer {layer}", *shape) for layer, shape in enumerate(shapes)]

    def statistics(self, batch: MetaBatch) -> dict[str, float]:
        before, after = batch.train[0], batch.valid
        return super().statistics(batch) | {
            "train/intrinsic_return": before.intrinsic_return,
            "train/adapted_intrinsic_return": after.intrinsic_return,
            "train/combined_return": before.combined_return,
            "train/adapted_combined_return": after.combined_return,
        }

    def state(self) -> dict[str, Tensor]:
        return super().state() | {"dynamics": self.dynamics, "dynamics_gradient": self.dynamics_gradient}
