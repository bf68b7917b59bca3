"""The Bayesian dynamics model and the intrinsic reward: the card's numbers, plain twins, ledger switches."""

from __future__ import annotations

from dataclasses import replace

import plain
import pytest
import torch
import toys
from torch import Tensor

from mime.agent import MimeAgent
from mime.config import configure
from mime.dynamics import (
    DynamicsModel,
    first_adam_step,
    inner_loss,
    meta_gradient,
    minibatch_losses,
    outer_loss,
    prior_kl,
    transitions,
)
from mime.exploration import adam_steps_, intrinsic_rewards, log_likelihood_gradients
from mime.networks import dynamics_layout, initial_dynamics, softplus
from mime.objectives import normal_kl
from mime.streams import Streams, generator

CARD_REWARDS = torch.tensor(
    [
        [3.9315e-4, 4.1407e-4, 3.8916e-4, 3.4887e-4, 3.4887e-4],
        [3.2830e-4, 2.4992e-4, 2.8169e-4, 2.9224e-4, 2.9224e-4],
    ]
)


def card_transitions() -> tuple[Tensor, Tensor]:
    """The card's five steps of two trajectories (check 10): inputs (1, 4, 2, 4) and targets (1, 4, 2, 2)."""
    t = torch.arange(5.0)
    still = torch.zeros(5)
    observations = torch.stack(
        [torch.stack([0.1 * t, 0.2 - 0.1 * t], -1), torch.stack([0.3 * t - 0.2, 0.05 * t], -1)], dim=1
    )
    actions = torch.stack(
        [torch.stack([0.1 - 0.02 * t, still + 0.05], -1), torch.stack([still - 0.1, 0.03 * t], -1)], dim=1
    )
    return torch.cat([observations, actions], dim=-1)[None, :-1], observations[None, 1:]


def random_transitions(seed: int, tasks: int = 2, steps: int = 9, episodes: int = 3) -> tuple[Tensor, Tensor]:
    source = generator(seed, 0, "transitions")
    inputs = torch.randn(tasks, steps, episodes, 4, generator=source, dtype=torch.float64)
    return inputs, inputs[..., :2] + 0.1 * inputs[..., 2:].clamp(-1, 1)


def random_noise(model: DynamicsModel, seed: int, *leading: int) -> list[Tensor]:
    source = generator(seed, 0, "noise")
    return [torch.randn(shape, generator=source, dtype=torch.float64) for shape in model.noise_shapes(*leading)]


def random_parameters(model: DynamicsModel, seed: int) -> Tensor:
    return initial_dynamics(model.layout, model.prior_sd, generator(seed, 0, "dynamics")).double()


def test_weight_divergences_are_the_cards():
    model = DynamicsModel(dynamics_layout(1, (3,), 1), 0.5)  # 2-3-1
    old = toys.repeating_dynamics(model.layout, 0.5)
    named = {
        name: torch.full_like(v, 0.1) if name.endswith("mu") else v for name, v in model.layout.unflatten(old).items()
    }
    old = model.layout.flatten(named)
    assert float(prior_kl(model, old[None])) == pytest.approx(0.26, abs=1e-4)
    new = model.layout.flatten({n: v + (0.01 if n.endswith("mu") else 0.02) for n, v in named.items()})
    after, before = model.layout.unflatten(new), model.layout.unflatten(old)
    gain = sum(
        normal_kl(
            after[n], softplus(after[n.replace("mu", "rho")]), before[n], softplus(before[n.replace("mu", "rho")])
        )
        .sum()
        .item()
        for n in after
        if n.endswith("mu")
    )
    assert gain == pytest.approx(0.0058417, abs=1e-5)


def test_intrinsic_rewards_without_noise_are_the_cards():
    model = toys.dynamics_model()
    parameters = toys.repeating_dynamics(model.layout, 0.5)[None]
    noise = [torch.zeros(shape) for shape in model.noise_shapes(1, 4, 2, 3)]
    rewards = intrinsic_rewards(model, parameters, *card_transitions(), noise, 1e-3)
    torch.testing.assert_close(rewards[0].T, CARD_REWARDS, rtol=0.02, atol=0)


