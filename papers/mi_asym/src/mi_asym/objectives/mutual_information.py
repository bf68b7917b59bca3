"""Stage 2: the Jensen-Shannon estimate that makes features informative, and the CLUB bound that keeps them apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

LN2 = math.log(2.0)


def jensen_shannon_loss(local: Tensor, whole: Tensor, counts: Tensor) -> Tensor:
    """Minus the Jensen-Shannon estimate of mutual information between two features of the same inputs.

    local, whole: (distinct inputs, features), the sub-encoder's and the encoder's outputs; counts: (distinct inputs,),
    how often each input stands in the batch. Pairs of identical inputs are positive, all others negative; each kind
    is averaged over the pairs of the whole batch. Source: card 5.2, L_rep.
    """
    scores = local @ whole.T
    pairs = counts[:, None] * counts[None, :]
    positive = pairs.diagonal()
    negative = pairs - torch.diag(positive)
    of_negatives = (softplus(-scores) + scores - LN2) * negative
    of_positives = (LN2 - softplus(-scores.diagonal())) * positive
    # A batch that holds one input only has no negative pairs.
    return of_negatives.sum() / negative.sum().clamp_min(1e-12) - of_positives.sum() / positive.sum().clamp_min(1e-12)


def shared_information(mean: Tensor, log_variance: Tensor, other: Tensor, permutation: Tensor) -> Tensor:
    """Sampled CLUB estimate of the information between state and observation features, clipped at zero.

    mean, log_variance: (batch, features) of q(z_o | z_s); other: (batch, features), z_o; permutation: (batch,).
    Source: card 5.2, disentangling; where the estimate is negative its gradient vanishes.
    """
    return raw_shared_information(mean, log_variance, other, permutation).relu()


def raw_shared_information(mean: Tensor, log_variance: Tensor, other: Tensor, permutation: Tensor) -> Tensor:
    """As `shared_information`, before clipping."""
    precision = (-log_variance).exp()
    difference = (mean - other[permutation]).square() - (mean - other).square()
    return 0.5 * (difference * precision).sum(1).mean()


def log_likelihood(mean: Tensor, log_variance: Tensor, other: Tensor) -> Tensor:
    """What the CLUB estimator maximises: the mean log density of z_o given z_s, up to factors and constants.

    Shapes as in `shared_information`. Source: card 5.2, estimator.
    """
    return (-(mean - other).square() * (-log_variance).exp() - log_variance).sum(1).mean()


def next_feature_loss(predicted: Tensor, following: Tensor, followed: Tensor) -> Tensor:
    """Squared error of predicted next features, summed over features, averaged over the batch.

    predicted, following: (batch, features), the latter without gradient; followed: (batch,), 1 where the next step was
    recorded, else 0: then the target is the zero vector. Source: card 5.2, L_ds and L_do.
    """
    return (predicted - followed[:, None] * following).square().sum(1).mean()
