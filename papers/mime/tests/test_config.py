"""Configs: the paper's values, the fidelities, and what bad values say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from mime.config import CONFIGS, FOLDER, SETTINGS_FILES, MimeConfig, config_from, configure, read_settings
from mirl.config import ConfigError, as_dictionary, from_dictionary

PAPER_STEPS = {
    "wide_ring": 4_120_000,
    "hard_exploration": 4_120_000,
    "close_ring": 12_360_000,
    "dog": 1_500_000,
    "pendulum": 4_120_000,
    "pendulum_sparse": 4_120_000,
    "ml10": 9_600_000,
}


@pytest.mark.parametrize("task", SETTINGS_FILES)
@pytest.mark.parametrize("method", CONFIGS)
def test_every_method_trains_for_the_papers_iterations(task: str, method: str):
    assert configure(task, method, "faithful").total_env_steps == PAPER_STEPS[task]


@pytest.mark.parametrize("task", SETTINGS_FILES)
def test_what_all_tasks_share_has_the_papers_values(task: str):
    config = configure(task, "mime", "faithful")
    assert isinstance(config, MimeConfig)
    assert (config.gae_lambda, config.hidden_sizes, config.max_kl, config.cg_iters) == (1.0, (64, 64), 0.01, 10)
    assert (config.cg_damping, config.ls_max_steps, config.ls_backtrack_ratio) == (1e-5, 15, 0.8)
    assert (config.num_steps, config.dyn_fast_lr, config.eta, config.first_order) == (1, 1e-4, 0.1, False)
    assert (config.evaluation_batches, config.evaluation_steps, config.evaluation_seed) == (3, 10, 1)


PAPER_VALUES = {
    # gamma, trajectories, fast-lr, tasks, dyn-hidden, dyn-lr, eta-lr, pre-epochs, dyn-prior-sd
    "wide_ring": (1.0, 20, 0.05, 10, (32,), 1e-4, 1000.0, 3, 0.01),
    "hard_exploration": (1.0, 20, 0.05, 10, (32,), 1e-4, 1000.0, 3, 0.01),
    "close_ring": (1.0, 20, 0.05, 10, (32,), 1e-4, 1000.0, 3, 0.01),
    "dog": (1.0, 10, 0.01, 10, (32,), 1e-4, 1000.0, 0, 0.01),
    "pendulum_sparse": (0.99, 20, 0.05, 20, (32,), 5e-4, 1000.0, 3, 0.5),
    "pendulum": (0.99, 20, 0.05, 20, (32,), 5e-4, 10.0, 3, 0.5),
    "ml10": (0.99, 10, 0.05, 20, (64, 64), 1e-4, 10.0, 10, 0.5),
}


@pytest.mark.parametrize("task", SETTINGS_FILES)
def test_what_tasks_differ_in_has_the_papers_values(task: str):
    config = configure(task, "mime", "faithful")
    names = ("gamma", "fast_batch_size", "fast_lr", "meta_batch_size", "dyn_hidden", "dyn_lr", "eta_lr", "pre_epochs",
             "dyn_prior_sd")  # fmt: skip
    assert tuple(getattr(config, name) for name in names) == PAPER_VALUES[task]


def test_a_maml_run_has_no_field_of_the_dynamics_model():
    names = {field.name for field in fields(configure("wide_ring", "maml", "faithful"))}
    assert not {name for name in names if name.startswith(("dyn", "eta", "pre"))}


def test_fixed_mends_every_fault_that_has_a_switch():
    faithful, fixed = (configure("wide_ring", "mime", fidelity) for fidelity in ("faithful", "fixed"))
    assert isinstance(faithful, MimeConfig)
    assert isinstance(fixed, MimeConfig)
    switches = ("dynamics_gradients", "dynamics_batch", "information_precision", "eta_update")
    assert [getattr(faithful, name) for name in switches] == ["accumulated", "chunks", "single", "before_policy"]
    assert [getattr(fixed, name) for name in switches] == ["fresh", "whole", "double", "after_policy"]
    assert configure("wide_ring", "maml", "faithful") == configure("wide_ring", "maml", "fixed")


SWITCHES = {
    "maml_noise": {"noise_sd": 1.0},
    "maml_expl": {"dynamics_gradients": "fresh", "dynamics_batch": "whole", "information_precision": "double"},
    "e_maml": {"exploration_credit": "return", "line_search_tasks": "all"},
}


@pytest.mark.parametrize("method", SWITCHES)
def test_fixed_differs_from_faithful_in_the_methods_switches_alone(method: str):
    faithful, fixed = (as_dictionary(configure("wide_ring", method, fidelity)) for fidelity in ("faithful", "fixed"))
    assert {name: value for name, value in fixed.items() if value != faithful[name]} == SWITCHES[method]


@pytest.mark.parametrize("method", CONFIGS)
def test_fixed_draws_every_pendulum(method: str):
    for task, expected in (("pendulum", "every"), ("pendulum_sparse", "every"), ("dog", "released")):
        assert configure(task, method, "fixed").pendulum_tasks == expected
        assert configure(task, method, "faithful").pendulum_tasks == "released"


@pytest.mark.parametrize(("fidelity", "expected"), [("faithful", 0.2), ("fixed", 0.3)])
def test_etas_value_comes_from_the_misnamed_key_unless_fixed(fidelity: str, expected: float):
    settings = read_settings(FOLDER / SETTINGS_FILES["wide_ring"]) | {"adaptable-eta": 0.2, "eta": 0.3}
    config = config_from(settings, "mime", fidelity)
    assert isinstance(config, MimeConfig)
    assert config.eta == expected


def test_a_missing_inner_step_size_of_the_dynamics_is_its_outer_one():
    settings = read_settings(FOLDER / SETTINGS_FILES["wide_ring"])
    assert config_from(settings | {"dyn-fast-lr": 3e-4}, "mime", "faithful").dyn_lr == 3e-4  # type: ignore[attr-defined]
    assert config_from(settings | {"dyn-lr": 5e-4}, "mime", "faithful").dyn_lr == 5e-4  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", CONFIGS)
def test_a_config_survives_its_dictionary(method: str):
    config = configure("close_ring", method, "fixed")
    assert from_dictionary(configure("close_ring", method, "faithful"), as_dictionary(config)) == config


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"fast_lr": -0.05}, "--fast-lr must be positive, got -0.05"),
        ({"fast_lr": float("nan")}, "--fast-lr must be positive, got nan"),
        ({"fast_batch_size": -3}, "--fast-batch-size must be at least 1, got -3"),
        ({"gamma": 1.5}, r"--gamma must be in \(0, 1\], got 1.5"),
        ({"hidden_sizes": ()}, r"--hidden-sizes must be one or more positive layer sizes, got \[\]"),
        ({"eta": 1.0}, r"--eta must be in \(0, 1\), got 1.0"),
        ({"first_order": True}, "--first-order must be off with mime"),
        ({"fast_batch_size": 1, "horizon": 1}, "unexpected keyword"),
    ],
)
def test_bad_values_name_the_flag_and_what_is_allowed(changes: dict[str, object], complaint: str):
    with pytest.raises((ConfigError, TypeError), match=complaint):
        MimeConfig(total_env_steps=1, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"gama": 1.0}, "did you mean gamma"),
        ({"total-env-steps": 5}, "no key 'total-env-steps' in mine.yaml"),
        ({"threads": 2}, "no key 'threads' in mine.yaml"),
        ({"dynamics-batch": "whole"}, "no key 'dynamics-batch' in mine.yaml"),
        ({5: 1.0}, "no key '5' in mine.yaml"),
        ({"normalize-spaces": True}, "normalize-spaces in .* must be False, got True"),
        ({"nonlinearity": "relu"}, "nonlinearity in .* must be tanh, got relu"),
        ({"fast-lr": "quick"}, "fast-lr must be a number, got quick"),
        ({"fast-batch-size": 2.5}, "fast-batch-size must be a whole number, got 2.5"),
        ({"hidden-sizes": 64}, "hidden-sizes must be a list of whole numbers, got 64"),
        ({"first-order": "maybe"}, "first-order must be true or false, got maybe"),
    ],
)
def test_bad_settings_files_get_one_line(tmp_path: Path, change: dict[str, object], complaint: str):
    path = tmp_path / "mine.yaml"
    settings = yaml.safe_load((FOLDER / SETTINGS_FILES["wide_ring"]).read_text())
    path.write_text(yaml.safe_dump(settings | change))
    with pytest.raises(ConfigError, match=complaint) as caught:
        config_from(read_settings(path), "mime", "faithful")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(read_settings(FOLDER / SETTINGS_FILES["wide_ring"])))
def test_a_settings_file_may_leave_out_nothing_but_what_has_a_default(tmp_path: Path, key: str):
    path = tmp_path / "mine.yaml"
    settings = yaml.safe_load((FOLDER / SETTINGS_FILES["wide_ring"]).read_text())
    del settings[key]
    path.write_text(yaml.safe_dump(settings))
    if key in ("pre-epochs", "eta-lr"):
        assert key not in read_settings(path)
        return
    with pytest.raises(ConfigError, match=f"mine.yaml lacks the key {key}|{key} in mine.yaml must be"):
        read_settings(path)


def test_mime_needs_etas_step_size_and_maml_does_not():
    settings = read_settings(FOLDER / SETTINGS_FILES["wide_ring"])
    del settings["eta-lr"]
    with pytest.raises(ConfigError, match="lack the key eta-lr") as caught:
        config_from(settings, "mime", "faithful")
    assert "\n" not in str(caught.value)
    assert config_from(settings, "maml", "faithful") == configure("wide_ring", "maml", "faithful")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "!!python/object/apply:os.system [ls]\n", ""])
def test_files_that_are_no_settings_get_one_line(tmp_path: Path, text: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)


def test_numbers_that_yaml_reads_as_text_are_numbers_all_the_same():
    settings = read_settings(FOLDER / SETTINGS_FILES["wide_ring"])
    assert config_from(settings | {"cg-damping": "1e-4"}, "maml", "faithful").cg_damping == 1e-4


def test_every_field_says_what_it_is():
    from mirl.config import field_docstrings

    for kind in CONFIGS.values():
        assert set(field_docstrings(kind)) == {field.name for field in fields(kind)}