def test_prior_divergence_and_minibatch_loss_are_the_cards():
    model = toys.dynamics_model()
    parameters = toys.repeating_dynamics(model.layout, 0.5)[None]
    assert float(prior_kl(model, parameters)) == pytest.approx(18.34, abs=1e-3)
    inputs, targets = (part.flatten(1, 2)[:, None] for part in card_transitions())
    noise = [torch.zeros(shape) for shape in model.noise_shapes(1, 1, 3)]
    assert float(minibatch_losses(model, parameters, inputs, targets, noise)) == pytest.approx(114.011, abs=1e-2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prior_sd", [0.01, 0.5])
def test_intrinsic_rewards_equal_the_sequential_definition(seed: int, prior_sd: float):
    model = toys.dynamics_model(prior_sd)
    parameters = torch.stack([random_parameters(model, seed), random_parameters(model, seed + 10)])
    batch, noise = random_transitions(seed), random_noise(model, seed, 2, 9, 3, 3)
    fast = intrinsic_rewards(model, parameters, *batch, noise, 1e-3)
    slow = plain.exploration.intrinsic_rewards(model, parameters, *batch, noise, 1e-3)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-8)


def test_rounding_outweighs_ml10s_information_gain_in_single_precision():
    model = DynamicsModel(dynamics_layout(6, (64, 64), 4), 0.5)
    parameters = initial_dynamics(model.layout, model.prior_sd, generator(0, 0, "dynamics"))[None]
    draw = generator(0, 0, "transitions")
    inputs, targets = torch.randn(1, 30, 2, 10, generator=draw), torch.randn(1, 30, 2, 6, generator=draw)
    noise = [torch.randn(shape, generator=draw) for shape in model.noise_shapes(1, 30, 2, 3)]
    exact = intrinsic_rewards(
        model, parameters.double(), inputs.double(), targets.double(), [one.double() for one in noise], 1e-4
    )
    single, double = (
        intrinsic_rewards(model, parameters, inputs, targets, noise, 1e-4, precision)
        for precision in (None, torch.float64)
    )
    torch.testing.assert_close(double.double(), exact, rtol=0.05, atol=0)
    assert float((single == 0).double().mean()) > 0.1
    assert float(single.sum()) < 0.5 * float(exact.sum())


def test_per_transition_gradients_equal_autograd():
    model = toys.dynamics_model(0.3)
    parameters = random_parameters(model, 0)
    inputs, targets = random_transitions(0, tasks=1, steps=2, episodes=2)
    noise = random_noise(model, 0, 1, 2, 2, 3)
    fast = log_likelihood_gradients(model, parameters[None], inputs, targets, noise)
    for t in range(2):
        for b in range(2):
            leaf = parameters.clone().requires_grad_()
            epsilons = [layer[0, t, b] for layer in noise]
            value = plain.dynamics.log_likelihood(model, leaf, inputs[0, t, b][None], targets[0, t, b][None], epsilons)
            torch.testing.assert_close(fast[0, t, b], torch.autograd.grad(value, leaf)[0])


def test_the_moments_scan_equals_the_librarys_adam():
    gradients = torch.randn(1, 7, 1, 5, dtype=torch.float64, generator=generator(0, 0, "adam"))
    weights = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimiser, moves = torch.optim.Adam([weights], lr=0.01), []
    for gradient in gradients[0, :, 0]:
        before = weights.detach().clone()
        weights.grad = gradient.clone()
        optimiser.step()
        moves.append(weights.detach() - before)
    torch.testing.assert_close(adam_steps_(gradients.clone(), 0.01)[0, :, 0], torch.stack(moves))


def test_information_is_clipped_and_never_negative():
    model = toys.dynamics_model(0.01)
    inputs, targets = random_transitions(0)
    noise = random_noise(model, 0, 2, 9, 3, 3)
    parameters = random_parameters(model, 0).expand(2, -1)
    rewards = intrinsic_rewards(model, parameters, inputs, targets + 1e6, noise, 10.0)
    assert float(rewards.max()) == 1000.0
    assert float(rewards.min()) >= 0.0


@pytest.mark.parametrize("chunk", [8, 0, 27, 100])
@pytest.mark.parametrize("seed", range(2))
def test_losses_and_meta_gradient_equal_the_loop_over_tasks_chunks_and_samples(seed: int, chunk: int):
    model = toys.dynamics_model(0.3, chunk)
    parameters = random_parameters(model, seed)
    train, valid = random_transitions(seed), random_transitions(seed + 5)
    chunks = model.chunks_of(27)
    noises = {"inner 0": random_noise(model, seed, 2, chunks, 3), "outer": random_noise(model, seed + 1, 2, 1, 3)}
    both = parameters.expand(2, -1)
    for task in range(2):
        inputs, targets = (part[task].flatten(0, 1) for part in train)
        expected = plain.dynamics.inner_loss(model, parameters, inputs, targets, [n[task] for n in noises["inner 0"]])
        torch.testing.assert_close(inner_loss(model, both, train, noises["inner 0"])[task], expected)
    gradient, _ = meta_gradient(model, parameters, [train], valid, 1e-2, lambda purpose, _: noises[purpose])
    expected = plain.dynamics.meta_gradient(
        model, parameters, [train], valid, 1e-2, [noises["inner 0"]], noises["outer"]
    )
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-9)


