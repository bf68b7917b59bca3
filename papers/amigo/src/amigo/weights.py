"""model.tar, the original's file of weights: its names beside ours, written by a run and read back (card 6, 10)."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amigo.agent import Agent
from amigo.config import ImpalaConfig, configure
from amigo.envs import find_task
from mirl.config import ConfigError, as_dictionary, from_dictionary
from mirl.files import write_atomically, write_json
from mirl.run import Header

MODELS = {
    "default": "amigo",
    "window_adaptive": "amigo_adaptive",
    "window_addaptive": "amigo_adaptive",  # the README's spelling
    "novelty_based": "amigo_novelty",
}
"""The original's --model -> method."""
CELLS = {
    "embed_object": "stack.embeddings.object",
    "embed_color": "stack.embeddings.colour",
    "embed_contains": "stack.embeddings.state",
}
STUDENT = {
    **CELLS,
    "embed_agent_loc": "location",
    "embed_goal": "goal",
    **{f"feat_extract.{2 * i}": f"stack.convolutions.{i}" for i in range(5)},
    **{f"fc.{2 * i}": f"hidden.{i}" for i in range(2)},
    "lstm": "lstm",
    "policy": "policy",
    "baseline": "baseline",
}
"""Module in the original's file -> ours. No released file has an LSTM, whose name here is our own."""
TEACHER = {
    **CELLS,
    **{f"extract_representation.{2 * i}": f"stack.convolutions.{i}" for i in range(4)},
    "baseline_teacher": "baseline",
}
PLAYED_WITH = ("modify", "use_lstm", "num_lstm_layers", "state_embedding_dim", "fix_seed", "env_seed", "goal_layout",
               "trains_teacher")  # fmt: skip
"""Flags that decide what the test protocol plays."""


@dataclass(frozen=True)
class Weights:
    """What a model.tar holds."""

    path: Path
    task: str
    methods: tuple[str, ...]
    """Whose weights they may be: the authors' own files do not say whether their teacher adapts."""
    config: ImpalaConfig
    student: dict[str, Tensor]
    """In our names, like `teacher`, which is empty without one."""
    teacher: dict[str, Tensor]

    def agent(self) -> Agent:
        """An agent with these weights, on the CPU; raises ConfigError where they do not fit the task's networks."""
        agent = Agent(self.task, self.config, 0)
        try:
            agent.student.network.load_state_dict(self.student)
            agent.student.prepare()
            if agent.teacher is not None:
                agent.teacher.network.load_state_dict(self.teacher)
                agent.teacher.prepare()
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"--weight_path {self.path} does not fit {self.task}: {reason[:200]}") from None
        return agent


def read_weights(path: Path) -> Weights:
    """A model.tar of the original's or of ours; raises ConfigError, naming --weight_path, for any other file."""
    require_file(path)
    try:
        model = torch.load(path, weights_only=True, map_location="cpu")
        flags, student = model["flags"], in_our_names(model["model_state_dict"], STUDENT)
        teacher = in_our_names(model.get("generator_model_state_dict", {}), TEACHER)
        task = find_task(flags["env"]).name
        methods = methods_of(flags.get("model"), "goal" in {name.partition(".")[0] for name in student}, bool(teacher))
        config = config_of(task, methods[0], flags)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ConfigError(f"--weight_path {path} is not a model.tar of AMIGo: {reason}") from None
    return Weights(path, task, methods, config, student, teacher)


def require_file(path: Path) -> None:
    """Raises ConfigError where there is none."""
    if not path.is_file():
        raise ConfigError(f"--weight_path {path} does not exist")


def methods_of(model: str | None, has_goals: bool, has_teacher: bool) -> tuple[str, ...]:
    """Methods that weights may be of; `model` is the file's --model, which the authors' program does not have."""
    if model is not None:
        return (MODELS[model],) if has_teacher or model == "novelty_based" else ("impala",)
    return ("amigo", "amigo_adaptive") if has_goals else ("amigo_novelty",)


def config_of(task: str, method: str, flags: Mapping[str, Any]) -> ImpalaConfig:
    """The method's config with what the file's flags say of how it plays."""
    default = configure(task, method, "paper")
    played = {name: flags[name] for name in PLAYED_WITH if name in flags and hasattr(default, name)}
    for name, value in played.items():
        if type(value) is not type(getattr(default, name)):
            raise ValueError(f"its flag {name} is {value!r}")
    return from_dictionary(default, played)


def in_our_names(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The original's names -> ours; raises ValueError for a name that it does not have."""
    found = {}
    for name, tensor in tensors.items():
        module, _, parameter = name.rpartition(".")
        if module not in names:
            raise ValueError(f"it has a tensor {name}")
        found[f"{names[module]}.{parameter}"] = tensor
    return found


def in_original_names(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The inverse of `in_our_names`."""
    theirs = {ours: name for name, ours in names.items()}
    parts = {name: name.rpartition(".") for name in tensors}
    return {f"{theirs[module]}.{parameter}": tensors[name] for name, (module, _, parameter) in parts.items()}


def cloned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU: the parameters are views of one vector, which would be saved whole with each."""
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def write_weights(directory: Path, header: Header, config: ImpalaConfig, agent: Agent, finished: bool) -> None:
    """model.tar and meta.json. The original's meta.json holds the process's environment; this one does not."""
    flags = original_flags(header, config)
    model: dict[str, Any] = {
        "model_state_dict": in_original_names(cloned(agent.student.network.state_dict()), STUDENT),
        "optimizer_state_dict": cloned(agent.student.optimiser.state()),
        "scheduler_state_dict": {"last_epoch": agent.student.updates},
        "flags": flags,
    }
    if agent.teacher is not None:
        model |= {
            "generator_model_state_dict": in_original_names(cloned(agent.teacher.network.state_dict()), TEACHER),
            "generator_model_optimizer_state_dict": cloned(agent.teacher.optimiser.state()),
            "generator_scheduler_state_dict": {"last_epoch": agent.teacher.updates},
        }
    buffer = io.BytesIO()  # torch reports a full disk by an error of its own; write_atomically names the file
    torch.save(model, buffer)
    write_atomically(directory / "model.tar", buffer.getvalue())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(directory / "meta.json", {"args": flags, "date_end": now if finished else None, "successful": finished})


def original_flags(header: Header, config: ImpalaConfig) -> dict[str, Any]:
    """The config in the original's names."""
    values = as_dictionary(config)
    model = {method: model for model, method in reversed(MODELS.items())}.get(header.method, "default")
    total = values.pop("total_env_steps")
    return {"env": f"MiniGrid-{header.task}-v0", "model": model, "total_frames": total, "seed": header.seed} | values
