"""Networks: order, sizes and initial values of their parameters, against the card's numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import toys

from mime.config import configure
from mime.evaluate import agent_for, run_tests
from mime.networks import (
    MIN_LOG_SD,
    dynamics_layout,
    initial_dynamics,
    initial_policy,
    policy_layout,
    policy_log_sd,
    policy_mean,
)
from mime.objectives import action_log_probability, initial_eta


@pytest.mark.parametrize(
    ("observation", "action", "count"), [(2, 2, 4484), (3, 2, 4548), (3, 1, 4482), (12, 4, 5256), (39, 4, 6984)]
)
def test_policies_have_the_papers_parameter_counts(observation: int, action: int, count: int):
    assert policy_layout(observation, (64, 64), action).size == count


@pytest.mark.parametrize(
    ("observation", "hidden", "action", "count"),
    [(2, (32,), 2, 452), (3, (32,), 2, 582), (3, (32,), 1, 518), (6, (64, 64), 4, 10508)],
)
def test_dynamics_models_have_the_papers_parameter_counts(observation: int, hidden: tuple, action: int, count: int):
    assert dynamics_layout(observation, hidden, action).size == count


def test_policy_parameters_stand_in_the_papers_order():
    names = ["sigma", "layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias", "mu.weight", "mu.bias"]
    assert list(policy_layout(2, (64, 64), 2).shapes) == names


@pytest.mark.parametrize(("prior_sd", "rho"), [(0.01, -4.600165), (0.5, -0.432752)])
def test_initial_dynamics_stand_at_the_priors_spread_with_standard_normal_means(prior_sd: float, rho: float):
    layout = dynamics_layout(2, (32,), 2)
    named = layout.unflatten(initial_dynamics(layout, prior_sd, torch.Generator().manual_seed(0)))
    assert float(named["layers.0.rho"].max()) == pytest.approx(rho, abs=1e-4)
    assert float(named["layers.1.b_rho"].min()) == pytest.approx(rho, abs=1e-4)
    means = torch.cat([named[name].flatten() for name in named if name.endswith("mu")])
    assert abs(float(means.mean())) < 0.2
    assert float(means.std()) == pytest.approx(1.0, abs=0.15)


def test_initial_eta_is_the_logit_of_a_tenth():
    assert float(initial_eta(0.1)) == pytest.approx(-2.197225, abs=1e-5)


def test_initial_policies_have_unit_spread_and_xavier_weights():
    layout = policy_layout(2, (64, 64), 2)
    named = layout.unflatten(initial_policy(layout, torch.Generator().manual_seed(0)))
    assert not named["sigma"].any()
    assert not named["layer2.bias"].any()
    assert float(named["layer2.weight"].abs().max()) == pytest.approx(math.sqrt(6 / 128), rel=0.01)


def test_flat_parameters_survive_a_round_trip():
    layout, parameters = toys.random_policy(0)
    both = torch.stack([parameters, -parameters])
    torch.testing.assert_close(layout.flatten(layout.unflatten(both)), both, rtol=0, atol=0)


def test_the_toy_policy_gives_the_cards_means_scales_and_probabilities():
    layout = policy_layout(2, (64, 64), 2)
    parameters = toys.repeating(layout, 20.0)[None]
    mean = policy_mean(layout, parameters, torch.tensor([[[0.5, -1.0], [2.0, 0.25]]]))
    torch.testing.assert_close(mean[0], torch.tensor([[-1.0655, -1.6253], [-2.1418, -2.0021]]), rtol=0, atol=1e-4)
    log_sd = policy_log_sd(layout, parameters)
    torch.testing.assert_close(log_sd.exp()[0], torch.tensor([0.8607, 0.9048]), rtol=0, atol=1e-4)
    log_probability = action_log_probability(mean, log_sd, torch.zeros(1, 2, 2))
    torch.testing.assert_close(log_probability[0], torch.tensor([-3.9672, -7.1317]), rtol=0, atol=1e-4)


def test_standard_deviations_never_fall_below_a_millionth():
    layout = policy_layout(2, (64, 64), 2)
    assert float(policy_log_sd(layout, torch.full((layout.size,), -50.0)).min()) == pytest.approx(MIN_LOG_SD)


def test_the_default_initial_weights_are_those_of_the_published_runs():
    agent = agent_for("wide_ring", configure("wide_ring", "mime", "faithful"), 0, "cpu")
    policy, dynamics = agent.policy[[2, 100, 4000]], agent.dynamics[[0, 5, 260]]
    torch.testing.assert_close(policy, torch.tensor([-0.089919023, 0.067376107, -0.172130182]), rtol=0, atol=1e-8)
    torch.testing.assert_close(dynamics, torch.tensor([1.363328218, 0.301003307, -0.305697024]), rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", ["maml", "maml_noise", "e_maml", "maml_expl", "mime"])
def test_released_weights_are_drawn_as_one_global_seed_draws_them(method: str):
    config = replace(configure("dog", method, "faithful"), initial_weights="released")
    agent = agent_for("dog", config, 10, "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(10)
        layers = {"layer1": torch.nn.Linear(3, 64), "layer2": torch.nn.Linear(64, 64), "mu": torch.nn.Linear(64, 2)}
        for layer in layers.values():
            torch.nn.init.xavier_uniform_(layer.weight)
        means = [torch.randn(shape) for shape in ((5, 32), (32,), (32, 3), (3,))]
    policy = agent.layout.unflatten(agent.policy)
    assert all(torch.equal(policy[f"{name}.weight"], layer.weight) for name, layer in layers.items())
    assert not any(policy[f"{name}.bias"].any() for name in layers)
    assert not policy["sigma"].any()
    if method in ("maml_expl", "mime"):
        dynamics = agent.model.layout.unflatten(agent.dynamics)
        drawn = [dynamics[f"layers.{layer}.{part}"] for layer in (0, 1) for part in ("mu", "b_mu")]
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(drawn, means, strict=True))


@pytest.mark.parametrize(
    ("seed", "low", "high"),
    [(25, (3.3, 3.4), (4.4, 5.7)), (10, (0.0, 0.0), (3.2, 2.3))],
    ids=["25: two doors below the first dog", "10: in the first room"],
)
def test_untrained_mamls_released_weights_end_where_the_released_picture_shows_it(seed: int, low: tuple, high: tuple):
    settings = {"initial_weights": "released", "evaluation_batches": 1, "evaluation_steps": 0}
    config = replace(configure("dog", "maml", "faithful"), **settings)
    (batch,) = run_tests(agent_for("dog", config, seed, "cpu"), config, "dog")
    ends = batch.adapted.observations[:, -1, :, :2]
    assert bool((ends > torch.tensor(low)).all() and (ends < torch.tensor(high)).all())
    assert not batch.adapted.rewards.any()
