"""The policy's derivatives and updates: the card's toy step, plain twins, finite differences."""

from __future__ import annotations

from dataclasses import replace

import plain
import pytest
import torch
import toys
from torch import Tensor

from mime.adaptation import adapt
from mime.agent import MamlAgent, MimeAgent
from mime.config import configure
from mime.curvature import PolicyPass, WeightedLogProbability
from mime.networks import policy_layout, policy_log_sd, policy_mean
from mime.objectives import action_log_probability, gaussian_kl, initial_eta, policy_loss
from mime.rollout import rows, sample
from mime.streams import Streams, generator
from mime.surrogate import MetaBatch, MetaObjective
from mime.trpo import conjugate_gradient, line_search, natural_step


@pytest.fixture
def toy() -> tuple[MetaObjective, Tensor, MetaBatch]:
    """The card's toy step (check 5) as a meta-objective, with its parameters and batch."""
    layout = policy_layout(2, (64, 64), 2)
    parameters = toys.repeating(layout, 20.0)
    batch = MetaBatch([toys.experience(toys.toy_episodes(0.0), 0.99)], toys.experience(toys.toy_episodes(0.1), 0.99))
    return MetaObjective(layout, parameters, batch, 0.05, first_order=False), parameters, batch


def test_the_toys_rewards_and_advantages_are_the_cards(toy):
    train = toy[2].train[0]
    rewards = torch.tensor([[-1.0485, 0.1498, 1.3481, -1.0485], [0.1498, 1.3481, -1.0485, 0.1498]]).T
    torch.testing.assert_close(train.extrinsic[0], rewards, rtol=0, atol=1e-4)
    advantages = torch.tensor([[-0.8506, 0.8522, 0.8570, -0.8589], [0.4922, 0.1817, -1.8494, 1.1759]]).T
    torch.testing.assert_close(train.advantages[0], advantages, rtol=0, atol=5e-3)


def test_the_toys_inner_loss_is_the_cards(toy):
    objective, parameters, batch = toy
    episodes = batch.train[0].episodes
    mean = policy_mean(objective.layout, parameters[None], rows(episodes.observations))
    log_sd = policy_log_sd(objective.layout, parameters[None])
    log_probability = action_log_probability(mean, log_sd, rows(episodes.actions))
    loss = policy_loss(log_probability, rows(batch.train[0].advantages))
    assert float(loss) == pytest.approx(-5.20e-4, abs=5e-5)


@pytest.mark.parametrize(("first_order", "norm"), [(False, 0.0039578), (True, 0.0039554)])
def test_the_toys_outer_gradient_is_the_cards(toy, first_order: bool, norm: float):
    objective = MetaObjective(toy[0].layout, toy[1], toy[2], 0.05, first_order)
    assert float(objective.gradient().norm()) == pytest.approx(norm, rel=0.02)


def test_the_toys_outer_loss_and_divergence_vanish_at_the_old_parameters(toy):
    objective, parameters, _ = toy
    loss, kl = objective.evaluate(parameters, objective.advantages)
    assert float(objective.old_loss) == pytest.approx(0.0, abs=1e-6)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert float(kl) == pytest.approx(0.0, abs=1e-6)


def test_the_toys_hessian_product_is_the_cards(toy):
    ones = torch.ones_like(toy[1])
    product = toy[0].kl_hessian_product(ones, 1e-5)
    assert float(product.norm()) == pytest.approx(10.5686, rel=0.005)
    assert float(ones @ product) == pytest.approx(9.0249, rel=0.005)


def test_the_toys_eta_gradient_is_the_cards_and_eta_rises_by_the_most_it_can(toy):
    intrinsic = torch.linspace(-1.5, 1.5, 8).reshape(1, 4, 2)
    train = toys.experience(toys.toy_episodes(0.0), 0.99, intrinsic)
    valid = toys.experience(toys.toy_episodes(0.1), 0.99, intrinsic)
    agent = mime_agent(gamma=0.99)
    agent.policy = toy[1]
    objective = agent.objective(MetaBatch([train], valid))
    loss = WeightedLogProbability(
        PolicyPass(agent.layout, agent.policy[None], rows(train.episodes.observations)),
        rows(train.episodes.actions),
        rows(train.advantages),
    )
    log_probability = action_log_probability(loss.policy.mean, loss.policy.log_sd, rows(train.episodes.actions))
    assert float(policy_loss(log_probability, rows(train.advantages))) == pytest.approx(-7.63e-4, abs=5e-5)
    assert float(agent.eta_gradient(objective)) == pytest.approx(-6.48e-4, rel=0.05)


