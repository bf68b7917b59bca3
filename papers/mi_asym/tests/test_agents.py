"""Agents: the fast losses against their plain twins, what each method adds, and what each ledger switch changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import plain.learning as plain
import pytest
import torch
from toys import Toy, gradients

from mi_asym.agents.ours import errors_of
from mi_asym.config import METHODS
from mi_asym.experience import View
from mi_asym.streams import generator


def noise() -> torch.Generator:
    return generator(0, 0, "noise")


@pytest.mark.parametrize("task", ["heaven_hell", "sphinx", "carflag_2d"])
@pytest.mark.parametrize("method", ["drqn", "ours_gru"])
def test_the_loss_and_its_gradient_equal_the_plain_twins(task: str, method: str):
    toy = Toy(task, method)
    batch = toy.batch()
    fast, _ = toy.agent.loss(batch, noise())
    slow = plain.loss(toy.agent, plain.padded(batch), ours=method == "ours_gru")
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)
    of_fast, of_slow = gradients(fast, toy.agent.critic), gradients(slow, toy.agent.critic)
    assert set(of_fast) == set(of_slow)
    for name, gradient in of_slow.items():
        torch.testing.assert_close(of_fast[name], gradient, rtol=1e-3, atol=1e-6)


def test_what_stands_in_the_padding_changes_no_loss():
    toy = Toy("heaven_hell", "ours_gru")
    batch = toy.batch()
    clean, dirty = (plain.loss(toy.agent, plain.padded(batch, junk)) for junk in (0.0, 3.0))
    torch.testing.assert_close(clean, dirty)


def test_an_update_equals_the_plain_twins():
    fast, slow = Toy("heaven_hell", "ours_gru", aux_batch_size=6), Toy("heaven_hell", "ours_gru", aux_batch_size=6)
    draw = generator(0, 0, "batches")
    auxiliary, data = (plain.padded(slow.sample(6, draw)) for _ in range(2))
    fast.update()
    plain.update(slow.agent, auxiliary, data)
    for part in ("critic", "target", "reconstructor"):
        for ours, theirs in zip(fast.agent.parts[part].parameters(), slow.agent.parts[part].parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("method", ["ours_gru", "drqn", "zp_gru", "no_history"])
def test_shared_passes_are_exact_without_dropout(method: str):
    shared, apart = (Toy("heaven_hell", method, share_passes=share) for share in (True, False))
    torch.testing.assert_close(
        shared.agent.loss(shared.batch(), noise())[0], apart.agent.loss(apart.batch(), noise())[0]
    )


@pytest.mark.parametrize("method", ["ours_gpt", "dtqn", "zp_gpt"])
def test_shared_passes_of_a_transformer_draw_dropout_once_for_all(method: str):
    shared, apart = (Toy("heaven_hell", method, share_passes=share) for share in (True, False))
    one, other = (toy.agent.loss(toy.batch(), noise())[1]["loss/critic"] for toy in (shared, apart))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_repeats(method: str):
    first, second = ([Toy("sphinx", method, episodes=4, batch_size=3).update(n) for n in range(2)] for _ in range(2))
    for losses, again in zip(first, second, strict=True):
        assert all(torch.isfinite(value) for value in losses.values())
        assert {name: float(value) for name, value in losses.items()} == {
            name: float(value) for name, value in again.items()
        }


@pytest.mark.parametrize("method", METHODS)
def test_an_update_moves_what_it_trains(method: str):
    toy = Toy("heaven_hell", method, episodes=4, batch_size=3)
    before = {name: [p.clone() for p in part.parameters()] for name, part in toy.agent.parts.items()}
    toy.update()
    moved = {
        name: any(not torch.equal(p, old) for p, old in zip(part.parameters(), before[name], strict=True))
        for name, part in toy.agent.parts.items()
    }
    frozen = {"phi", "state_features"}
    assert moved == {name: name not in frozen for name in moved}


@pytest.mark.parametrize("method", METHODS)
def test_the_target_lags_behind_a_learner_and_not_behind_one_that_does_not_learn(method: str):
    still, moving = (Toy("heaven_hell", method, critic_lr=lr, episodes=4, batch_size=3) for lr in (1e-30, 1e-3))
    assert still.agent.target_lag() == moving.agent.target_lag() == -12.0
    still.update()
    moving.update()
    assert still.agent.target_lag() == -12.0
    assert -5 < moving.agent.target_lag() < -3  # the first step of Adam moves each by the step size, or not at all


def test_intrinsic_rewards_telescope_over_an_episode():
    toy = Toy("heaven_hell", "ours_gru", episodes=1)
    batch = toy.batch(count=1)
    hidden = toy.agent.critic.history(batch, None)
    reward, _, _ = toy.agent.added_terms(hidden, batch, noise())
    errors = errors_of(toy.agent, hidden, batch)
    paid = float((reward - batch.reward).sum())
    assert paid == pytest.approx(10.0 * float((errors[0] - errors[-1]).detach()), abs=1e-4)


def test_no_gradient_reaches_phi():
    toy = Toy("heaven_hell", "ours_gru")
    batch = toy.batch()
    assert not batch.features.requires_grad
    phi = toy.agent.parts["phi"]
    assert gradients(toy.agent.loss(batch, noise())[0], phi) == {}
    through = replace(batch, features=phi(batch.state.all))  # what would be seen if one did
    assert gradients(toy.agent.loss(through, noise())[0], phi) != {}


def test_psi_is_tuned_unless_it_is_frozen():
    for freeze in (False, True):
        toy = Toy("heaven_hell", "ours_gru", freeze_psi=freeze)
        before = [parameter.clone() for parameter in toy.agent.critic.shortcut.parameters()]
        toy.update()
        after = toy.agent.critic.shortcut.parameters()
        assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True)) == freeze


def test_without_its_weight_the_auxiliary_loss_leaves_the_reconstructor_to_its_own_optimiser():
    toy = Toy("heaven_hell", "ours_gru", "faithful")
    assert toy.config.loss_weight == 0.0
    before = [parameter.clone() for parameter in toy.agent.reconstructor.parameters()]
    loss, _ = toy.agent.loss(toy.batch(), noise())
    loss.backward()
    toy.agent.optimisers["critic"].step()
    after = toy.agent.reconstructor.parameters()
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_the_paper_trains_memory_by_the_auxiliary_loss_and_the_release_does_not():
    sizes = {}
    for fidelity in ("paper", "faithful"):
        toy = Toy("heaven_hell", "ours_gru", fidelity)
        loss, _ = toy.agent.loss(toy.batch(), noise())
        sizes[fidelity] = len(gradients(loss, toy.agent.reconstructor))
    assert sizes["paper"] > 0
    assert sizes["faithful"] == 0


@pytest.mark.parametrize("method", ["ua", "ba"])
def test_history_values_learn_the_state_values_target_unless_faithful(method: str):
    released = Toy("heaven_hell", method, "faithful", dropout=0.0)
    fixed = Toy("heaven_hell", method, "paper", dropout=0.0)
    _, terms = released.agent.loss(released.batch(), noise())
    _, mended = fixed.agent.loss(fixed.batch(), noise())
    torch.testing.assert_close(terms["loss/state_values"], mended["loss/state_values"])
    batch, packing = released.batch(), released.batch().packing
    with torch.no_grad():
        agent = released.agent
        taken = (agent.critic.values(agent.critic.history(batch, None), batch.observation)[packing.before]
                 * batch.action).sum(1)  # fmt: skip
        arrived = batch.observation.rows(packing.after).embedded(agent.target.shortcut)
        hidden = None if method == "ba" else agent.target.history(batch, None)[packing.after]
        known = agent.target_state_values(hidden, arrived, batch.state.rows(packing.after))
    expected = 0.5 * (taken[:, None] - known).square().sum(1).mean()
    torch.testing.assert_close(terms["loss/critic"], expected, rtol=1e-4, atol=1e-7)
    assert not torch.allclose(terms["loss/critic"], mended["loss/critic"])


def test_mixed_belief_samples_trade_members_and_are_right_for_one():
    toy = Toy("heaven_hell", "believer_gru")
    belief = toy.agent.belief
    context = torch.stack([torch.zeros(256), torch.ones(256)])
    right, mixed = (belief.samples(context, generator(0, 0, "belief"), mixed=mixed) for mixed in (False, True))
    assert not torch.equal(right, mixed)
    torch.testing.assert_close(right.flatten(0, 1).sort(0).values, mixed.flatten(0, 1).sort(0).values)
    alone = [belief.samples(context[:1], generator(0, 0, "belief"), mixed=mixed) for mixed in (False, True)]
    assert torch.equal(*alone)


def test_zero_on_hides_the_observation():
    toy = Toy("heaven_hell", "zero_on")
    same_state = torch.tensor([[0.5, 0.75, 1.0]] * 2)
    values = toy.agent.critic(*seen(torch.tensor([[0.5, 0.75, 0.0], [1.0, 1.0, 1.0]]), same_state))
    assert torch.equal(values[0], values[1])
    other = Toy("heaven_hell", "zero_off").agent.critic(
        *seen(torch.tensor([[0.5, 0.75, 0.0], [1.0, 1.0, 1.0]]), same_state)
    )
    assert not torch.equal(other[0], other[1])


def seen(observation: torch.Tensor, state: torch.Tensor) -> Any:
    from mi_asym.networks.embedders import Distinct

    return Distinct(observation, None), Distinct(state, None)


def test_evaluation_draws_nothing():
    toy = Toy("heaven_hell", "dtqn")
    view = View(torch.tensor([[0.5, 0.75, 0.0]]), torch.tensor([[0.5, 0.75, 1.0]]))
    carry = toy.agent.start(1)
    chosen = {int(toy.agent.act(view, carry, None, 1.0)[0]) for _ in range(20)}
    explored = {int(toy.agent.act(view, carry, generator(0, n, "x"), 1.0)[0]) for n in range(40)}
    assert len(chosen) == 1
    assert explored == {0, 1, 2, 3}
