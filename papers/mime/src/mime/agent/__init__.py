"""The agents: how they collect a meta-batch and what they learn from it, a file per method."""

from __future__ import annotations

from mime.agent.e_maml import EMamlAgent
from mime.agent.exploration import MamlExplAgent
from mime.agent.maml import MamlAgent
from mime.agent.mime import MimeAgent
from mime.agent.noise import MamlNoiseAgent
from mime.config import EMamlConfig, MamlConfig, MamlExplConfig, MamlNoiseConfig, MimeConfig

__all__ = ["EMamlAgent", "MamlAgent", "MamlExplAgent", "MamlNoiseAgent", "MimeAgent", "make_agent"]

AGENTS: dict[type[MamlConfig], type[MamlAgent]] = {
    MamlConfig: MamlAgent,
    MamlNoiseConfig: MamlNoiseAgent,
    MamlExplConfig: MamlExplAgent,
    MimeConfig: MimeAgent,
    EMamlConfig: EMamlAgent,
}


def make_agent(
    config: MamlConfig,
    observation_size: int,
    action_size: int,
    seed: int,
    device: str = "cpu",
    dynamics_size: int | None = None,
) -> MamlAgent:
    """The agent that a config belongs to; the other arguments are `MamlAgent`'s."""
    return AGENTS[type(config)](config, observation_size, action_size, seed, device, dynamics_size)
