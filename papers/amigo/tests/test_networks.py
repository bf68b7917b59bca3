"""Networks: sizes, the card's forward values on both paths, and the CPU path against PyTorch's own operators."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from amigo.convolutions import ConvolutionStack
from amigo.describe import parameter_counts
from amigo.networks import GridSize, NoveltyNetwork, Student, Teacher, count, named_in_order

SQUARE, WIDE = GridSize(7, 7), GridSize(11, 6)
COUNTS = {
    "KeyCorridorS3R3": (119617, 6372, 118829, 63525, 645953),
    "KeyCorridorS4R3": (120637, 6423, 119339, 64035, 646973),
    "KeyCorridorS5R3": (122017, 6492, 120029, 64725, 648353),
    "ObstructedMaze-1Dl": (119957, 6389, 118999, 63695, 646293),
    "ObstructedMaze-2Dlhb": (123757, 6579, 120899, 65595, 650093),
    "ObstructedMaze-1Q": (123757, 6579, 120899, 65595, 650093),
    "Empty-8x8": (119917, 6387, 118979, 63675, 646253),
    "Empty-5x5": (119137, 6348, 118589, 63285, 645473),
}
GRIDS = {"KeyCorridorS3R3": SQUARE, "ObstructedMaze-1Dl": WIDE, "Empty-8x8": GridSize(8, 8)}


def seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def student(size: GridSize, with_goal: bool = True, layers: int = 0) -> Student:
    return Student(size, 256, with_goal, layers, seed())


def fill(network: nn.Module, number: int) -> None:
    """The card's parameters: one stream of normal numbers over the documented order (card 9.2)."""
    stream = np.random.RandomState(number)
    for name, parameter in named_in_order(network):
        values = stream.standard_normal(tuple(parameter.shape))
        if name.endswith("bias"):
            values *= 0.05
        elif "embeddings" not in name and not name.startswith(("location", "goal")):
            values *= 1.4 / math.sqrt(parameter[0].numel())
        parameter.data.copy_(torch.from_numpy(values))


def card_frames(size: GridSize) -> Tensor:
    """(3, 1, W, H, 3), the card's input."""
    frames = np.zeros((3, 1, size.width, size.height, 3), np.uint8)
    for s, x, y in np.ndindex(3, size.width, size.height):
        frames[s, 0, x, y] = (x + 2 * y + s) % 10, (x * y + s) % 6, (x + 2 * y) % 4
    frames[:, 0, 2, 3] = 10, 0, 1
    return torch.from_numpy(frames)


CARRIED = torch.tensor([[1], [5], [6]]), torch.tensor([[5], [0], [2]])
GOALS = torch.tensor([[3], [10], [20]])
NEVER = torch.zeros(3, 1, dtype=torch.bool)


