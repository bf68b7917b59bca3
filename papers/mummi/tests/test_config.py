"""Defaults as the card lists them, the two fidelities, and what no config may hold (test_cli.py has the lines)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mirl.config import ConfigError, describe_fields
from mummi.config import CONFIGS, FIXES, TASKS, configure
from mummi.envs import TASKS as WORLDS

CARD: dict[str, Any] = {
    "total_env_steps": 2000000, "eval_every": 10000, "log_every": 1000, "envs": 1, "parallel": "none",
    "action_repeat": 2, "time_limit": 1000, "prefill": 5000, "eval_noise": 0.0, "clip_rewards": "none",
    "deter_size": 200, "stoch_size": 30, "num_units": 400, "dense_act": "elu", "cnn_act": "relu", "cnn_depth": 32,
    "pcont": False, "free_nats": 3.0, "kl_scale": 1.0, "pcont_scale": 10.0, "weight_decay": 0.0,
    "weight_decay_pattern": ".*", "batch_size": 50, "batch_length": 50, "train_every": 1000, "train_steps": 100,
    "pretrain": 100, "model_lr": 0.0006, "value_lr": 8e-05, "actor_lr": 8e-05, "grad_clip": 30.0,
    "dataset_balance": False, "discount": 0.99, "disclam": 0.95, "horizon": 15, "action_init_std": 5.0,
    "expl_amount": 0.3, "expl_decay": 0.0, "expl_min": 0.0, "natural": True, "miss_ratio": 0.05, "max_miss_len": 15,
    "multi_modal": True,
}  # fmt: skip
"""The table of card 2.6."""
SEARCHES = {"trajectory_opt": True, "traj_opt_lr": 0.003, "forward_search": False, "num_samples": 20}


@pytest.mark.parametrize("method", CONFIGS)
def test_defaults_are_the_cards(method: str):
    config = configure("walker_walk", method, "faithful")
    expected = CARD | ({} if method == "dreamer" else SEARCHES)
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.touch_scale == (200.0 if method == "mummi" else 1.0)


def test_mummis_weights_and_constants():
    config = configure("walker_walk", "mummi", "faithful")
    expected = {"image_weight": 1, "depth_weight": 1, "touch_weight": 0.001, "poe_eps": 0.01, "mask_logit": -100,
                "embed_size": 1024, "kernel": "mse", "expert_weight": "inverse_std"}  # fmt: skip
    assert {name: getattr(config, name) for name in expected} == expected


@pytest.mark.parametrize("method", CONFIGS)
def test_fixed_differs_from_faithful_in_the_ledgers_switches_alone(method: str):
    faithful, fixed = (configure("walker_walk", method, fidelity) for fidelity in ("faithful", "fixed"))
    changed = {field.name for field in fields(faithful) if getattr(faithful, field.name) != getattr(fixed, field.name)}
    assert changed == set(FIXES[method])


A_MODALITY = "(image|depth|touch)"


def is_config(node: ast.expr) -> bool:
    """Whether an expression is `config` or `something.config`."""
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name == "config"


def pattern_of(node: ast.expr) -> str:
    """A regular expression of the strings that a constant or an f-string, filled with a modality, can be."""
    pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(piece.value) if isinstance(piece, ast.Constant) else A_MODALITY for piece in pieces)


def reads(tree: ast.AST, reader: Callable[[ast.expr], bool]) -> Iterator[str]:
    """Patterns of the attributes that code reads from what `reader` tells to be a config."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and reader(node.value):
            yield node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr" and reader(node.args[0]):
            yield pattern_of(node.args[1])


def read_by_the_room() -> str:
    """What code outside the config's own package reads of a config, itself or by a property of it."""
    room = Path(configure.__code__.co_filename).parents[1]
    outside = [path for path in room.rglob("*.py") if path.parent.name != "config"]
    found = {pattern for path in outside for pattern in reads(ast.parse(path.read_text()), is_config)}
    for path in (room / "config").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in found:
                found |= set(reads(node, lambda value: getattr(value, "id", "") == "self"))
    return "|".join(found)


@pytest.mark.parametrize("method", CONFIGS)
def test_every_field_is_documented_and_read(method: str):
    read = re.compile(read_by_the_room())
    for field in describe_fields(configure("walker_walk", method, "faithful")):
        assert field["help"], field["name"]
        assert read.fullmatch(field["name"]), f"{field['name']} is read by nothing but the config itself"


def test_tasks_are_the_environments():
    assert tuple(WORLDS) == TASKS


@pytest.mark.parametrize(("field", "value"), [("batch_length", 1), ("horizon", 1), ("max_miss_len", 1), ("prefill", 0)])
def test_sizes_that_make_no_sense_are_refused(field: str, value: int):
    with pytest.raises(ConfigError, match=field.replace("_", "-")):
        CONFIGS["mummi"](**{field: value})