def mime_agent(**changes: object) -> MimeAgent:
    return MimeAgent(replace(configure("wide_ring", "mime", "faithful"), **changes), 2, 2, seed=0)  # type: ignore[arg-type]


def test_conjugate_gradient_solves_the_cards_system():
    matrix = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    solution, residual = conjugate_gradient(lambda v: matrix @ v, torch.tensor([1.0, 2.0]), 10)
    torch.testing.assert_close(solution, torch.tensor([0.0909, 0.6364]), rtol=0, atol=1e-4)
    assert float(residual.norm()) < 1e-5


def test_conjugate_gradient_says_what_is_left_where_it_stops_early():
    matrix, target = torch.tensor([[4.0, 1.0], [1.0, 3.0]]), torch.tensor([1.0, 2.0])
    solution, residual = conjugate_gradient(lambda v: matrix @ v, target, 1)
    assert float(residual.norm()) > 0.1
    torch.testing.assert_close(residual, target - matrix @ solution)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("first_order", [False, True])
def test_outer_gradient_and_hessian_product_equal_autograd_task_by_task(seed: int, steps: int, first_order: bool):
    layout, parameters = toys.random_policy(seed)
    batch = toys.random_batch(seed, steps=steps)
    vector = torch.randn(layout.size, dtype=torch.float64, generator=generator(seed, 0, "vector"))
    fast = MetaObjective(layout, parameters, batch, 0.5, first_order)
    slow = plain.maml.Learner(layout, batch, 0.5, first_order)
    torch.testing.assert_close(fast.gradient(), slow.gradient(parameters), rtol=1e-5, atol=1e-10)
    product = slow.kl_hessian_product(parameters, vector, 1e-5)
    torch.testing.assert_close(fast.kl_hessian_product(vector, 1e-5), product, rtol=1e-5, atol=1e-9)


def test_in_single_precision_they_agree_to_single_precision():
    layout, parameters = toys.random_policy(0, torch.float32)
    batch = toys.random_batch(0, torch.float32)
    fast, slow = MetaObjective(layout, parameters, batch, 0.05, False), plain.maml.Learner(layout, batch, 0.05)
    torch.testing.assert_close(fast.gradient(), slow.gradient(parameters), rtol=1e-4, atol=1e-6)


