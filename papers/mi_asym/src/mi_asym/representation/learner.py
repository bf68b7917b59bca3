"""One step of stage 2: encoders against all their losses, then the estimator of what they share (card 5.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mi_asym.config import PretrainConfig
from mi_asym.envs import task_spec
from mi_asym.networks.embedders import Shape
from mi_asym.networks.encoders import BLOCKS, FEATURES, Dynamics, Encoder, SharedInformation, sub_encoder
from mi_asym.objectives.mutual_information import (
    jensen_shannon_loss,
    log_likelihood,
    next_feature_loss,
    shared_information,
)
from mi_asym.representation.samples import Part, Samples, part_of
from mi_asym.streams import generator

ESTIMATOR_STEPS = 5
"""Steps of the CLUB estimator after each step of the encoders."""


def make_encoder(task: str, draw: torch.Generator) -> Encoder:
    """phi or psi of a task, newly initialised; states and observations have the same shape."""
    spec = task_spec(task)
    return Encoder(spec.observation_size, spec.image_shape, BLOCKS.get(task, BLOCKS["robot"]), draw)


class RepresentationLearner(nn.Module):
    """Encoders, sub-encoders, dynamics and the CLUB estimator of one task, with their two optimisers."""

    def __init__(self, task: str, config: PretrainConfig, device: str = "cpu") -> None:
        super().__init__()
        spec, self.config = task_spec(task), config
        shape: Shape | None = spec.image_shape
        blocks = BLOCKS.get(task, BLOCKS["robot"])
        draw = generator(config.pretrain_seed, 0, "stage 2 weights")
        self.state_encoder = make_encoder(task, draw)
        self.observation_encoder = make_encoder(task, draw)
        self.state_sub_encoder = sub_encoder(shape, blocks, draw) if config.state_information_weight > 0 else None
        self.observation_sub_encoder = sub_encoder(shape, blocks, draw)
        one_number = not spec.continuous and config.pretrain_action == "index"
        self.dynamics = Dynamics(1 if one_number else spec.num_actions, config.dynamics_width, draw)
        self.estimator = SharedInformation(FEATURES, draw)
        self.to(device)
        ours = [value for name, value in self.named_parameters() if not name.startswith("estimator")]
        self.optimiser = torch.optim.Adam(ours, config.encoder_lr, fused=True)
        self.estimator_optimiser = torch.optim.Adam(self.estimator.parameters(), config.estimator_lr, fused=True)

    def losses(self, samples: Samples, chosen: Tensor, permutation: Tensor) -> dict[str, Tensor]:
        """Every loss of the encoders on the samples `chosen`, (batch,); permutation (batch,)."""
        states = part_of(samples.states, samples.state[chosen], samples.next_state[chosen])
        observations = part_of(samples.observations, samples.observation[chosen], samples.next_observation[chosen])
        state_first = self.state_encoder.activate(states.values)
        observation_first = self.observation_encoder.activate(observations.values)
        all_states = self.state_encoder.rest(state_first)
        all_observations = self.observation_encoder.rest(observation_first)
        state, observation = all_states[states.now], all_observations[observations.now]
        next_state, next_observation, reward = self.dynamics(state, observation, samples.action[chosen])
        followed = samples.followed[chosen]
        mean, log_variance = self.estimator(state)
        losses = {
            "observation_information": information(
                self.observation_sub_encoder, observation_first, all_observations, observations
            ),
            "state_dynamics": next_feature_loss(next_state, all_states.detach()[states.following], followed),
            "observation_dynamics": next_feature_loss(
                next_observation, all_observations.detach()[observations.following], followed
            ),
            "reward": (reward - samples.reward[chosen]).square().mean(),
            "shared_information": shared_information(mean, log_variance, observation, permutation),
        }
        if self.state_sub_encoder is not None:
            losses["state_information"] = information(self.state_sub_encoder, state_first, all_states, states)
        return losses

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the losses."""
        config = self.config
        weights = {
            "state_information": config.state_information_weight,
            "observation_information": config.observation_information_weight,
            "state_dynamics": config.state_dynamics_weight,
            "observation_dynamics": config.observation_dynamics_weight,
            "reward": config.reward_loss_weight,
            "shared_information": config.disentangling_weight,
        }
        return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()

    def step(self, samples: Samples, batches: Tensor, number: int, draw: torch.Generator) -> dict[str, Tensor]:
        """One step of the encoders on `batches[number]`, then the estimator's; batches (batches, batch)."""
        chosen = batches[number]
        permutation = torch.randperm(len(chosen), generator=draw).to(chosen.device)
        losses = self.losses(samples, chosen, permutation)
        total = self.total(losses)
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        logged = {name: loss.detach() for name, loss in losses.items()} | {"total": total.detach()}
        picked = torch.randint(len(batches), (ESTIMATOR_STEPS,), generator=draw)
        for pick in picked.tolist():
            logged["estimator"] = self.estimator_step(samples, batches[pick])
        return logged

    def estimator_step(self, samples: Samples, chosen: Tensor) -> Tensor:
        """One Adam step towards the log likelihood of observation features given state features."""
        with torch.no_grad():
            states = part_of(samples.states, samples.state[chosen], samples.state[chosen])
            observations = part_of(samples.observations, samples.observation[chosen], samples.observation[chosen])
            state = self.state_encoder(states.values)[states.now]
            observation = self.observation_encoder(observations.values)[observations.now]
        mean, log_variance = self.estimator(state)
        loss = -log_likelihood(mean, log_variance, observation)
        self.estimator_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.estimator_optimiser.step()
        return loss.detach()


def information(encoder: nn.Module, first: Tensor, whole: Tensor, part: Part) -> Tensor:
    """Minus the Jensen-Shannon estimate between a sub-encoder's and an encoder's features."""
    present = part.counts.nonzero()[:, 0]  # inputs that only follow take no part
    return jensen_shannon_loss(encoder(first[present]), whole[present], part.counts[present])
