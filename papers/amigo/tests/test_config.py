"""Configs: the recipes' values, the fidelities, and what bad values say."""

from __future__ import annotations

from dataclasses import fields

import pytest

from amigo.config import (
    CONFIGS,
    FIDELITIES,
    SUITE_TASKS,
    TASKS,
    AmigoAdaptiveConfig,
    AmigoConfig,
    AmigoNoveltyConfig,
    ImpalaConfig,
    configure,
)
from mirl.config import ConfigError, as_dictionary, field_docstrings, from_dictionary

FRAMES = {"Empty-8x8": 6e5, "KeyCorridorS3R3": 3e7, "ObstructedMaze-1Dl": 3e7, "KeyCorridorS4R3": 6e8,
          "KeyCorridorS5R3": 6e8, "ObstructedMaze-2Dlhb": 6e8, "ObstructedMaze-1Q": 6e8}  # fmt: skip


@pytest.mark.parametrize("task", FRAMES)
def test_every_task_trains_for_its_recipes_frames(task: str):
    assert {configure(task, method, "paper").total_env_steps for method in CONFIGS} == {int(FRAMES[task])}


def test_amigo_has_the_papers_values():
    config = configure("KeyCorridorS3R3", "amigo", "paper")
    assert isinstance(config, AmigoConfig)
    assert (config.num_actors, config.batch_size, config.unroll_length, config.modify) == (40, 8, 100, True)
    assert (config.discounting, config.entropy_cost, config.baseline_cost) == (0.99, 0.0005, 0.5)
    assert (config.learning_rate, config.generator_learning_rate, config.generator_entropy_cost) == (1e-3, 2e-3, 0.05)
    assert (config.alpha, config.momentum, config.epsilon, config.grad_norm) == (0.99, 0.0, 0.01, 40.0)
    assert (config.generator_batch_size, config.generator_reward_negative) == (150, -0.3)
    assert config.generator_threshold == -0.5
    assert (config.generator_counts, config.generator_maximum, config.intrinsic_reward_coef) == (10, 100, 1.0)
    assert (config.overlap, config.teacher_frame, config.learner_goal) == (True, "initial", "slot")


def test_the_fork_differs_from_the_paper_where_the_card_says_so():
    config = configure("KeyCorridorS3R3", "amigo", "readme")
    assert isinstance(config, AmigoConfig)
    assert (config.overlap, config.teacher_frame, config.lstm_start) == (False, "current", "zeros")
    assert config.generator_threshold == -0.1
    adaptive = configure("KeyCorridorS3R3", "amigo_adaptive", "readme")
    assert isinstance(adaptive, AmigoAdaptiveConfig)
    assert (adaptive.window, adaptive.first_target, adaptive.window_reward) == (50.0, 7, "any")
    assert adaptive.generator_threshold == -0.5
    novelty = configure("KeyCorridorS3R3", "amigo_novelty", "readme")
    assert isinstance(novelty, AmigoNoveltyConfig)
    assert (novelty.num_actors, novelty.novelty_gradients, novelty.novelty_loss_cost) == (10, "accumulated", 1.0)


def test_the_branch_has_its_own_window_and_trains_a_teacher_beside_novelty():
    adaptive = configure("KeyCorridorS3R3", "amigo_adaptive", "branch")
    assert isinstance(adaptive, AmigoAdaptiveConfig)
    assert (adaptive.window, adaptive.first_target, adaptive.window_reward) == (100.0, 100, "reached")
    novelty = configure("KeyCorridorS3R3", "amigo_novelty", "branch")
    assert isinstance(novelty, AmigoNoveltyConfig)
    assert (novelty.trains_teacher, novelty.novelty_loss_cost, novelty.novelty_gradients) == (True, 0.1, "fresh")


