"""Configs: the paper's values, what fidelities change, and one-line errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mi_asym.config import FIDELITIES, METHODS, configure, effective, pretrain_config
from mi_asym.envs import GRID_TASKS, ROBOT_TASKS, TASKS
from mi_asym.train import epsilon_after
from mirl.config import ConfigError, field_docstrings


def config(task: str, method: str, fidelity: str = "paper") -> Any:
    return configure(task, method, fidelity)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_every_method_of_a_task_has_documented_fields(task: str, fidelity: str):
    for method in METHODS:
        if method == "no_history" and task in ROBOT_TASKS:
            continue
        made = config(task, method, fidelity)
        assert set(field_docstrings(type(made))) == set(type(made).__dataclass_fields__)


def test_budgets_are_the_cards():
    assert config("heaven_hell", "ours_gpt").total_env_steps == 500_500
    assert config("carflag_2d", "ours_gpt").total_env_steps == 1_000_500
    assert config("block_pulling", "ours_gpt").total_env_steps == 40_500
    assert config("sphinx", "dtqn").critic_lr == 3e-5
    assert config("heaven_hell", "zero_on").batch_size == 256


def test_rows_of_the_cards_tables_are_resolved():
    robot = config("drawer_opening", "ours_gpt")
    assert (robot.critic_lr, robot.actor_lr, robot.temperature_lr) == (3e-4, 3e-4, 1e-3)
    assert (robot.loss_weight, robot.reward_weight, robot.initial_temperature) == (0.5, 0.1, 0.01)
    assert config("block_pulling", "dtqn").actor_lr == 1e-3
    assert config("block_pulling", "zp_gpt").zp_loss_weight == 0.1
    assert config("sphinx", "zp_gpt").observation_width == 112
    pushing = pretrain_config("block_pushing")
    assert (pushing.reward_loss_weight, pushing.disentangling_weight, pushing.dynamics_width) == (100.0, 1e-3, 1024)


def test_fidelities_change_the_ledgers_fields_alone():
    paper, faithful, fixed = (vars(config("carflag_2d", "ours_gru", fidelity)) for fidelity in FIDELITIES)
    assert {name for name in paper if paper[name] != faithful[name]} == {"loss_weight", "share_passes"}
    assert {name for name in paper if paper[name] != fixed[name]} == {"start", "time_out_ends", "pretrain_action"}
    assert config("block_pulling", "ours_gru", "faithful").loss_weight == 0.5
    assert config("heaven_hell", "ua", "faithful").history_target == "state_values"
    assert config("heaven_hell", "believer_gru", "faithful").belief_layout == "mixed"
    assert config("block_pulling", "believer_gru", "faithful").train_belief_policy is False


def test_exploration_falls_over_its_actions_and_stays():
    made = config("heaven_hell", "drqn")
    last = int(made.exploration_steps)
    assert last == 50_000
    assert epsilon_after(0, made) == 1.0
    assert epsilon_after(1, made) == pytest.approx(1.0 - 0.98 / 50_000)
    assert epsilon_after(last // 2, made) == pytest.approx(0.51)
    assert epsilon_after(last - 1, made) == pytest.approx(0.02 + 0.98 / 50_000)
    assert epsilon_after(last, made) == epsilon_after(10 * last, made) == pytest.approx(0.02)
    assert epsilon_after(0, config("block_pulling", "drqn")) == 0.0


def test_smaller_stages_cap_and_never_raise():
    made = replace(config("heaven_hell", "ours_gru"), smaller_stages="tiny", pretrain_epochs=1)
    small: Any = effective("heaven_hell", made)
    assert (small.collect_episodes, small.pretrain_epochs, small.pretrain_batch_size) == (30, 1, 100)
    assert effective("heaven_hell", small) == small
    assert effective("heaven_hell", config("heaven_hell", "drqn")) == config("heaven_hell", "drqn")


def test_the_replay_buffer_has_room_for_a_thousand_episodes():
    asked = replace(config("heaven_hell", "drqn"), replay_buffer_size=100)
    assert effective("heaven_hell", asked).replay_buffer_size == 50_000


@pytest.mark.parametrize("task", TASKS)
def test_only_methods_whose_terms_share_a_pass_can_be_told_to(task: str):
    methods = set(METHODS) - ({"no_history"} if task in ROBOT_TASKS else set())
    sharing = {method for method in methods if "share_passes" in vars(config(task, method))}
    of_grids = {"drqn", "dtqn", "zp_gru", "zp_gpt", "no_history"} if task in GRID_TASKS else set()
    assert sharing == {"ours_gru", "ours_gpt", *of_grids}


@pytest.mark.parametrize("task", GRID_TASKS[:1])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_env_steps", 0), ("batch_size", 0), ("sampled_seq_len", 51), ("discount", 1.5), ("tau", 0.0),
        ("updates_per_step", -1.0), ("dropout", 1.0), ("loss_weight", -1.0), ("schedule_end", 0.0),
        ("collect_random_episodes", 5000), ("pretrain_epochs", 0), ("state_embedder", "only one"), ("hidden_dims", ()),
    ],
)  # fmt: skip
def test_bad_values_get_one_line(task: str, field: str, value: object):
    with pytest.raises(ConfigError, match="--" + field.replace("_", "-")) as caught:
        replace(config(task, "ours_gru"), **{field: value})
    assert "\n" not in str(caught.value)


def test_a_grid_method_is_refused_on_robots():
    with pytest.raises(ConfigError, match="no method 'no_history' on block_pulling"):
        configure("block_pulling", "no_history", "paper")
