"""Every number of an experiment: one frozen dataclass a method."""

from mummi.config.methods import CONFIGS, FIDELITIES, FIXES, TASKS, CvrlConfig, DreamerConfig, MummiConfig, configure
from mummi.config.shared import Config

__all__ = [
    "CONFIGS", "FIDELITIES", "FIXES", "TASKS", "Config", "CvrlConfig", "DreamerConfig", "MummiConfig", "configure",
]  # fmt: skip
