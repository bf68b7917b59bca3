"""What a run is made of: one frozen dataclass per method, in a form for grids (DQN) and one for robots (SAC)."""

from mi_asym.config.fields import BelieverFields, TrainConfig
from mi_asym.config.stages import CollectConfig, EmbedderFields, PretrainConfig
from mi_asym.config.tables import FIDELITIES, MEMORYLESS, METHODS, collect_config, configure, effective, pretrain_config

__all__ = [
    "FIDELITIES",
    "MEMORYLESS",
    "METHODS",
    "BelieverFields",
    "CollectConfig",
    "EmbedderFields",
    "PretrainConfig",
    "TrainConfig",
    "collect_config",
    "configure",
    "effective",
    "pretrain_config",
]
