"""Configs: the card's values by task, what fixed changes, and what is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mirl.config import ConfigError
from sami.assembly import make_world
from sami.config import CONFIGS, TASKS_OF, CcmConfig, require_effect, training_tuples
from sami.evaluate import settings_to_test
from sami.fidelity import ENVIRONMENT_FIXES, FIDELITIES, FIXES, TASK_VALUES, configure
from sami.protocol import seed_of_tests
from sami.settings import TASKS, task_sets


def test_defaults_are_the_cards():
    config: Any = configure("halfcheetah", "saccm", "faithful")
    assert (config.batch_size, config.contrasted, config.buffer_size) == (16, 16, 100)
    assert (config.train_freq, config.gradient_steps, config.learning_rate) == (128, 16, 1e-3)
    assert (config.gamma, config.tau, config.encoder_tau) == (0.95, 0.05, 0.05)
    assert (config.context_size, config.context_hidden_size, config.hidden_sizes) == (6, 128, (512, 512, 512))
    assert (config.adversarial_loss_coef, config.negatives, config.evaluation_episodes) == (0.01, 8, 100)
    assert config.total_env_steps == 500_000 * config.slots


def test_launch_scripts_change_ant_and_panda():
    ant: Any = configure("ant", "saccm", "faithful")
    assert (ant.adversarial_loss_coef, ant.use_weighted_info_nce, ant.evaluation_episodes) == (0.1, True, 5)
    assert ant.horizon == 1999
    panda: Any = configure("panda", "saccm", "faithful")
    assert (panda.buffer_size, panda.batch_size, panda.contrasted, panda.horizon) == (1000, 252, 252, 50)
    assert panda.total_env_steps == 6_000_000


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", list(CONFIGS))
def test_fixed_differs_from_faithful_in_the_named_faults_alone(task: str, method: str):
    faithful, fixed = configure(task, method, "faithful"), configure(task, method, "fixed")
    differing = {name for name, value in vars(fixed).items() if value != getattr(faithful, name)}
    switches = {name for name in ENVIRONMENT_FIXES if task in TASKS_OF[name]}
    assert differing == (set(FIXES) | switches) & set(vars(fixed))


@pytest.mark.parametrize(
    ("task", "alpha", "buffer_size"),
    [("panda", 0.01, 333), ("halfcheetah", 1.0, 25), ("ant", 1.0, 12), ("hopper", 1.0, 12), ("slim_humanoid", 1.0, 25)],
)
def test_the_fidelity_paper_has_the_texts_settings(task: str, alpha: float, buffer_size: int):
    config: Any = configure(task, "saccm", "paper")
    assert (config.adversarial_loss_coef, config.buffer_size) == (alpha, buffer_size)
    assert buffer_size * config.slots * config.horizon <= 100_000 < (buffer_size + 1) * config.slots * config.horizon
    assert (config.batch_size, config.contrasted, config.batch_slots) == (12, 12, "one")
    assert (config.total_env_steps, config.evaluation_episodes) == (1_600_000, 100)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", list(CONFIGS))
def test_the_fidelity_paper_differs_from_faithful_in_the_texts_settings_alone(task: str, method: str):
    paper, faithful = configure(task, method, "paper"), configure(task, method, "faithful")
    differing = {name for name, value in vars(paper).items() if value != getattr(faithful, name)}
    stated = {"total_env_steps", "adversarial_loss_coef", "batch_size", "batch_slots", "buffer_size"}
    of_scripts = {"evaluation_episodes", "use_weighted_info_nce"} if task in TASK_VALUES else set()
    assert differing <= stated | of_scripts


@pytest.mark.parametrize(
    ("task", "values"),
    [
        ("walker", {"mask_leg": True}),
        ("halfcheetah", {"vary_damping": True}),
        ("walker", {"reward_version": "legacy"}),
        ("panda", {"legacy_capsule_mass": True}),
    ],
)
def test_a_switch_that_changes_nothing_on_a_task_is_refused(task: str, values: dict[str, Any]):
    with pytest.raises(ConfigError, match=f"changes nothing on {task} \\(only on ") as caught:
        require_effect(task, replace(configure(task, "tesac", "faithful"), **values))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_no_fidelity_turns_on_what_changes_nothing(task: str, fidelity: str):
    require_effect(task, configure(task, "saccm", fidelity))


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_the_ants_contrastive_set_has_the_originals_2001_rows_a_trajectory(fidelity: str):
    """Its episodes end at 1999 steps, one before the original's buffer does; the others' end with it (ledger 10)."""
    beyond = {}
    for task in TASKS:
        config = configure(task, "saccm", fidelity)
        assert isinstance(config, CcmConfig)
        beyond[task] = config.rows_beyond_horizon
        assert task != "ant" or config.horizon + config.rows_beyond_horizon == 2001
    assert beyond == dict.fromkeys(TASKS, 1) | {"ant": 2}


def test_methods_contrast_as_the_card_says():
    rules = {method: getattr(configure("ant", method, "faithful"), "contrast_selection", None) for method in CONFIGS}
    assert rules == {"tesac": None, "ccm": "env_diff", "satesac": "one", "saccm": "half"}


@pytest.mark.parametrize(
    ("batch", "share", "negatives"), [(16, 0.5, 8), (8, 0.01, 1), (8, 1.0, 7), (8, 0.0, 1), (12, 0.3, 3)]
)
def test_the_number_of_negatives_leaves_at_least_one_of_each(batch: int, share: float, negatives: int):
    config = replace(configure("walker", "satesac", "faithful"), contrast_batch_size=batch, negative_share=share)
    assert isinstance(config, CcmConfig)
    assert config.negatives == negatives


def test_slots_take_tuples_from_the_first_to_the_last():
    known = task_sets("halfcheetah")["training"].tuples
    for slots, taken in ((1, [0]), (2, [0, 3]), (4, [0, 1, 2, 3])):
        config = replace(configure("halfcheetah", "tesac", "faithful"), slots=slots, batch_size=8)
        assert training_tuples("halfcheetah", config) == tuple(known[number] for number in taken)


def test_given_tuples_replace_the_task_sets():
    given = replace(configure("halfcheetah", "tesac", "faithful"), slots=2, train_envs="[([0.5],[1.0]),([1.0],[2.0])]")
    assert training_tuples("halfcheetah", given) == (((0.5,), (1.0,)), ((1.0,), (2.0,)))


@pytest.mark.parametrize(
    ("method", "values", "complaint"),
    [
        ("tesac", {"gamma": 1.0}, "--gamma must be in \\[0, 1\\), got 1.0"),
        ("tesac", {"batch_size": 15}, "--batch-size must be a multiple of --slots, which is 4, got 15"),
        ("saccm", {"contrast_batch_size": 6}, "--contrast-batch-size must be a multiple of --slots"),
        ("ccm", {"slots": 1}, "--slots must be at least 2"),
        ("satesac", {"negative_share": 1.5}, "--negative-share must be in \\[0, 1\\], got 1.5"),
        ("satesac", {"adversarial_loss_coef": -1.0}, "--adversarial-loss-coef must be at least 0"),
        ("tesac", {"learning_rate": 0.0}, "--learning-rate must be positive"),
        ("tesac", {"tau": 0.0}, "--tau must be in"),
        ("tesac", {"hidden_sizes": ()}, "--hidden-sizes must be"),
        ("tesac", {"projections": ("tsnee",)}, "did you mean tsne"),
        ("tesac", {"horizon": 0}, "--horizon must be at least 1"),
        ("tesac", {"learning_starts": -1}, "--learning-starts must be at least 0"),
        ("ccm", {"contrast_training_interval": 0}, "--contrast-training-interval must be at least 1"),
        ("ccm", {"contrast_batch_size": 1}, "--contrast-batch-size must be 0 or at least 2"),
    ],
)
def test_bad_values_get_one_line(method: str, values: dict[str, Any], complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        replace(configure("halfcheetah", method, "faithful"), **values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"train_envs": "[([0.5],[1.0])]"}, "--slots must be the number of tuples in --train-envs, 1, got 4"),
        ({"train_envs": "mass 1"}, "--train-envs: 'mass 1' is not a list"),
        ({"slots": 8}, "--slots must be at most 4 on halfcheetah \\(main\\), got 8"),
        ({"task_set": "script"}, "no task_set 'script' for halfcheetah"),
    ],
)
def test_bad_tuples_get_one_line(values: dict[str, Any], complaint: str):
    config = replace(configure("halfcheetah", "tesac", "faithful"), **values)
    with pytest.raises(ConfigError, match=complaint) as caught:
        training_tuples("halfcheetah", config)
    assert "\n" not in str(caught.value)


def test_tests_play_other_episodes_than_a_training_of_the_same_seed():
    config = replace(configure("halfcheetah", "tesac", "faithful"), slots=1, batch_size=1)
    tuples = training_tuples("halfcheetah", config)
    training, test = (
        make_world("halfcheetah", config, tuples, seed).reset()
        for seed in (config.evaluation_seed, seed_of_tests(config))
    )
    assert not np.array_equal(training, test)


def test_a_training_is_judged_on_the_settings_that_its_task_set_has():
    script = replace(configure("ant", "tesac", "faithful"), task_set="script")
    assert list(settings_to_test("ant", script)) == ["script_training", "script_moderate"]
    assert list(settings_to_test("ant", configure("ant", "tesac", "faithful"))) == ["training", "moderate", "extreme"]
