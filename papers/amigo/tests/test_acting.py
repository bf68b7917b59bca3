"""The passes that are written out by hand for a CPU, beside the student's own and autograd."""

from __future__ import annotations

import pytest
import torch
from toys import small

from amigo.acting import Acting
from amigo.agent import Agent
from amigo.networks import named_in_order
from amigo.rollout import Actors, decide_in_turn
from amigo.unrolls import Unrolls, fetched_together, moved_together

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


@pytest.mark.parametrize("method", ["amigo", "impala"])
@pytest.mark.parametrize("lstm", [False, True])
def test_one_exchange_with_a_device_decides_as_one_for_goals_and_one_for_actions(method: str, lstm: bool):
    config = small(method, "KeyCorridorS3R1", num_actors=5, batch_size=5, unroll_length=30, use_lstm=lstm)
    agent, actors = Agent("KeyCorridorS3R1", config, 0), Actors("KeyCorridorS3R1", config, 0, 5)
    agent.update(actors.collect(agent, 0))
    act, give = actors.draws(1, 40)
    gave = 0
    for step in range(40):
        needed = actors.needing_goals()
        needed |= (step % 3 == 0) & (method == "amigo")
        asked = actors.shown, actors.memory, needed, act[step], give[step], False
        in_turn = decide_in_turn(agent, *asked)
        at_once = agent.decide_at_once(*asked[:2], torch.from_numpy(needed), *asked[3:])()
        assert torch.equal(in_turn.actions, at_once.actions)
        torch.testing.assert_close(at_once.logits, in_turn.logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(at_once.memory, in_turn.memory, rtol=1e-4, atol=1e-5)
        assert (at_once.goals is None) == (in_turn.goals is None) == (not needed.any())
        if in_turn.goals is not None:
            assert torch.equal(in_turn.goals, at_once.goals)
            torch.testing.assert_close(at_once.teacher_logits, in_turn.teacher_logits, rtol=1e-4, atol=1e-5)
            gave += 1
        actors.step(agent, act[step], give[step])
    assert (gave > 10) == (method == "amigo")


def test_tensors_of_all_kinds_move_together_unchanged():
    kinds = [torch.uint8, torch.bool, torch.float32, torch.int64, torch.int32, torch.float32]
    shapes = [(3,), (2, 3), (5, 1, 2), (7,), (0, 4), ()]
    tensors = [torch.randn(shape).mul(9).to(kind) for shape, kind in zip(shapes, kinds, strict=True)]
    tensors.append(torch.arange(12.0).view(3, 4)[:, 1:3])  # as a column of unrolls, not contiguous
    for found in (moved_together(tensors, "cpu"), fetched_together(tensors)()):
        for moved, tensor in zip(found, tensors, strict=True):
            assert moved.dtype == tensor.dtype
            assert torch.equal(moved, tensor)
