"""The method's own two terms: how well memory tells the state's features, as an intrinsic reward and as a loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity


def reconstruction_errors(reconstructed: Tensor, features: Tensor) -> Tensor:
    """1 - |cos(R(h_t), phi(s_t))| of every step; (steps, features) each, returns (steps,).

    The absolute value makes the sign of the prediction free. Source: card 5.5.
    """
    return 1.0 - cosine_similarity(reconstructed, features, dim=1, eps=1e-6).abs()


def intrinsic_rewards(errors: Tensor, before: Tensor, after: Tensor | slice, weight: float) -> Tensor:
    """weight (e_{t-1} - e_t) of every transition: what the last step told memory about the state.

    errors: (steps,); before, after: (transitions,), the steps a transition leads from and to. No discount stands
    inside the difference, so that rewards telescope over an episode. Source: card 5.5.
    """
    return weight * (errors[before] - errors[after])


def reconstruction_loss(errors: Tensor, transitions: int) -> Tensor:
    """Errors of all steps over the number of transitions plus one (the divisor is the original's; ledger 11)."""
    return errors.sum() / (transitions + 1)
