"""The policy that the original's authors released: which of our tensors each of its tensors is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mi_asym.agents.base import TARGET, Agent
from mi_asym.networks.memories import Gpt
from mi_asym.weights import OF_VECTORS, Weights, in_one_line, read_weights
from mirl.config import ConfigError

BLOCK = "seq_model.transformer.h.0."
"""Of the transformer; its matrices lie across, (inputs, outputs)."""
HEAD = {"fc0": "0", "fc1": "2", "last_fc": "4"}
CRITIC = {
    "observ_embedder.fc": "history.observation.linear",
    "action_embedder.fc": "history.action.linear",
    f"{BLOCK}ln_1": "history.memory.before_attention",
    f"{BLOCK}attn.c_attn": "history.memory.query_key_value",
    f"{BLOCK}attn.c_proj": "history.memory.projection",
    f"{BLOCK}ln_2": "history.memory.before_mlp",
    f"{BLOCK}mlp.c_fc": "history.memory.widen",
    f"{BLOCK}mlp.c_proj": "history.memory.narrow",
    "seq_model.transformer.ln_f": "history.memory.at_end",
    **{f"current_observ_embedder.{theirs}": f"shortcut.{ours}" for theirs, ours in OF_VECTORS.items()},
    **{f"qf.{theirs}": f"head.{ours}" for theirs, ours in HEAD.items()},
}
"""Layers of a transformer's critic on vectors, theirs -> ours."""
BESIDE = {
    "reconstructor": {f"recon.reconstructor.{theirs}": ours for theirs, ours in HEAD.items()},
    "phi": {f"state_embedder.{theirs}": ours for theirs, ours in OF_VECTORS.items()},
}
"""Parts that stand inside their critic and beside ours."""


def load_policy(agent: Agent, path: Path) -> None:
    """Read a released policy into an agent; raises ConfigError where it is absent, unreadable or of another kind."""
    history = getattr(agent.parts.get("critic"), "history", None)
    if not isinstance(getattr(history, "memory", None), Gpt) or "reconstructor" not in agent.parts:
        raise ConfigError(f"--policy {path} must be of method ours_gpt, whose released names alone are known")
    weights = read_weights(path)
    for part, module in agent.parts.items():
        network = "critic_target" if part == TARGET else "critic"
        try:
            module.load_state_dict(part_of(weights, network, BESIDE.get(part, CRITIC)))
        except (KeyError, RuntimeError) as error:
            raise ConfigError(f"{path} does not hold this task's {part}: {in_one_line(error)}") from None


def part_of(weights: Mapping[str, Tensor], network: str, layers: Mapping[str, str]) -> Weights:
    """The state dict of one part of ours."""
    found = {}
    for theirs, ours in layers.items():
        for kind in ("weight", "bias"):
            value = weights[f"{network}.{theirs}.{kind}"]
            across = value.dim() == 2 and theirs.startswith(BLOCK)
            found[f"{ours}.{kind}"] = value.T.contiguous() if across else value
    return found
