"""The paper's mathematics as pure functions.

Rewards, values and everything else that has a time run over (..., time, episodes); leading dimensions are tasks.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BASELINE_REGULARISER = 1e-5
BASELINE_TRIES = 5
TIME_SCALE = 100.0
"""Environment steps per unit of the baseline's time feature."""
ETA_STEP_LIMIT = 0.3
"""The longest step of eta, in logits."""
MIX_OFFSET = 0.05
"""Added to both shares of the mix, so that neither reward ever vanishes."""
LOG_TWO_PI = math.log(2 * math.pi)


# Rewards


def standardised(rewards: Tensor) -> Tensor:
    """Zero mean and unit (unbiased) standard deviation over the time and episodes of each task; (..., time, episodes).

    Source: card 5.2, step 3.
    """
    sd, mean = torch.std_mean(rewards, dim=(-2, -1), keepdim=True)
    return (rewards - mean) / (sd + 1e-8)


def mixed_rewards(extrinsic: Tensor, intrinsic: Tensor, eta: Tensor) -> Tensor:
    """(1.05 - s) extrinsic + (s + 0.05) intrinsic with s = sigmoid(eta).

    Both (..., time, episodes). Source: card 5.5.
    """
    share = eta.sigmoid()
    return (1 + MIX_OFFSET - share) * extrinsic + (share + MIX_OFFSET) * intrinsic


def initial_eta(share: float) -> Tensor:
    """The logit of eta's initial value, a scalar."""
    return torch.tensor(math.log(share / (1 - share)))


# Returns, baseline and advantages (card 5.2)


def discounted_returns(rewards: Tensor, gamma: float) -> Tensor:
    """Discounted sum of the rewards from each step on; (..., time, episodes)."""
    returns, following = [], torch.zeros_like(rewards[..., 0, :])
    for reward in reversed(rewards.unbind(-2)):
        following = reward + gamma * following
        returns.append(following)
    return torch.stack(returns[::-1], dim=-2)


def baseline_features(observations: Tensor, mask: Tensor | None = None) -> Tensor:
    """Observations, their squares, time t/100, its square and cube, and 1.

    observations: (..., time, episodes, size); mask, 1 inside an episode: (..., time, episodes).
    Returns (..., time, episodes, 2 size + 4).
    """
    time = torch.arange(observations.shape[-3], device=observations.device, dtype=observations.dtype) / TIME_SCALE
    time = time[:, None, None].expand(*observations.shape[:-1], 1)
    features = torch.cat([observations, observations.square(), time, time**2, time**3, torch.ones_like(time)], dim=-1)
    return features if mask is None else features * mask[..., None]


def fitted_baseline(features: Tensor, returns: Tensor) -> Tensor:
    """Weights of the linear baseline by ridge regression: (..., features) of float64.

    features: (..., time, episodes, features); returns: (..., time, episodes). The normal equations are solved in
    float64, as in float32 the answer depends on the order of summation (ledger 17); where a system cannot be solved
    its regulariser grows tenfold, five tries in all.
    """
    rows = features.flatten(-3, -2).double()
    targets = returns.flatten(-2).double().unsqueeze(-1)
    gram, moments = rows.mT @ rows, rows.mT @ targets
    identity = torch.eye(rows.shape[-1], dtype=rows.dtype, device=rows.device)
    regulariser = torch.full_like(gram[..., :1, :1], BASELINE_REGULARISER)
    for _ in range(BASELINE_TRIES):
        weights, info = torch.linalg.solve_ex(gram + regulariser * identity, moments)
        failed = info.ne(0) | ~weights.isfinite().all(-1).all(-1)
        if not failed.any():
            solution: Tensor = weights.squeeze(-1)
            return solution
        regulariser = torch.where(failed[..., None, None], 10 * regulariser, regulariser)
    raise ArithmeticError("the baseline's normal equations have no finite solution")


def baseline_values(features: Tensor, weights: Tensor) -> Tensor:
    """Predicted returns, (..., time, episodes), of `features` (..., time, episodes, features), in their precision."""
    values = torch.einsum("...tbf,...f->...tb", features.double(), weights.double())
    return values.to(features.dtype)