def test_the_meta_gradient_agrees_with_finite_differences():
    model = toys.dynamics_model(0.5)
    parameters = random_parameters(model, 0)
    train, valid = random_transitions(0), random_transitions(1)
    noises = {"inner 0": random_noise(model, 0, 2, 4, 3), "outer": random_noise(model, 1, 2, 1, 3)}

    def objective(at: Tensor) -> float:
        _, adapted = meta_gradient(model, at, [train], valid, 1e-3, lambda purpose, _: noises[purpose])
        return float(outer_loss(model, adapted, valid, noises["outer"]).mean())

    gradient, _ = meta_gradient(model, parameters, [train], valid, 1e-3, lambda purpose, _: noises[purpose])
    direction = gradient / gradient.norm()
    difference = (objective(parameters + 1e-6 * direction) - objective(parameters - 1e-6 * direction)) / 2e-6
    assert float(gradient @ direction) == pytest.approx(difference, rel=1e-4)


def test_a_fresh_adam_moves_by_the_sign_of_the_gradient():
    gradient = torch.tensor([3.0, -0.2, 0.0])
    weights = torch.zeros(3, requires_grad=True)
    weights.grad = gradient.clone()
    torch.optim.Adam([weights], lr=0.01).step()
    torch.testing.assert_close(first_adam_step(gradient, 0.01), weights.detach())


def updated_twice(**changes: object) -> tuple[MimeAgent, list[Tensor]]:
    """An agent after two dynamics updates, and the gradient that each one kept."""
    config = replace(configure("wide_ring", "mime", "faithful"), dyn_first_updates=1, **changes)  # type: ignore[arg-type]
    agent, kept = MimeAgent(config, 2, 2, seed=0), []
    for iteration in range(2):
        agent.update_dynamics(toys.random_batch(iteration, torch.float32), Streams(0, iteration))
        kept.append(agent.dynamics_gradient.clone())
    return agent, kept


def test_gradients_accumulate_only_when_asked():
    _, accumulated = updated_twice(dynamics_gradients="accumulated")
    _, fresh = updated_twice(dynamics_gradients="fresh")
    torch.testing.assert_close(accumulated[0], fresh[0])
    torch.testing.assert_close(accumulated[1], fresh[0] + fresh[1], rtol=1e-3, atol=1e-5)


def test_a_dynamics_update_moves_every_parameter_by_the_step_size_times_tasks_squared():
    agent, _ = updated_twice()
    start = MimeAgent(agent.config, 2, 2, seed=0).dynamics
    moved = (agent.dynamics - start).abs()
    assert float(moved.max()) == pytest.approx(2 * 1e-4 * 3**2, rel=1e-3)


def test_only_the_last_chunk_is_seen_unless_the_whole_batch_is_asked_for():
    valid = random_transitions(0)
    changed = tuple(part.clone() for part in valid)
    changed[1][:, 0] += 1  # early rows
    for chunk, sees in ((8, False), (0, True)):
        model = toys.dynamics_model(0.5, chunk)
        parameters, noise = random_parameters(model, 0).expand(2, -1), random_noise(model, 0, 2, 1, 3)
        losses = [outer_loss(model, parameters, batch, noise) for batch in (valid, changed)]
        assert (not torch.equal(*losses)) == sees


def test_the_prior_counts_once_per_chunk_unless_the_whole_batch_is_asked_for():
    agents = {
        fidelity: MimeAgent(configure("wide_ring", "mime", fidelity), 2, 2, seed=0)
        for fidelity in ("faithful", "fixed")
    }
    assert agents["faithful"].model.chunks_of(1980) == 16
    assert agents["fixed"].model.chunks_of(1980) == 1


def test_transitions_pair_each_step_with_the_next_observation():
    episodes = toys.random_batch(0).valid.episodes
    inputs, targets = transitions(episodes)
    torch.testing.assert_close(inputs[..., :2], episodes.observations[:, :-1])
    torch.testing.assert_close(inputs[..., 2:], episodes.actions[:, :-1])
    torch.testing.assert_close(targets, episodes.observations[:, 1:])
