"""One config per method: the fields of its family and what the method adds."""

from __future__ import annotations

from dataclasses import dataclass

from mi_asym.config.fields import (
    AsymmetricFields,
    BelieverFields,
    DqnFields,
    ExpertFields,
    MarkovFields,
    MemoryFields,
    OursFields,
    SacFields,
    SharedPassFields,
    TrainConfig,
    ZeroFields,
    ZpFields,
)
from mi_asym.config.stages import CacheFields, CollectConfig, EmbedderFields


@dataclass(frozen=True, kw_only=True)
class DqnConfig(TrainConfig, DqnFields):
    """Double DQN, on grids."""

    @property
    def exploration_steps(self) -> float:
        """Policy actions over which exploration falls (card 5.4)."""
        return self.schedule_end * max(self.total_env_steps - 50 * self.start_training, 1)


@dataclass(frozen=True, kw_only=True)
class SacConfig(TrainConfig, SacFields):
    """Soft actor-critic, on robots."""


@dataclass(frozen=True, kw_only=True)
class MemoryDqnConfig(DqnConfig, MemoryFields, SharedPassFields):
    """DRQN and DTQN: history only."""


@dataclass(frozen=True, kw_only=True)
class OursDqnConfig(MemoryDqnConfig, OursFields, EmbedderFields):
    """The paper's method on grids; with the memory `mlp` its ablation without history."""


@dataclass(frozen=True, kw_only=True)
class ZpDqnConfig(MemoryDqnConfig, ZpFields):
    """ZP-DRQN and ZP-DTQN."""


@dataclass(frozen=True, kw_only=True)
class AsymmetricDqnConfig(DqnConfig, MemoryFields, AsymmetricFields):
    """BA-DTQN and UA-DTQN."""


@dataclass(frozen=True, kw_only=True)
class BelieverDqnConfig(DqnConfig, MemoryFields, BelieverFields, CollectConfig, CacheFields):
    """Believer on grids."""


@dataclass(frozen=True, kw_only=True)
class ZeroDqnConfig(DqnConfig, ZeroFields, EmbedderFields):
    """Feature test on grids: zero_on and zero_off."""


@dataclass(frozen=True, kw_only=True)
class MdpDqnConfig(DqnConfig, MarkovFields):
    """Fully observed reference on grids."""


@dataclass(frozen=True, kw_only=True)
class MemorySacConfig(SacConfig, MemoryFields):
    """RSAC and TSAC: history only."""


@dataclass(frozen=True, kw_only=True)
class OursSacConfig(MemorySacConfig, SharedPassFields, OursFields, EmbedderFields):
    """The paper's method on robots."""


@dataclass(frozen=True, kw_only=True)
class ZpSacConfig(MemorySacConfig, ZpFields):
    """ZP-RSAC and ZP-TSAC."""


@dataclass(frozen=True, kw_only=True)
class AsymmetricSacConfig(MemorySacConfig):
    """BA-TSAC and UA-TSAC; the state's embedding is as wide as the observation's."""


@dataclass(frozen=True, kw_only=True)
class BelieverSacConfig(MemorySacConfig, BelieverFields, CollectConfig, CacheFields):
    """Believer on robots."""


@dataclass(frozen=True, kw_only=True)
class ZeroSacConfig(SacConfig, ZeroFields, ExpertFields, EmbedderFields):
    """Feature test on robots: zero_on and zero_off."""


@dataclass(frozen=True, kw_only=True)
class MdpSacConfig(SacConfig, MarkovFields, ExpertFields):
    """Fully observed reference on robots."""
