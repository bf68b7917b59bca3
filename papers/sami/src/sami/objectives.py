"""Every loss of the paper: the contrastive one (card 5.6) and those of soft actor-critic with a context (card 5.7).

Contrastive: binary noise-contrastive estimation over all pairs of embeddings, as released. Only embeddings of valid
steps are computed. The released code keeps the embedding of every other step as a zero vector in the set; a pair with
such a row has the logit 0 and costs exactly log 2, which is added in closed form.

Soft actor-critic: rows are the valid transitions of all sampled trajectories.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

TEMPERATURE = 0.1
SMALLEST_NORM = 1e-12
QUERIES_AT_ONCE = {"cpu": 32, "cuda": 1024}
"""Rows of the pair matrix that are in memory together, per device type; changes nothing but time and memory."""

SQUASH_EPSILON = 1e-6
"""Keeps the logarithm of tanh's derivative finite (card 5.1)."""


def contrastive_weight(positive_score: float, negative_score: float, coefficient: float) -> float:
    """clip(alpha * (mean score of positives - mean score of negatives), 0, 1); carries no gradient. Card 5.6."""
    return min(max(coefficient * (positive_score - negative_score), 0.0), 1.0)


def pairs_loss(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    all_positives: int | None = None,
    all_negatives: int | None = None,
) -> Tensor:
    """-mean over all pairs of log sigma(q k+ / 0.1), - mean over all pairs of log(1 - sigma(q k- / 0.1)); a scalar.

    queries, positives: (valid positives, context); negatives: (valid negatives, context). Rows are normalised here.
    `all_positives`, `all_negatives`: rows of the whole set, of which those left out are zero vectors; None: none is.
    Source: card 5.6, checked by 9 A.
    """
    queries, positives, negatives = (unit_rows(rows) for rows in (queries, positives, negatives))
    rows, columns = all_positives or len(positives), all_negatives or len(negatives)
    zero_pairs = rows**2 - len(queries) * len(positives)
    zero_negative_pairs = rows * columns - len(queries) * len(negatives)
    attracted = pair_sum(queries, positives) + zero_pairs * math.log(2)
    # 1 - sigma(x) is sigma(-x), so that a negative is a positive on the other side.
    repelled = pair_sum(queries, -negatives) + zero_negative_pairs * math.log(2)
    return attracted / rows**2 + repelled / (rows * columns)


