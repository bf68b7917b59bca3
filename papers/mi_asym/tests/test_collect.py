"""Stage 1: the data file, its reading, resumption and the augmented copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from plain.images import rotate_image

from mi_asym.collect import CollectionStopped, Data, collect, data_file_name, load_data
from mi_asym.collect.data import NAMES
from mi_asym.collect.grids import collect_grid_episodes
from mi_asym.envs import GRID_TASKS, grid_tables, make, task_spec
from mirl.config import ConfigError


def assert_equal(one: Data, other: Data) -> None:
    for name in NAMES:
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_data_files_are_named_as_the_original_names_them():
    assert data_file_name("heaven_hell", 42, 3000) == "heaven_hell_s42_3000ep.data"
    assert data_file_name("block_pulling", 1, 20, True, 3) == "block_pulling_s1_20ep_aug_3.data"


@pytest.mark.parametrize("task", GRID_TASKS)
def test_grid_data_hold_zero_padded_random_episodes(task: str, tmp_path: Path):
    path = collect(task, 5, 70, tmp_path)
    data, spec = load_data(path), task_spec(task)
    assert path.name == f"{task}_s5_70ep.data"
    assert data.obss.shape == (70, 50, spec.observation_size)
    assert data.states.shape == (70, 50, spec.state_size)
    assert data.actions.shape == data.masks.shape == data.rewards.shape == (70, 50)
    assert all(getattr(data, name).dtype == torch.float32 for name in NAMES)
    lengths = data.masks.sum(1)
    assert lengths.min() >= 2
    assert (data.masks == (torch.arange(50) < lengths[:, None])).all()
    for name in NAMES:
        assert getattr(data, name)[data.masks == 0].abs().sum() == 0
    counts = torch.bincount(data.actions[data.masks == 1].long(), minlength=4)
    assert (counts > 0.8 * counts.float().mean()).all()
    assert data.rewards.abs().sum() > 0


@pytest.mark.parametrize("task", GRID_TASKS)
def test_grid_episodes_are_what_the_gym_environment_plays(task: str):
    data = collect_grid_episodes(task, 3, 70)
    for environment in (0, 5, 31):
        env = make(task, 3, environment=environment, purpose="collect")
        for episode in range(environment, 70, 32):
            observation, done, time = env.reset(), False, 0
            while not done:
                np.testing.assert_array_equal(data.obss[episode, time], np.float32(observation))
                np.testing.assert_array_equal(data.states[episode, time], np.float32(env.unwrapped.get_state()))
                observation, reward, done, _ = env.step(int(data.actions[episode, time]))
                assert float(data.rewards[episode, time]) == np.float32(reward)
                time += 1
            assert data.masks[episode].sum() == time


def test_the_same_seed_gives_the_same_file_and_another_another(tmp_path: Path):
    one, same = (load_data(collect("sphinx", 1, 40, tmp_path / name)) for name in "ab")
    assert_equal(one, same)
    assert not torch.equal(one.states, load_data(collect("sphinx", 2, 40, tmp_path)).states)
    longer = load_data(collect("sphinx", 1, 45, tmp_path))
    assert torch.equal(longer.obss[:40], one.obss)


def test_carflag_starts_may_be_drawn_uniformly(tmp_path: Path):
    carried, drawn = (collect_grid_episodes("carflag_2d", 0, 64, start) for start in ("carry", "uniform"))
    assert torch.equal(carried.states[:32, 0, 121:], drawn.states[:32, 0, 121:])
    tables = grid_tables("carflag_2d")
    first = carried.states[:32, 0, :121].argmax(1)
    assert (first == 25).sum() > 24  # never placed, but where it may not start
    assert len(set(drawn.states[:, 0, :121].argmax(1).tolist())) > 30
    assert not tables.information[drawn.states[:, 0, :121].argmax(1)].any()


def test_robot_data_hold_random_then_expert_episodes_then_rotated_copies(tmp_path: Path):
    path = collect("block_pulling", 0, 3, tmp_path, random_episodes=1, aug=True, n_aug=2)
    data = load_data(path)
    assert path.name == "block_pulling_s0_3ep_aug_2.data"
    assert data.obss.shape == data.states.shape == (1 + 2 * 3, 50, 14112)
    assert data.obss.dtype == torch.float16
    assert data.rewards.sum(1).tolist() == [0, 1, 1, 1, 1, 1, 1]
    lengths = data.masks.sum(1).int().tolist()
    assert lengths[1] > 15 > lengths[2]  # expert 0 seeks, expert 1 goes straight
    assert lengths[3:] == lengths[1:3] * 2
    assert not (path.with_name(path.name + ".parts")).exists()
    for original, copy in ((1, 3), (2, 4), (1, 5), (2, 6)):
        assert torch.equal(data.actions[copy][..., [0, 3, 4]], data.actions[original][..., [0, 3, 4]])
        assert torch.equal(data.rewards[copy], data.rewards[original])
        assert not torch.equal(data.obss[copy], data.obss[original])
    moves = data.actions[2, :, 1:3]
    time = int((moves.norm(dim=1) * (moves.norm(dim=1) < 0.99)).argmax())  # whose move cannot have been clipped
    angle = direction(data.actions[4, time, 1:3]) - direction(moves[time])
    depth, turned = (data.obss[episode, 3].float().view(2, 84, 84)[0].double().numpy() for episode in (2, 4))
    np.testing.assert_allclose(turned, rotate_image(depth, angle), atol=3e-3)


def direction(move: torch.Tensor) -> float:
    return float(torch.atan2(move[1], move[0]))


def test_a_stopped_robot_collection_goes_on_and_ends_equal(tmp_path: Path):
    whole = load_data(collect("block_pushing", 0, 10, tmp_path / "whole", random_episodes=1))
    asked = iter([False, True])
    with pytest.raises(CollectionStopped, match="8 of 10 episodes are kept"):
        collect("block_pushing", 0, 10, tmp_path, random_episodes=1, should_stop=lambda: next(asked))
    with pytest.raises(ConfigError, match="holds episodes of another collection"):
        collect("block_pushing", 0, 10, tmp_path, random_episodes=2)
    reported = []
    path = collect("block_pushing", 0, 10, tmp_path, random_episodes=1, report=lambda *done: reported.append(done))
    assert reported == [(8, 10), (10, 10)]
    assert_equal(load_data(path), whole)


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        ("sphinx", {"episodes": 0}, "--episodes must be at least 1, got 0"),
        ("sphinx", {"episodes": 5, "random_episodes": 3}, "--random-episodes must equal --episodes 5 on sphinx"),
        ("sphinx", {"episodes": 5, "aug": True}, "--n-aug is for robots only, got task sphinx"),
        ("block_pulling", {"episodes": 5, "random_episodes": 6}, "--random-episodes must be between 0 and"),
        ("block_pulling", {"episodes": 5, "aug": True, "n_aug": 0}, "--n-aug must be at least 1, got 0"),
        ("block_pulling", {"episodes": 5, "start": "uniform"}, "--start uniform is for carflag_2d only"),
    ],
)
def test_wrong_arguments_are_one_clear_line_and_write_nothing(
    task: str, arguments: dict[str, object], message: str, tmp_path: Path
):
    with pytest.raises(ConfigError, match=message):
        collect(task, 0, folder=tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_data_file_cannot_run_code(tmp_path: Path):
    torch.save({"obss": Trap(tmp_path / "sprung")}, tmp_path / "bad.data")
    with pytest.raises(ConfigError, match=r"bad\.data is not a data file that can be read safely"):
        load_data(tmp_path / "bad.data")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": torch.ones(2, 49)}, "masks must be"),
        ({"rewards": torch.ones(3, 50)}, "rewards must begin with"),
        ({"obss": torch.full((2, 50, 3), 1.5)}, r"obss must lie in \[-1, 1\], got 1.5"),
        ({"states": torch.full((2, 50, 3), float("nan"))}, "states holds numbers that are not finite"),
        ({"actions": None}, "must hold a tensor of floats named actions"),
        ({"obss": torch.zeros(2, 50)}, "obss must have three dimensions, got 2"),
    ],
)
def test_a_wrong_data_file_is_one_clear_line(change: dict[str, object], message: str, tmp_path: Path):
    content = {name: torch.zeros(2, 50, 3) for name in ("obss", "states")}
    content |= {name: torch.zeros(2, 50) for name in ("actions", "masks", "rewards")}
    torch.save(content | change, tmp_path / "file.data")
    with pytest.raises(ConfigError, match=message):
        load_data(tmp_path / "file.data")


def test_a_torn_or_missing_data_file_is_one_clear_line(tmp_path: Path):
    with pytest.raises(ConfigError, match="there is no data file"):
        load_data(tmp_path / "none.data")
    path = collect("heaven_hell", 0, 3, tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="is not a data file that can be read safely"):
        load_data(path)
