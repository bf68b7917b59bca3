"""What a gradient step cannot be faster than on this machine: its arithmetic, at the speed of a matrix product here."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from mirl.measure import measure
from sami.agent import ROWS_AT_ONCE
from sami.config import CcmConfig, TesacConfig
from sami.objectives import QUERIES_AT_ONCE

GATES = 4
"""Of an LSTM."""


def multiply_adds(config: TesacConfig, observation_size: int, action_size: int) -> dict[str, int]:
    """Multiplications and additions, in pairs, of one gradient step on trajectories of full length, by part.

    Each pass of a network counts once, and so does the gradient of its weights, and that of its inputs, where it is
    asked for: the agent's losses need 4 of the actor, 6 of both critics (card 5.7).
    """
    steps = config.batch_size * config.horizon
    features = observation_size + config.context_size
    actor = layers(features, config.hidden_sizes, 2 * action_size)
    critics = 2 * layers(features + action_size, config.hidden_sizes, 1)
    first_of_actor = features * config.hidden_sizes[0]  # whose inputs need no gradient
    hidden = config.context_hidden_size
    encoder = GATES * hidden * (observation_size + action_size + hidden) + hidden * config.context_size
    positives, negatives = contrasted_trajectories(config)
    read = config.batch_size + positives + negatives  # by the momentum encoder
    learnt_from = config.batch_size + positives  # by the encoder, whose weights' and states' gradients are needed
    return {
        "actor and critics": steps * (4 * actor - first_of_actor + 6 * critics),
        "encoder": config.horizon * (read + 3 * learnt_from) * encoder,
        "pairs": 2 * pairs(config) * config.context_size,
    }


def layers(inputs: int, hidden: tuple[int, ...], outputs: int) -> int:
    """Multiply-adds of a multilayer perceptron's pass, a row."""
    sizes = inputs, *hidden, outputs
    return sum(left * right for left, right in pairwise(sizes))


def contrasted_trajectories(config: TesacConfig) -> tuple[int, int]:
    """Positives and negatives; none for TESAC."""
    return (config.contrasted - config.negatives, config.negatives) if isinstance(config, CcmConfig) else (0, 0)


def pairs(config: TesacConfig) -> int:
    """Logits of the released contrastive loss: valid steps of queries with those of positives and of negatives."""
    positives, negatives = contrasted_trajectories(config)
    return positives * (positives + negatives) * (config.horizon - 1) ** 2


def floor_s(config: TesacConfig, observation_size: int, action_size: int, device: str) -> float:
    """Seconds as `spent` counts them: products at the rate of the widest layers', and a sigmoid a pair; no traffic to
    memory is counted."""
    width, rows = max(config.hidden_sizes), ROWS_AT_ONCE[device]
    left, right = (torch.rand(*size, device=device) for size in ((rows, width), (width, width)))
    logits = torch.rand(QUERIES_AT_ONCE[device], 8192, device=device)
    product_s = spent(lambda: finished(left @ right), device) / (rows * width * width)
    sigmoid_s = spent(lambda: finished(logits.sigmoid_()), device) / logits.numel()
    products = sum(multiply_adds(config, observation_size, action_size).values())
    return products * product_s + pairs(config) * sigmoid_s


def spent(function: Callable[[], Any], device: str, least_s: float = 0.3) -> float:
    """Median seconds of a call: of the processor's time, which other programs on the same cores hardly change, or by
    the clock where a card does the work."""
    if device != "cpu":
        return measure(function, least_s)
    function()
    durations: list[float] = []
    while len(durations) < 3 or sum(durations) < least_s:
        start = time.process_time()
        function()
        durations.append(time.process_time() - start)
    return statistics.median(durations)


def finished(tensor: torch.Tensor) -> None:
    """Wait until a card has done it."""
    if tensor.device.type == "cuda":
        torch.cuda.synchronize()
