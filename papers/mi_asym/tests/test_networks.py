"""Networks: the card's parameter counts, memories against the tensor library's, acting against learning."""

from __future__ import annotations

import pytest
import torch
import toys
from torch.nn.utils.rnn import PackedSequence

from mi_asym.config import pretrain_config
from mi_asym.envs import task_spec
from mi_asym.networks.embedders import Distinct, make_embedder
from mi_asym.networks.encoders import BLOCKS
from mi_asym.networks.layers import dropout, parameter_count
from mi_asym.networks.memories import Gpt, Gru, MlpMemory, causal_attention
from mi_asym.networks.packing import pack
from mi_asym.representation.learner import RepresentationLearner, make_encoder

COUNTS = {
    "drqn": (232_772, 298_888, 610_888),
    "dtqn": (332_228, 364_564, 676_564),
    "ours_gru": (287_140, 638_380, 846_380),
    "ours_gpt": (386_596, 702_520, 910_520),
    "zp_gru": (381_892, 443_400, 755_400),
    "zp_gpt": (580_804, 663_852, 1_013_292),
    "ua": (473_160, 538_836, 954_836),
    "ba": (440_392, 509_140, 925_140),
    "believer_gpt": (1_001_860, 1_115_896, 1_694_136),
    "believer_gru": (1_822_596, 1_971_192, 2_549_432),
}
"""Card 5.9, with the parts that the original builds and never uses."""


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unused(task: str, method: str) -> int:
    """What the original builds beside it: a second image embedder, and Believer's history encoder (card 5.3, 5.9)."""
    spec, width = task_spec(task), 112 if method == "zp_gpt" else 100
    embedder = parameter_count(make_embedder(spec.observation_size, spec.image_shape, width, draw()))
    spare = embedder if spec.image_shape else 0
    if not method.startswith("believer"):
        return spare
    toy = toys.Toy(task, "dtqn" if method == "believer_gpt" else "drqn", episodes=1)
    return spare + parameter_count(toy.agent.critic.history)


@pytest.mark.parametrize("column", range(3))
@pytest.mark.parametrize("method", COUNTS)
def test_agents_have_the_papers_parameter_counts(method: str, column: int):
    task = ("heaven_hell", "sphinx", "carflag_2d")[column]
    counts = toys.Toy(task, method, episodes=1).agent.parameter_counts()
    assert sum(counts.values()) + unused(task, method) == COUNTS[method][column]


@pytest.mark.parametrize(
    ("task", "total", "encoder", "trunk"),
    [
        ("heaven_hell", 114_881, 21_152, 39_296),
        ("sphinx", 683_585, 173_024, 144_128),
        ("carflag_2d", 683_585, 173_024, 144_128),
        ("block_pulling", 949_217, 92_352, 550_400),
        ("drawer_opening", 949_217, 92_352, 550_400),
        ("block_pushing", 2_581_473, 92_352, 2_149_376),
    ],
)
def test_stage_2_has_the_papers_parameter_counts(task: str, total: int, encoder: int, trunk: int):
    learner = RepresentationLearner(task, pretrain_config(task))
    assert parameter_count(learner) == total
    assert parameter_count(learner.state_encoder) == encoder
    assert parameter_count(learner.dynamics.trunk) == trunk
    assert parameter_count(learner.estimator) == 4_224


def test_memories_have_the_papers_parameter_counts():
    assert parameter_count(Gpt(128, draw())) == 198_528
    assert parameter_count(Gpt(116, draw())) == 163_212
    assert parameter_count(Gru(128, 128, draw())) == 99_072
    assert parameter_count(Gru(116, 128, draw())) == 94_464
    assert parameter_count(MlpMemory(128, 128, draw())) == 49_536
    assert parameter_count(MlpMemory(116, 128, draw())) == 48_000


def packed_inputs(memory_inputs: int) -> tuple[torch.Tensor, Distinct, Distinct, torch.Tensor]:
    lengths = torch.tensor([9, 9, 7, 3, 1, 1])
    rows = pack(lengths).rows
    table = torch.randn(4, memory_inputs - 5, generator=draw(1), requires_grad=True)
    where = torch.randint(4, (rows,), generator=draw(2))
    dense = torch.randn(rows, 5, generator=draw(3), requires_grad=True)
    return lengths, Distinct(dense, None), Distinct(table, where), torch.cat([dense, table[where]], 1)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_packed_recurrence_and_its_gradient_equal_the_tensor_librarys(layers: int):
    memory = Gru(20, 16, draw(), layers)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw(4)))
    lengths, dense, distinct, joint = packed_inputs(20)
    packing = pack(lengths)
    weight = torch.randn(packing.rows, 16, generator=draw(5))
    fast = memory([dense, distinct], packing, None)
    slow = memory.gru(PackedSequence(joint, packing.batch_sizes))[0].data
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)
    learnt = [*memory.parameters(), dense.values, distinct.values]
    of_fast, of_slow = (torch.autograd.grad((out * weight).sum(), learnt) for out in (fast, slow))
    for ours, theirs in zip(of_fast, of_slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("memory", [Gru(20, 16, draw()), Gpt(20, draw()), MlpMemory(20, 16, draw())])
def test_acting_step_by_step_equals_learning_over_sequences(memory: Gru | Gpt | MlpMemory):
    lengths, dense, distinct, joint = packed_inputs(20)
    packing = pack(lengths)
    with torch.no_grad():
        whole = memory([dense, distinct], packing, None)
        for sequence in (0, 3):
            rows = (packing.sequence == sequence).nonzero()[:, 0]
            carry = memory.start(1)
            for row in rows:
                output, carry = memory.step(joint[row][None], carry, None)
                torch.testing.assert_close(output[0], whole[row], rtol=1e-4, atol=1e-5)


def test_fused_attention_equals_attention_written_out():
    query, key, value = torch.randn(3, 2, 2, 7, 8, generator=draw())
    written_out = causal_attention(query, key, value, 1e-12, draw())
    torch.testing.assert_close(causal_attention(query, key, value, 0.1, None), written_out, rtol=1e-5, atol=1e-6)


def test_dropout_follows_its_generator():
    memory, (lengths, dense, distinct, _) = Gpt(20, draw()), packed_inputs(20)
    once, again, other = (memory([dense, distinct], pack(lengths), draw(seed)) for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_dropout_keeps_what_it_should():
    kept = dropout(torch.ones(400, 500), 0.1, draw())
    assert kept.unique().tolist() == [0.0, pytest.approx(1 / 0.9)]
    assert float((kept > 0).float().mean()) == pytest.approx(0.9, abs=0.003)


def test_encoders_start_from_the_originals_bounds():
    encoder = make_encoder("heaven_hell", draw())
    weights = encoder.rest[2].weight
    assert float(weights.abs().max()) == pytest.approx(32**-0.5, rel=0.01)
    assert torch.equal(encoder.rest[2].bias, torch.full((32,), 0.1))
    assert set(BLOCKS) == {"sphinx", "carflag_2d", "robot"}


def test_packing_knows_which_row_each_transition_leaves():
    packing = pack(torch.tensor([3, 1]))
    assert packing.batch_sizes.tolist() == [2, 2, 1, 1]
    assert packing.time.tolist() == [0, 0, 1, 1, 2, 3]
    assert packing.sequence.tolist() == [0, 1, 0, 1, 0, 0]
    assert packing.before.tolist() == [0, 1, 2, 4]
