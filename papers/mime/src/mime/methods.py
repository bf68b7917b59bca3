"""All methods under one roof: the gradient-based family and PEARL answer the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mime import describe, evaluate, train
from mime.config import CONFIGS, MamlConfig
from mime.config import configure as configure_gradient_based
from mime.pearl import config as pearl_config
from mime.pearl import evaluate as pearl_evaluate
from mime.pearl import train as pearl_train
from mime.pearl.config import PearlConfig
from mime.pearl.rollout import make_world
from mirl.paper import EvaluateOptions
from mirl.run import Header, Run

METHODS = (*CONFIGS, "pearl")
Config = MamlConfig | PearlConfig


def configure(task: str, method: str, fidelity: str) -> Config:
    """The paper's values for a task and method; raises ConfigError for a task that PEARL does not know."""
    if method == "pearl":
        return pearl_config.configure(task, fidelity)
    return configure_gradient_based(task, method, fidelity)


def check(task: str, config: Config) -> None:
    """Raises ConfigError for a config that a task has no use for."""
    if isinstance(config, PearlConfig):
        make_world(task, config, 0)
    else:
        evaluate.environment_for(task, 0, config).close()


def train_method(run: Run, config: Config) -> None:
    """Train the method that a config belongs to."""
    if isinstance(config, PearlConfig):
        pearl_train.train(run, config)
    else:
        train.train(run, config)


def evaluate_method(directory: Path, header: Header, config: Config, options: EvaluateOptions) -> Mapping[str, float]:
    """Judge a run of the method that a config belongs to."""
    if isinstance(config, PearlConfig):
        return pearl_evaluate.evaluate(directory, header, config, options)
    return evaluate.evaluate(directory, header, config, options)


def parameter_counts(task: str, method: str) -> dict[str, int]:
    """Numbers in each network's parameters (card 5.1, 5.5, 5.9)."""
    config = configure(task, method, "faithful")
    if isinstance(config, PearlConfig):
        return pearl_evaluate.agent_for(make_world(task, config, 0), 0, "cpu").parameter_counts()
    return describe.parameter_counts(task, config)
