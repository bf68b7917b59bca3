"""E-MAML's meta-objective against the card, autograd and finite differences (card 5.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import plain
import pytest
import torch
import toys
from torch import Tensor

from mime.agent import EMamlAgent
from mime.config import EMamlConfig, configure
from mime.networks import policy_layout
from mime.surrogate import EMamlObjective, MetaBatch, post_update_returns
from mirl.config import ConfigError

Credit = Literal["paired", "return"]
Search = Literal["first", "all"]


def objective(
    seed: int, first_order: bool = False, credit: Credit = "paired", search: Search = "all", steps: int = 1
) -> tuple[EMamlObjective, Tensor, MetaBatch]:
    layout, parameters = toys.random_policy(seed)
    batch = toys.random_batch(seed, steps=steps)
    return EMamlObjective(layout, parameters, batch, 0.5, first_order, credit, search), parameters, batch


def test_the_toys_total_gradient_is_the_cards():
    layout = policy_layout(2, (64, 64), 2)
    batch = MetaBatch([toys.experience(toys.toy_episodes(0.0), 0.99)], toys.experience(toys.toy_episodes(0.1), 0.99))
    toy = EMamlObjective(layout, toys.repeating(layout, 20.0), batch, 0.05, False, "paired", "first")
    assert float(toy.gradient().norm()) == pytest.approx(0.0077998, rel=0.02)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("credit", ["paired", "return"])
def test_the_gradient_equals_autograd_task_by_task(seed: int, steps: int, first_order: bool, credit: Credit):
    fast, parameters, batch = objective(seed, first_order, credit, steps=steps)
    slow = plain.e_maml.EMamlLearner(fast.layout, batch, 0.5, first_order, credit, "all")
    torch.testing.assert_close(fast.gradient(), slow.gradient(parameters), rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("credit", ["paired", "return"])
@pytest.mark.parametrize("search", ["first", "all"])
def test_candidates_are_judged_as_the_plain_learner_judges_them(credit: Credit, search: Search):
    fast, parameters, batch = objective(1, credit=credit, search=search)
    slow = plain.e_maml.EMamlLearner(fast.layout, batch, 0.5, False, credit, search)
    candidate = parameters + 0.05 * torch.ones_like(parameters)
    expected = slow.judged(candidate.clone().requires_grad_(), parameters, slow.train, batch.valid.advantages)
    judged = fast.evaluate(candidate, fast.advantages)
    torch.testing.assert_close(judged, tuple(value.detach() for value in expected), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("credit", ["paired", "return"])
def test_the_gradient_agrees_with_finite_differences(credit: Credit):
    fast, parameters, _ = objective(2, credit=credit, steps=2)
    direction = fast.gradient() / fast.gradient().norm()
    values = [float(fast.evaluate(parameters + sign * 1e-5 * direction, fast.advantages)[0]) for sign in (1, -1)]
    assert float(fast.gradient() @ direction) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_the_loss_at_the_old_parameters_is_the_old_loss():
    for credit in ("paired", "return"):
        fast, parameters, _ = objective(0, credit=credit)  # type: ignore[arg-type]
        torch.testing.assert_close(fast.evaluate(parameters, fast.advantages)[0], fast.old_loss, rtol=0, atol=1e-12)


def test_as_released_the_line_search_sees_the_first_task_alone_and_divides_it_by_all():
    fast, parameters, batch = objective(3, search="first")
    others = replace(batch.valid, advantages=batch.valid.advantages.clone())
    others.advantages[1:] += 7.0
    candidate = parameters + 0.01
    seen = fast.evaluate(candidate, fast.advantages)
    torch.testing.assert_close(fast.evaluate(candidate, (fast.advantages[0], others.advantages)), seen)
    alone = MetaBatch([first_task(phase) for phase in batch.train], first_task(batch.valid))
    single = EMamlObjective(fast.layout, parameters, alone, 0.5, False, "paired", "all")
    torch.testing.assert_close(torch.stack(seen), torch.stack(single.evaluate(candidate, single.advantages)) / 3)


def first_task(phase):
    episodes = type(phase.episodes)(*(part[:1] for part in vars(phase.episodes).values()))
    parts = {name: getattr(phase, name)[:1] for name in ("extrinsic", "values", "advantages")}
    return replace(phase, episodes=episodes, **parts)


def test_as_released_more_than_one_inner_step_is_refused():
    config = configure("wide_ring", "e_maml", "faithful")
    with pytest.raises(ConfigError, match="--num-steps must be 1 with --line-search-tasks first, got 2"):
        replace(config, num_steps=2)
    fixed = configure("wide_ring", "e_maml", "fixed")
    assert isinstance(fixed, EMamlConfig)
    assert replace(fixed, num_steps=2).num_steps == 2


def test_the_papers_term_credits_a_task_with_its_mean_return_after_adaptation():
    _, _, batch = objective(0)
    credit = post_update_returns(batch)
    returns = batch.valid.episodes.rewards.sum(1).mean(1)
    assert float(credit.mean()) == pytest.approx(0.0, abs=1e-9)
    assert torch.equal(credit[:, 0, 0].argsort(), returns.argsort())
    assert (credit == credit[:, :1, :1]).all()
    silent = replace(batch.valid.episodes, rewards=torch.zeros_like(batch.valid.episodes.rewards))
    assert not post_update_returns(replace(batch, valid=replace(batch.valid, episodes=silent))).any()


def test_without_credit_e_maml_is_maml():
    from mime.surrogate import MetaObjective

    fast, parameters, batch = objective(1)
    fast.credited = [type(one)(one.policy, rows_of(batch), torch.zeros_like(fast.credit)) for one in fast.credited]
    maml = MetaObjective(fast.layout, parameters, batch, 0.5, False)
    torch.testing.assert_close(fast.gradient(), maml.gradient())
    vector = torch.ones_like(parameters)
    torch.testing.assert_close(fast.kl_hessian_product(vector, 0.1), maml.kl_hessian_product(vector, 0.1))


def rows_of(batch: MetaBatch) -> Tensor:
    return batch.train[0].episodes.actions.flatten(1, 2)


def test_the_agent_learns_by_this_objective():
    agent = EMamlAgent(configure("wide_ring", "e_maml", "faithful"), 2, 2, seed=0)
    made = agent.objective(toys.random_batch(0, torch.float32))
    assert isinstance(made, EMamlObjective)
    assert made.line_search_tasks == "first"
