"""Stage 2 as the card writes it: every pair of a batch, every input of a batch through its encoder."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from mi_asym.objectives.mutual_information import next_feature_loss, shared_information
from mi_asym.representation.samples import Samples


def jensen_shannon_loss(local: Tensor, whole: Tensor, same: Tensor) -> Tensor:
    """local, whole: (batch, features); same: (batch, batch), true where two inputs are identical."""
    scores = local @ whole.T
    positive = math.log(2.0) - softplus(-scores)
    negative = softplus(-scores) + scores - math.log(2.0)
    of_negatives = negative[~same].sum() / max(float((~same).sum()), 1e-12)
    return of_negatives - positive[same].sum() / max(float(same.sum()), 1e-12)


def losses(learner: Any, samples: Samples, chosen: Tensor, permutation: Tensor) -> dict[str, Tensor]:
    """All losses of the encoders on a batch."""
    all_states, all_observations = samples.states.float(), samples.observations.float()
    states, observations = all_states[samples.state[chosen]], all_observations[samples.observation[chosen]]
    state, observation = learner.state_encoder(states), learner.observation_encoder(observations)
    next_state, next_observation, reward = learner.dynamics(state, observation, samples.action[chosen])
    with torch.no_grad():
        following_state = learner.state_encoder(all_states[samples.next_state[chosen]])
        following_observation = learner.observation_encoder(all_observations[samples.next_observation[chosen]])
    followed = samples.followed[chosen]

    def same(inputs: Tensor) -> Tensor:
        return (inputs[:, None] == inputs[None, :]).all(-1)

    found = {
        "observation_information": jensen_shannon_loss(
            learner.observation_sub_encoder(learner.observation_encoder.activate(observations)),
            observation,
            same(observations),
        ),
        "state_dynamics": next_feature_loss(next_state, following_state, followed),
        "observation_dynamics": next_feature_loss(next_observation, following_observation, followed),
        "reward": (reward - samples.reward[chosen]).square().mean(),
        "shared_information": shared_information(*learner.estimator(state), observation, permutation),
    }
    if learner.state_sub_encoder is not None:
        found["state_information"] = jensen_shannon_loss(
            learner.state_sub_encoder(learner.state_encoder.activate(states)), state, same(states)
        )
    return found
