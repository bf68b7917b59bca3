"""Configs: every field is explained, the fidelities, and what bad values say."""

from __future__ import annotations

from dataclasses import fields

import pytest

from mirl.config import ConfigError, as_dictionary, field_docstrings, from_dictionary
from newpaper.config import CONFIGS, BaselineConfig, configure


@pytest.mark.parametrize("method", CONFIGS)
def test_every_field_says_what_it_is(method: str):
    assert {field.name for field in fields(CONFIGS[method])} == set(field_docstrings(CONFIGS[method]))


@pytest.mark.parametrize("method", CONFIGS)
def test_a_config_is_read_back_as_it_was_written(method: str):
    config = configure("cartpole", method, "fixed")
    assert from_dictionary(configure("cartpole", method, "faithful"), as_dictionary(config)) == config


def test_fixed_keeps_the_gradients_discount():
    assert configure("cartpole", "reinforce", "faithful").gradient_discount == "left_out"
    assert configure("cartpole", "reinforce", "fixed").gradient_discount == "kept"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("total_env_steps", 0, "at least 1"),
        ("discount", 1.5, r"in \(0, 1\]"),
        ("learning_rate", 0.0, "positive"),
        ("value_learning_rate", -0.1, "positive"),
        ("hidden_sizes", (8, 0), "each at least 1"),
        ("evaluation_every", -1, "at least 0"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(field: str, value: object, allowed: str):
    with pytest.raises(ConfigError, match=f"--{field.replace('_', '-')} must be {allowed}, got"):
        BaselineConfig(**{field: value})  # type: ignore[arg-type]