@pytest.fixture(params=["plain", "fast"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of computing the convolutions."""
    if request.param == "plain":
        by_pytorch = lambda self, frames, goals=None, _=None: self.plain(frames, goals)  # noqa: E731
        monkeypatch.setattr(ConvolutionStack, "forward", by_pytorch)
    return str(request.param)


def close(found: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(found.detach().flatten(), torch.tensor(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("task", COUNTS)
def test_every_network_has_the_cards_number_of_parameters(task: str):
    from amigo.envs import find_task

    size = GridSize(find_task(task).width, find_task(task).height)
    networks = [student(size), Teacher(size, False, seed()), student(size, False), NoveltyNetwork(size, seed())]
    networks.append(student(size, True, 1))
    assert tuple(count([network]) for network in networks) == COUNTS[task]


def test_describe_tells_the_sizes_of_the_networks_that_a_method_has():
    counted = parameter_counts("KeyCorridorS3R3", "amigo_novelty")
    assert counted == {"student without goal": 118829, "novelty": 63525}
    assert parameter_counts("KeyCorridorS3R3", "amigo") == {"student": 119617, "teacher": 6372}


@pytest.mark.usefixtures("path")
def test_the_student_gives_the_cards_values_on_a_square_grid():
    network = student(SQUARE)
    fill(network, 7)
    output = network(card_frames(SQUARE), CARRIED, GOALS, NEVER)
    close(output.logits[0], [-1.1999, -0.17301, 1.66382, -0.17376, 0.8214, 0.39736, 0.4399])
    close(output.values, [-0.25662, -1.52479, -1.46235])
    close(network(card_frames(SQUARE), CARRIED, 0 * GOALS, NEVER).values, [-0.26563, -1.53656, -1.4562])


@pytest.mark.usefixtures("path")
def test_the_student_gives_the_cards_values_on_a_wide_grid():
    network = student(WIDE)
    fill(network, 7)
    output = network(card_frames(WIDE), CARRIED, GOALS, NEVER)
    close(output.logits[0], [0.55015, 0.64502, 0.30916, 0.78224, 0.59237, 0.79115, -1.06788])
    close(output.values, [0.14895, -0.35867, 0.39323])


@pytest.mark.usefixtures("path")
def test_the_student_without_a_goal_gives_the_cards_values():
    network = student(SQUARE, with_goal=False)
    fill(network, 7)
    output = network(card_frames(SQUARE), CARRIED, None, NEVER)
    close(output.logits[0], [0.22005, -0.76505, 0.29412, -0.53108, 0.82524, 0.38675, -0.06212])
    close(output.values, [-0.12531, -0.19385, 0.69142])


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("size", "values", "sums", "greatest"),
    [
        (SQUARE, [-2.52845, -2.48247, -0.74072], [-9.2438, -6.8482, -10.2176], [16, 15, 1]),
        (WIDE, [0.89354, 0.78555, -0.95172], [-16.388, -16.0288, -16.539], [44, 23, 1]),
    ],
)
def test_the_teacher_gives_the_cards_values(
    size: GridSize, values: list[float], sums: list[float], greatest: list[int]
):
    network = Teacher(size, False, seed())
    fill(network, 7)
    output = network(card_frames(size)[:, 0])
    close(output.values, values)
    close(output.logits.sum(1), sums)
    assert output.logits.argmax(1).tolist() == greatest
    if size == SQUARE:
        close(output.logits[0, :6], [-0.00697, -0.32346, -0.05311, 1.88801, 1.5747, -0.63379])


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("size", "expected"),
    [(SQUARE, [8.56233, 7.71625, 8.8326]), (WIDE, [7.62495, 6.36215, 7.1209])],
)
def test_novelty_is_what_the_card_measured(size: GridSize, expected: list[float]):
    predictor, target = NoveltyNetwork(size, seed()), NoveltyNetwork(size, seed())
    fill(predictor, 7)
    fill(target, 8)
    novelty = (predictor(card_frames(size), CARRIED) - target(card_frames(size), CARRIED)).norm(dim=-1)
    close(novelty, expected)
    assert float(novelty[1:].sum().detach()) == pytest.approx({7: 16.54885, 11: 13.48305}[size.width], abs=1e-4)


@pytest.mark.parametrize("width", [5, 7, 8, 10, 11, 13, 16])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("with_goal", [False, True])
def test_the_cpu_path_equals_pytorchs_convolutions_and_their_gradients(width: int, stride: int, with_goal: bool):
    torch.manual_seed(width)
    height = 6 if width == 11 else width
    stack = ConvolutionStack(width, height, (32, 32, 32, 32, 32) if stride == 2 else (16, 16, 16, 1), stride, with_goal)
    cells = [torch.randint(0, most, (9, width, height), dtype=torch.uint8) for most in (11, 6, 4)]
    frames, goals = torch.stack(cells, -1), torch.randint(0, width * height, (9,))
    plain, fast = stack.plain(frames, goals), stack(frames, goals)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(plain)
    parameters = list(stack.parameters())
    slow_gradients = torch.autograd.grad((plain * weights).sum(), parameters)
    for quick, slow in zip(torch.autograd.grad((fast * weights).sum(), parameters), slow_gradients, strict=True):
        torch.testing.assert_close(quick, slow, rtol=1e-4, atol=1e-5 * float(slow.abs().max()) + 1e-6)
    with torch.inference_mode():
        assert torch.equal(stack(frames, goals, stack.prepare()), fast)


def test_an_aligned_teacher_names_the_cell_that_its_position_means():
    transposed, aligned = Teacher(WIDE, False, seed()), Teacher(WIDE, True, seed())
    frames = card_frames(WIDE)[:, 0]
    planes, goals = transposed(frames).logits.view(3, 6, 11), aligned(frames).logits
    for x, y in np.ndindex(11, 6):
        assert torch.equal(goals[:, x * 6 + y], planes[:, y, x])
    assert torch.equal(transposed(frames).values, aligned(frames).values)


def test_the_lstm_forgets_where_an_episode_begins():
    network = student(SQUARE, layers=1)
    frames, ended = card_frames(SQUARE), torch.tensor([[False], [True], [False]])
    start = torch.zeros(1, 1, 256), torch.zeros(1, 1, 256)
    remembered = (start[0] + 1, start[1] + 1)
    output = network(frames, CARRIED, GOALS, ended, remembered)
    later = network(frames[1:], (CARRIED[0][1:], CARRIED[1][1:]), GOALS[1:], NEVER[1:], start)
    torch.testing.assert_close(output.logits[1:], later.logits)
    assert not torch.allclose(output.logits[0], network(frames, CARRIED, GOALS, ended, start).logits[0])


def scale_of_an_orthogonal(weight: Tensor) -> float:
    """The g of W W^T = g^2 or W^T W = g^2, whichever is the smaller; fails where W is not orthogonal."""
    matrix = weight.detach().flatten(1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    gain = float(product.diagonal().mean().sqrt())
    torch.testing.assert_close(product, gain**2 * torch.eye(len(product)), rtol=0, atol=1e-4)
    return gain


@pytest.mark.parametrize("kind", ["student", "student without goal", "novelty"])
def test_weights_begin_orthogonal_biases_at_zero_and_embeddings_normal(kind: str):
    network = NoveltyNetwork(SQUARE, seed()) if kind == "novelty" else student(SQUARE, kind == "student")
    named = dict(named_in_order(network))
    tables = {name: table for name, table in named.items() if "embeddings" in name or name.startswith(("loc", "goal"))}
    for name, parameter in named.items():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif name not in tables:
            expected = 1.0 if name.startswith(("policy", "baseline")) else math.sqrt(2)
            assert scale_of_an_orthogonal(parameter) == pytest.approx(expected, abs=1e-4), name
    numbers = torch.cat([table.detach().flatten() for table in tables.values()])
    assert float(numbers.std()) == pytest.approx(1, abs=0.1)
    assert float(numbers.mean()) == pytest.approx(0, abs=0.15)


def assert_uniform(numbers: Tensor, bound: float) -> None:
    """Within the bound, reaching almost to it on both sides, with a uniform distribution's spread."""
    assert 0.9 * bound < float(numbers.max()) <= bound
    assert -bound <= float(numbers.min()) < -0.9 * bound
    assert float(numbers.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_the_lstm_begins_uniform_by_its_width():
    lstm = student(SQUARE, layers=2).lstm
    assert lstm is not None
    for parameter in lstm.parameters():
        assert_uniform(parameter.detach(), 1 / 16)


def test_the_teachers_convolutions_begin_uniform_by_their_inputs_and_its_baseline_orthogonal():
    network = Teacher(SQUARE, False, seed())
    biases = []
    for weight, bias in network.stack.convolution_parameters:
        bound = 1 / math.sqrt(9 * weight.shape[1])
        assert_uniform(weight.detach(), bound)
        biases.append(bias.detach() / bound)
    assert_uniform(torch.cat(biases), 1.0)
    assert scale_of_an_orthogonal(network.baseline.weight) == pytest.approx(1, abs=1e-4)
    assert not network.baseline.bias.any()
    numbers = torch.cat([table.detach().flatten() for table in network.stack.embeddings.parameters()])
    assert float(numbers.std()) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("kind", ["student", "teacher", "novelty"])
def test_weights_come_from_the_generator_alone(kind: str):
    def made() -> nn.Module:
        if kind == "teacher":
            return Teacher(SQUARE, False, seed())
        return NoveltyNetwork(SQUARE, seed()) if kind == "novelty" else student(SQUARE, layers=1)

    for (name, one), (_, other) in zip(named_in_order(made()), named_in_order(made()), strict=True):
        assert torch.equal(one, other), name


def test_only_a_cpu_has_weights_prepared_to_act():
    stack = ConvolutionStack(5, 5, (32, 32), 2, with_goal=True)
    assert stack.prepare_to_act() is not None
    assert stack.to("meta").prepare_to_act() is None


def test_the_goal_changes_what_the_student_does():
    network = student(SQUARE)
    first, second = (network(card_frames(SQUARE), CARRIED, goals, NEVER).logits for goals in (GOALS, 48 - GOALS))
    assert not torch.allclose(first, second)


def test_logits_of_the_teacher_are_above_minus_one():
    network = Teacher(SQUARE, False, seed())
    with torch.no_grad():
        for _, bias in network.stack.convolution_parameters:
            bias -= 50
    assert float(network(card_frames(SQUARE)[:, 0]).logits.min().detach()) >= -1
