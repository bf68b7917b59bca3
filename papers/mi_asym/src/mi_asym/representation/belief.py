"""Believer's state features: our own trainer, as the released one is not complete (card 7, ledger 7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mi_asym.collect import load_data
from mi_asym.envs import task_spec
from mi_asym.networks.belief import image_embedder
from mi_asym.networks.encoders import BeliefFeatures
from mi_asym.networks.layers import linear
from mi_asym.objectives.belief import gaussian_divergence
from mi_asym.objectives.mutual_information import next_feature_loss
from mi_asym.pretrain import PretrainingStopped, Report, Row, write_table, write_tensors
from mi_asym.representation.samples import Samples, part_of, samples_of
from mi_asym.streams import generator
from mirl.config import ConfigError
from mirl.sending import sent

VERSION = 2
"""Of what is learnt here: a change that alters it raises this, so that old results are not found."""
REWARD_WEIGHT = 10.0
"""Of the reward's squared error (card 7.7)."""
HIDDEN = 128


def new_belief_features(task: str, draw: torch.Generator) -> BeliefFeatures:
    """Newly initialised features of a task's state."""
    spec = task_spec(task)
    embedder = image_embedder(spec.image_shape, draw) if spec.image_shape else None
    return BeliefFeatures(spec.state_size, embedder, draw)


class Predictor(nn.Module):
    """Next features and reward from features and action."""

    def __init__(self, actions: int, draw: torch.Generator) -> None:
        super().__init__()
        self.body = nn.Sequential(
            linear(BeliefFeatures.SIZE + actions, HIDDEN, draw), nn.ReLU(), linear(HIDDEN, HIDDEN, draw), nn.ReLU(),
            linear(HIDDEN, BeliefFeatures.SIZE + 1, draw),
        )  # fmt: skip


def learn_belief_features(
    task: str, config: Any, data: Path, folder: Path, device: str, should_stop: Callable[[], bool], report: Report
) -> None:
    """Write features.pt and features.csv: divergence from the prior, next features and reward, each epoch.

    A stop loses the epochs so far: the whole takes seconds on grids. Raises PretrainingStopped.
    """
    draw = generator(config.collect_seed, 0, "belief features")
    features = new_belief_features(task, draw).to(device)
    spec = task_spec(task)
    one_hot = config.features_action == "one_hot" and not spec.continuous
    samples = samples_of(load_data(data), spec.num_actions if one_hot else 0)
    samples = Samples(**{name: tensor.to(device) for name, tensor in vars(samples).items()})
    predictor = Predictor(samples.action.shape[1], draw).to(device)
    parameters = [*features.parameters(), *predictor.parameters()]
    optimiser = torch.optim.Adam(parameters, config.features_lr, fused=True)
    rows: list[Row] = []
    size = config.features_batch_size
    if len(samples) < size:
        raise ConfigError(
            f"--features-batch-size must be at most {len(samples)}, the samples of {data.name}, got {size}"
        )
    for epoch in range(config.features_epochs):
        draw = generator(config.collect_seed, epoch, "belief features epoch")
        chosen = torch.randperm(len(samples), generator=draw)[: len(samples) // size * size].view(-1, size)
        totals = torch.zeros((), device=device)
        for batch in chosen:
            loss = features_loss(features, predictor, samples, sent(batch, device), config, draw)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            totals += loss.detach()
        rows.append({"total": float(totals) / len(chosen)})
        report(epoch, rows[-1])
        if should_stop():
            raise PretrainingStopped("while the state features were being learnt, which begin anew")
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "features.pt", {name: value.cpu() for name, value in features.state_dict().items()})
    write_table(rows, folder / "features.csv")


def features_loss(
    features: BeliefFeatures,
    predictor: Predictor,
    samples: Samples,
    chosen: torch.Tensor,
    config: Any,
    draw: torch.Generator,
) -> torch.Tensor:
    """beta KL + dynamics + 10 reward, on the samples `chosen`."""
    states = part_of(samples.states, samples.state[chosen], samples.next_state[chosen])
    mean, sd = features.distribution(states.values)
    drawn = torch.randn(len(chosen), BeliefFeatures.SIZE, generator=draw)
    sampled = mean[states.now] + sd[states.now] * sent(drawn, mean.device)
    predicted = predictor.body(torch.cat([sampled, samples.action[chosen]], 1))
    following, reward = predicted[:, :-1], predicted[:, -1]
    dynamics = next_feature_loss(following, mean.detach()[states.following], samples.followed[chosen])
    divergence = gaussian_divergence(mean[states.now], sd[states.now])
    error = (reward - samples.reward[chosen]).square().mean()
    total: torch.Tensor = config.features_divergence_weight * divergence + dynamics + REWARD_WEIGHT * error
    return total
