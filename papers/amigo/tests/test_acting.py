"""The passes that are written out by hand for a CPU, beside the student's own and autograd."""

from __future__ import annotations

import pytest
import torch
from toys import small

from amigo.acting import Acting
from amigo.agent import Agent
from amigo.networks import named_in_order
from amigo.rollout import Actors
from amigo.unrolls import Unrolls

CASES = [("KeyCorridorS3R3", "amigo"), ("KeyCorridorS3R1", "impala"), ("ObstructedMaze-1Q", "amigo"),
         ("ObstructedMaze-1Q", "amigo_novelty")]  # fmt: skip


def played(task: str, method: str) -> tuple[Agent, Unrolls]:
    """An agent after one update, whose goals have changed, and what it then plays."""
    config = small(method, task, num_actors=5, batch_size=5, unroll_length=30)
    agent, actors = Agent(task, config, 0), Actors(task, config, 0, 5)
    agent.update(actors.collect(agent, 0))
    return agent, actors.collect(agent, 1)


@pytest.mark.parametrize(("task", "method"), CASES)
def test_acting_is_the_students_own_pass_bit_for_bit(task: str, method: str):
    agent, batch = played(task, method)
    network = agent.student.network
    with torch.inference_mode():
        prepared = network.stack.prepare_to_act()
        assert prepared is not None
        acting = Acting(network, prepared, 5)
        for t in range(31):
            at = batch.frame[t], (batch.carried_object[t], batch.carried_colour[t]), batch.goal[t]
            own = network(at[0][None], tuple(one[None] for one in at[1]), at[2][None], batch.done[t][None]).logits[0]
            assert torch.equal(acting.logits(*at), own)


def test_actors_use_the_weights_of_the_last_update_whatever_their_number():
    agent, batch = played("KeyCorridorS3R3", "amigo")

    def act(count: int) -> torch.Tensor:
        carried = batch.carried_object[3, :count], batch.carried_colour[3, :count]
        return agent.act(batch.frame[3, :count], carried, batch.goal[3, :count], batch.done[3, :count], batch.memory)[0]

    before = act(5).clone()
    torch.testing.assert_close(act(2), before[:2], rtol=1e-5, atol=1e-6)
    agent.update(batch)
    assert not torch.allclose(act(5), before)


@pytest.mark.parametrize(("task", "method"), CASES)
def test_learning_is_the_students_own_pass_and_autograd_bit_for_bit(task: str, method: str):
    agent, batch = played(task, method)
    student, intrinsic = agent.student, agent.intrinsic_reward(batch)[1]
    gradients = []
    for by_hand in (False, True):
        output = student.passes(batch, by_hand)
        student.optimiser.gradient.zero_()
        losses, _ = student.losses(batch, intrinsic, output)
        losses.total.backward()  # type: ignore[no-untyped-call]
        if by_hand:
            assert student.learning is not None
            student.learning.backward(output)
        gradients.append({name: parameter.grad.clone() for name, parameter in named_in_order(student.network)})  # type: ignore[union-attr]
        gradients[-1] |= {"logits": output.logits.detach().clone(), "values": output.values.detach().clone()}
    for name, gradient in gradients[0].items():
        assert torch.equal(gradients[1][name], gradient), name
    used = [name for name, gradient in gradients[0].items() if gradient.any()]
    assert len(used) == len(gradients[0]) - (2 if method == "amigo" else 1), (
        "the two tables that nothing uses have none"
    )