def test_fixed_mends_every_fault_that_has_a_switch():
    switches = {
        "overlap": True, "lstm_start": "stored", "student_schedule": "behind", "success_bonus": "with_extrinsic",
        "teacher_frame": "initial", "learner_goal": "acted", "done_and_reached": "once", "goal_layout": "aligned",
        "teacher_schedule": "frames", "generator_threshold": -0.1, "window_reward": "reached",
        "novelty_gradients": "fresh", "first_frame_counts_in": "new",
    }  # fmt: skip
    for method in CONFIGS:
        config = configure("KeyCorridorS3R3", method, "fixed")
        found = {name: value for name, value in vars(config).items() if name in switches}
        assert found == {name: switches[name] for name in found}
        assert set(found) == set(switches) & {field.name for field in fields(config)}


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("method", CONFIGS)
def test_a_config_survives_its_dictionary(method: str, fidelity: str):
    config = configure("ObstructedMaze-1Q", method, fidelity)
    assert from_dictionary(configure("ObstructedMaze-1Q", method, "paper"), as_dictionary(config)) == config


def test_the_experiments_come_first_and_every_task_of_the_families_is_known():
    assert TASKS[: len(SUITE_TASKS)] == SUITE_TASKS
    assert {"KeyCorridorS6R3", "ObstructedMaze-Full", "Empty-16x16"} <= set(TASKS)
    assert len(set(TASKS)) == len(TASKS)


def test_impala_has_no_field_of_the_teacher():
    names = {field.name for field in fields(configure("Empty-8x8", "impala", "paper"))}
    assert not {name for name in names if name.startswith(("generator", "novelty", "window", "intrinsic"))}


def test_the_adaptive_teacher_has_no_field_of_the_climbing_one():
    names = {field.name for field in fields(configure("Empty-8x8", "amigo_adaptive", "paper"))}
    others = {"generator_maximum", "generator_loss_form", "generator_target", "target_variance"}
    assert not names & {*others, "generator_reward_coef"}
    assert others < {field.name for field in fields(configure("Empty-8x8", "amigo", "paper"))}


@pytest.mark.parametrize(
    ("method", "changes", "complaint"),
    [
        ("impala", {"learning_rate": -0.1}, "--learning-rate must be positive, got -0.1"),
        ("impala", {"learning_rate": float("nan")}, "--learning-rate must be positive, got nan"),
        ("impala", {"batch_size": 0}, "--batch-size must be at least 1, got 0"),
        ("impala", {"actor_groups": 0}, "--actor-groups must be at least 1, got 0"),
        ("amigo", {"actor_groups": 3}, "--actor-groups must be a divisor of num_actors, 40, got 3"),
        (
            "impala",
            {"total_env_steps": 799},
            "--total-env-steps must be at least 800, the frames of one .*, got 799",
        ),
        (
            "impala",
            {"total_env_steps": 807, "overlap": False},
            "must be at least 808, the frames of one",
        ),
        ("impala", {"discounting": 1.1}, r"--discounting must be in \[0, 1\], got 1.1"),
        ("impala", {"momentum": 1.0}, r"--momentum must be in \[0, 1\), got 1.0"),
        ("impala", {"entropy_cost": -1.0}, "--entropy-cost must be at least 0 and finite, got -1.0"),
        ("amigo", {"generator_counts": 0}, "--generator-counts must be at least 1, got 0"),
        ("amigo", {"generator_threshold": float("inf")}, "--generator-threshold must be finite, got inf"),
        ("amigo", {"target_variance": 0.0}, "--target-variance must be positive, got 0.0"),
        ("amigo_adaptive", {"window": -1.0}, "--window must be at least 0 and finite, got -1.0"),
        ("amigo_novelty", {"novelty_coefficient": -0.1}, "--novelty-coefficient must be at least 0"),
    ],
)
def test_bad_values_name_the_flag_and_what_is_allowed(method: str, changes: dict[str, object], complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        CONFIGS[method](**{"total_env_steps": 1_000} | changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_every_field_says_what_it_is():
    for kind in (ImpalaConfig, *CONFIGS.values()):
        assert set(field_docstrings(kind)) == {field.name for field in fields(kind)}
