"""What a run is made of: one frozen dataclass per method, filled from the paper's YAML files (card 2.3)."""

from mime.config.methods import (
    EMamlConfig,
    MamlConfig,
    MamlExplConfig,
    MamlNoiseConfig,
    MimeConfig,
    require_positive,
    require_widths,
)
from mime.config.settings import (
    CONFIGS,
    FIDELITIES,
    FOLDER,
    SETTINGS_FILES,
    config_from,
    configure,
    convert,
    env_steps_per_iteration,
    paper_settings,
    read_settings,
    real_number,
    refuse_other_tasks_fields,
    whole_number,
)

__all__ = [
    "CONFIGS",
    "FIDELITIES",
    "FOLDER",
    "SETTINGS_FILES",
    "EMamlConfig",
    "MamlConfig",
    "MamlExplConfig",
    "MamlNoiseConfig",
    "MimeConfig",
    "config_from",
    "configure",
    "convert",
    "env_steps_per_iteration",
    "paper_settings",
    "read_settings",
    "real_number",
    "refuse_other_tasks_fields",
    "require_positive",
    "require_widths",
    "whole_number",
]