def test_surrogate_and_divergence_of_a_candidate_equal_the_plain_ones():
    layout, parameters = toys.random_policy(1)
    batch = toys.random_batch(1)
    candidate = parameters + 0.05 * torch.randn(layout.size, dtype=torch.float64, generator=generator(0, 0, "move"))
    objective, learner = MetaObjective(layout, parameters, batch, 0.5, False), plain.maml.Learner(layout, batch, 0.5)
    loss, kl = objective.evaluate(candidate, objective.advantages)
    expected = learner.loss_and_kl(
        candidate.clone().requires_grad_(), parameters, learner.train, batch.valid.advantages
    )
    torch.testing.assert_close((loss, kl), tuple(value.detach() for value in expected), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_a_whole_policy_update_equals_the_plain_learners(seed: int):
    config = replace(configure("wide_ring", "maml", "faithful"), cg_iters=5, cg_damping=1e-2)
    agent = MamlAgent(config, 2, 2, seed)
    agent.layout, agent.policy = toys.random_policy(seed)
    batch = toys.random_batch(seed)
    learner = plain.maml.Learner(agent.layout, batch, config.fast_lr)
    expected = learner.step(agent.policy, config.max_kl, config.cg_damping, config.cg_iters, 0.8, 15)
    metrics = agent.update(batch, Streams(0, 0))
    assert metrics["train/policy_updated"]
    assert metrics["loss/kl"] < config.max_kl
    assert metrics["loss/policy"] < 0
    torch.testing.assert_close(agent.policy, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("seed", range(2))
def test_the_eta_gradient_equals_autograd_through_the_rebuilt_rewards(seed: int):
    agent = mime_agent(gamma=0.99, fast_lr=0.5)
    agent.layout, agent.policy = toys.random_policy(seed)
    agent.eta = initial_eta(0.1).double()
    batch = toys.random_batch(seed, bonus=True)
    expected = plain.maml.eta_gradient(agent.layout, agent.policy, batch, agent.eta, 0.5, 0.99, 1.0)
    torch.testing.assert_close(agent.eta_gradient(agent.objective(batch)), expected, rtol=1e-5, atol=1e-12)


def test_the_eta_gradient_agrees_with_finite_differences():
    agent = mime_agent(gamma=0.99, fast_lr=0.5)
    agent.layout, agent.policy = toys.random_policy(0)
    agent.eta = initial_eta(0.1).double()
    batch = toys.random_batch(0, bonus=True)
    objective, step = agent.objective(batch), 1e-4

    def extrinsic_objective(eta: Tensor) -> float:
        rebuilt = [agent.rebuilt_advantages(experience, eta) for experience in batch.train]
        adapted = objective.adapt(agent.policy, rebuilt).adapted
        mean = policy_mean(agent.layout, adapted, rows(batch.valid.episodes.observations))
        log_probability = action_log_probability(mean, policy_log_sd(agent.layout, adapted), objective.actions)
        ratio = torch.exp(log_probability - objective.old_log_probability)
        return -float((ratio * rows(batch.valid.extrinsic)).mean())

    difference = (extrinsic_objective(agent.eta + step) - extrinsic_objective(agent.eta - step)) / (2 * step)
    assert float(agent.eta_gradient(objective)) == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize("first_order", [False, True])
def test_the_outer_gradient_agrees_with_finite_differences_unless_it_is_first_order(first_order: bool):
    layout, parameters = toys.random_policy(2)
    batch = toys.random_batch(2)
    objective = MetaObjective(layout, parameters, batch, 5.0, first_order)
    direction = objective.gradient() / objective.gradient().norm()
    values = [
        float(objective.evaluate(parameters + sign * 1e-5 * direction, objective.advantages)[0]) for sign in (1, -1)
    ]
    difference = (values[0] - values[1]) / 2e-5
    relative_error = abs(float(objective.gradient() @ direction) / difference - 1)
    assert relative_error > 1e-3 if first_order else relative_error < 1e-5


def test_the_first_order_gradient_is_exact_where_nothing_is_adapted():
    layout, parameters = toys.random_policy(2)
    batch = toys.random_batch(2)
    gradients = [
        MetaObjective(layout, parameters, batch, 1e-12, first_order).gradient() for first_order in (True, False)
    ]
    torch.testing.assert_close(*gradients)


def test_the_divergences_hessian_agrees_with_finite_differences():
    layout, parameters = toys.random_policy(3)
    objective = MetaObjective(layout, parameters, toys.random_batch(3), 0.5, False)
    direction = torch.randn(layout.size, dtype=torch.float64, generator=generator(3, 0, "direction"))
    direction /= direction.norm()
    step = 1e-3
    kl = sum(float(objective.evaluate(parameters + s * step * direction, objective.advantages)[1]) for s in (1, -1))
    assert float(direction @ objective.kl_hessian_product(direction, 0.0)) == pytest.approx(kl / step**2, rel=1e-4)


def test_the_inner_hessian_equals_double_backward_for_any_depth():
    for hidden in ((5,), (4, 3), (6, 5, 4)):
        layout = policy_layout(3, hidden, 2)
        source = generator(0, 0, "depth")
        parameters, direction = torch.randn(2, 2, layout.size, dtype=torch.float64, generator=source)
        observations, actions = (torch.randn(2, 7, n, dtype=torch.float64, generator=source) for n in (3, 2))
        weights = torch.randn(2, 7, dtype=torch.float64, generator=source)
        leaf = parameters.clone().requires_grad_()
        log_probability = action_log_probability(
            policy_mean(layout, leaf, observations), policy_log_sd(layout, leaf), actions
        )
        (gradient,) = torch.autograd.grad(policy_loss(log_probability, weights).sum(), leaf, create_graph=True)
        (product,) = torch.autograd.grad(gradient, leaf, direction)
        loss = WeightedLogProbability(PolicyPass(layout, parameters, observations), actions, weights)
        torch.testing.assert_close(loss.gradient(), gradient.detach())
        torch.testing.assert_close(loss.hessian_vector_product(direction), product)


def test_the_fisher_product_equals_the_hessian_of_the_divergence():
    layout, parameters = toys.random_policy(4)
    observations = torch.randn(1, 9, 2, dtype=torch.float64, generator=generator(0, 0, "o"))
    old = PolicyPass(layout, parameters[None], observations)
    leaf, direction = parameters[None].clone().requires_grad_(), torch.ones_like(parameters)[None]
    kl = gaussian_kl(policy_mean(layout, leaf, observations), policy_log_sd(layout, leaf), old.mean, old.log_sd).sum()
    (gradient,) = torch.autograd.grad(kl, leaf, create_graph=True)
    (product,) = torch.autograd.grad(gradient, leaf, direction)
    torch.testing.assert_close(old.fisher_vector_product(direction), product)


def test_tasks_without_reward_are_left_where_they_are():
    layout, parameters = toys.random_policy(0)
    batch = toys.random_batch(0)
    train = batch.train[0]
    assert not train.advantages[2].any()
    adaptation = adapt(layout, parameters.expand(3, -1), [(train.episodes, train.advantages)], 0.5)
    torch.testing.assert_close(adaptation.adapted[2], parameters, rtol=0, atol=0)
    assert not torch.equal(adaptation.adapted[0], parameters)


def test_a_zero_gradient_is_no_update():
    agent = MamlAgent(configure("wide_ring", "maml", "faithful"), 2, 2, seed=0)
    before = agent.policy.clone()
    batch = toys.random_batch(0, torch.float32)
    silent = [replace(phase, advantages=torch.zeros_like(phase.advantages)) for phase in (*batch.train, batch.valid)]
    metrics = agent.update(MetaBatch(silent[:-1], silent[-1]), Streams(0, 0))
    assert metrics["train/policy_updated"] == metrics["train/line_search_steps"] == metrics["loss/kl"] == 0
    assert torch.equal(agent.policy, before)


def test_a_curvature_that_is_not_positive_is_no_step():
    assert natural_step(lambda v: -v, torch.ones(3), 1, 0.01) is None
    assert natural_step(lambda v: v * torch.nan, torch.ones(3), 1, 0.01) is None


def test_the_line_search_takes_the_first_candidate_that_improves_within_the_trust_region():
    start, step = torch.zeros(1), torch.ones(1)

    def evaluate(candidate: Tensor) -> tuple[Tensor, Tensor]:
        return candidate.sum(), candidate.abs().sum()

    found = line_search(evaluate, start, step, torch.tensor(0.0), 0.7, 0.8, 15)
    assert (found.accepted, found.tried) == (True, 3)
    assert float(found.parameters) == pytest.approx(-0.64)
    lost = line_search(lambda c: (-c.sum(), c.abs().sum()), start, step, torch.tensor(0.0), 0.7, 0.8, 15)
    assert (lost.accepted, lost.tried, float(lost.parameters)) == (False, 15, 0.0)


@pytest.mark.parametrize("seed", range(2))
def test_batched_sampling_equals_the_loop_over_gym_environments(seed: int):
    from mime.envs import batch_of, make

    layout, parameters = toys.random_policy(seed, torch.float32)
    environment = make("2DNavigationSparse-v0", seed)
    tasks = [{"goal": 0.15 * task["goal"]} for task in environment.unwrapped.sample_tasks(2)]
    noise = torch.randn(2, 100, 2, 2, generator=generator(seed, 0, "noise"))
    policies = torch.stack([parameters, -parameters])
    fast = sample(batch_of(environment.unwrapped, tasks, 2, 100), layout, policies, noise)
    slow = plain.rollout.sample(environment, tasks, layout, policies, noise)
    for name in ("observations", "actions"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=1e-4, atol=1e-4)
    assert (fast.rewards != slow.rewards).float().mean() < 0.01
    assert fast.rewards.any()