def softmax_loss(queries: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """InfoNCE as in the paper's text: each query against its own positive and all negatives; a scalar.

    Shapes as in `pairs_loss`; temperature 0.1 (card 7, row 1).
    """
    queries, positives, negatives = (unit_rows(rows) for rows in (queries, positives, negatives))
    own = (queries * positives).sum(-1) / TEMPERATURE
    size = QUERIES_AT_ONCE[queries.device.type]
    blocks = zip(torch.split(queries, size), torch.split(own, size), strict=True)
    losses = [checkpoint(softmax_block, *block, negatives, use_reentrant=False) for block in blocks]
    return torch.stack(losses).sum() / len(queries)


def softmax_block(queries: Tensor, own: Tensor, negatives: Tensor) -> Tensor:
    """Sum of the losses of some queries; recomputed in the backward pass, so that one block is in memory at a time."""
    logits = torch.cat([own[:, None], queries @ negatives.T / TEMPERATURE], dim=1)
    return (logits.logsumexp(dim=1) - own).sum()


def unit_rows(rows: Tensor) -> Tensor:
    """Rows of length one; a zero row stays zero."""
    return normalize(rows, dim=-1, eps=SMALLEST_NORM)


def pair_sum(queries: Tensor, keys: Tensor) -> Tensor:
    """Sum over all pairs of -log sigma(q k / 0.1); queries (n, context), keys (m, context), rows of length one."""
    total: Tensor = PairSum.apply(queries, keys)  # type: ignore[no-untyped-call]
    return total


class PairSum(torch.autograd.Function):
    """`pair_sum`, block by block, its gradients computed on the way.

    Memory grows with one block, not with the number of pairs; every block is computed in the same place. Logits lie in
    [-10, 10], as rows are of length one.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor) -> Tensor:
        total = queries.new_zeros((), dtype=torch.float64)
        query_gradient, key_gradient = torch.empty_like(queries), torch.zeros_like(keys)
        padded = pad_to_octets(keys)
        size, one = QUERIES_AT_ONCE[queries.device.type], queries.new_ones(())
        room = queries.new_empty(min(size, len(queries)), len(padded))
        halves = [room.new_empty(len(room), len(padded) // 2**power) for power in (1, 2, 3)]
        for block, gradient in zip(torch.split(queries, size), torch.split(query_gradient, size), strict=True):
            chance = torch.mm(block / TEMPERATURE, padded.T, out=room[: len(block)]).sigmoid_()
            total += log_sum(chance, [half[: len(block)] for half in halves])
            missed = torch.sub(one, chance, out=chance)[:, : len(keys)]
            torch.mm(missed, keys, out=gradient)
            if ctx.needs_input_grad[1]:
                key_gradient += missed.T @ block
        ctx.save_for_backward(query_gradient, key_gradient)
        extra = len(padded) - len(keys)
        # A row of padding is zero: its pairs cost log 2 each and have no gradient.
        return (-total - extra * len(queries) * math.log(2)).to(queries.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        query_gradient, key_gradient = ctx.saved_tensors
        scale = -gradients[0] / TEMPERATURE
        return scale * query_gradient, scale * key_gradient if ctx.needs_input_grad[1] else None


def pad_to_octets(rows: Tensor) -> Tensor:
    """Zero rows added until their number divides by 8."""
    missing = -len(rows) % 8
    return torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]) if missing else rows


def log_sum(chances: Tensor, room: Sequence[Tensor]) -> Tensor:
    """Sum of logarithms, float64, of (rows, 8 n) numbers in [4.5e-5, 1]: one logarithm per product of eight.

    The smallest product, 4.5e-5 ** 8, is above the smallest float32, and logarithms are what is slow. `room`: three
    tensors (rows, 4 n), (rows, 2 n) and (rows, n) that the products are written into.
    """
    product = chances
    for half in room:
        left, right = product.chunk(2, dim=1)
        product = torch.mul(left, right, out=half)
    return product.log_().sum(dtype=torch.float64)


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions tanh(mean + std * noise) and their log densities, (rows, action) and (rows,).

    mean, log_std, noise: (rows, action); noise is standard normal. Source: Haarnoja et al. 2018, appendix C; card 5.1.
    """
    action = torch.tanh(mean + log_std.exp() * noise)
    density = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    return action, (density - torch.log(1 - action.square() + SQUASH_EPSILON)).sum(-1)


def soft_target(
    reward: Tensor, goes_on: Tensor, lower_q: Tensor, log_density: Tensor, temperature: Tensor, gamma: float
) -> Tensor:
    """r + (1 - done) * gamma * (min Q(s', a', c') - alpha * log pi(a')), all (rows,); `goes_on` is 1 - done.

    Source: card 5.7, step 2.
    """
    return reward + goes_on * gamma * (lower_q - temperature * log_density)


def critic_loss(first: Tensor, second: Tensor, target: Tensor) -> Tensor:
    """Half the sum of both squared errors, summed over rows; all (rows,). Source: card 5.7, step 2."""
    return 0.5 * ((first - target).square() + (second - target).square()).sum()


def actor_loss(log_density: Tensor, lower_q: Tensor, temperature: Tensor) -> Tensor:
    """alpha * log pi(a) - min Q(s, a), summed over rows; both (rows,). Source: card 5.7, step 3."""
    return (temperature * log_density - lower_q).sum()


def temperature_loss(log_temperature: Tensor, mean_log_density: Tensor, target_entropy: float) -> Tensor:
    """-log alpha * (mean log pi + target entropy), a scalar. Source: card 5.7, step 1."""
    return -(log_temperature * (mean_log_density + target_entropy)).sum()