def generalised_advantages(rewards: Tensor, values: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Generalised advantage estimates without bootstrapping at the horizon; all (..., time, episodes).

    Source: Schulman et al. 2016, eq. 16; card 5.2.
    """
    following = torch.cat([values[..., 1:, :], torch.zeros_like(values[..., :1, :])], dim=-2)
    return discounted_returns(rewards + gamma * following - values, gamma * gae_lambda)


def episode_mean(quantity: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the steps of each episode, then over episodes: (..., time, episodes) -> (...)."""
    if mask is None:
        return quantity.mean((-2, -1))
    return ((quantity * mask).sum(-2) / mask.sum(-2)).mean(-1)


def normalised(advantages: Tensor, mask: Tensor | None = None) -> Tensor:
    """Zero mean and unit mean square under `episode_mean`; padding becomes 0. Source: card 5.2."""
    centred = advantages - episode_mean(advantages, mask)[..., None, None]
    if mask is not None:
        centred = centred * mask
    return centred / (episode_mean(centred.square(), mask).sqrt() + 1e-8)[..., None, None]


# The policy (card 5.3, 5.4)


def action_log_probability(mean: Tensor, log_sd: Tensor, actions: Tensor) -> Tensor:
    """log pi(a|s) of a diagonal Gaussian; mean, actions: (..., rows, size), log_sd: (..., size) -> (..., rows)."""
    log_sd = log_sd[..., None, :]
    deviation = (actions - mean) * torch.exp(-log_sd)
    return (-0.5 * deviation.square() - log_sd - 0.5 * LOG_TWO_PI).sum(-1)


def policy_loss(log_probability: Tensor, weights: Tensor) -> Tensor:
    """The inner loss of each task, -mean log pi times advantage; both (..., rows), returns (...). Source: card 5.3."""
    return -(log_probability * weights).mean(-1)


def surrogate_loss(log_probability: Tensor, old_log_probability: Tensor, weights: Tensor) -> Tensor:
    """-mean of the probability ratio times the advantage, per task; (..., rows) -> (...). Source: card 5.4."""
    return -(torch.exp(log_probability - old_log_probability) * weights).mean(-1)


def gaussian_kl(mean: Tensor, log_sd: Tensor, old_mean: Tensor, old_log_sd: Tensor) -> Tensor:
    """Mean over rows of KL(new || old) between diagonal Gaussians, in nats: (..., rows, size) -> (...)."""
    gap, new, old = mean - old_mean, log_sd[..., None, :], old_log_sd[..., None, :]
    divergence = 0.5 * (torch.exp(2 * (new - old)) + gap.square() * torch.exp(-2 * old) - 1) + old - new
    return divergence.sum(-1).mean(-1)


def updated_eta(eta: Tensor, gradient: Tensor, step_size: float) -> Tensor:
    """eta after one step; `gradient` is that of the extrinsic objective after adaptation.

    The step is divided by sigmoid(eta) and then clipped to 0.3 logits. Source: card 5.6.
    """
    return eta - (gradient * step_size / eta.sigmoid()).clamp(-ETA_STEP_LIMIT, ETA_STEP_LIMIT)


# The Bayesian dynamics model (card 5.5)


def normal_kl(mean: Tensor, sd: Tensor, other_mean: Tensor | float, other_sd: Tensor) -> Tensor:
    """Elementwise KL(N(mean, sd^2) || N(other_mean, other_sd^2)) in nats, with the paper's 1e-8 in the denominator."""
    spread = (mean - other_mean).square() + sd.square() - other_sd.square()
    return spread / (2 * other_sd.square() + 1e-8) + other_sd.log() - sd.log()


def gaussian_log_likelihood(targets: Tensor, predictions: Tensor, sd: float) -> Tensor:
    """log N(target; prediction, sd^2) summed over the last dimension, the observation's."""
    deviation = (targets - predictions) / sd
    return (-0.5 * deviation.square() - math.log(sd) - 0.5 * LOG_TWO_PI).sum(-1)
