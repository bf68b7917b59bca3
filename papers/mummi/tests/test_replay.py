"""The replay: what is written, what is drawn, and that a continued one is the same."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from plain.replay import PlainReplay

from mirl.config import ConfigError
from mummi.replay import Replay, export_npz


def episode(number: int, length: int = 21) -> dict[str, np.ndarray]:
    """Entries that tell their episode and place."""
    places = np.arange(length)
    return {
        "image": np.broadcast_to((100 * number + places)[:, None, None, None] % 251, (length, 4, 4, 3)).astype(
            np.uint8
        ),
        "touch": np.stack([np.full(length, number), places], axis=1).astype(np.float16),
        "n_contact": places.astype(np.int16),
        "reward": (number + places / 32).astype(np.float16),
    }


def filled(folder: Path, lengths: tuple[int, ...] = (21, 21, 31), memory_bytes: int = 2**30) -> Replay:
    replay = Replay(folder, memory_bytes)
    for number, length in enumerate(lengths):
        replay.add(episode(number, length))
    return replay


def test_a_batch_holds_whole_sequences_in_their_types(tmp_path: Path):
    replay = filled(tmp_path)
    batch = replay.sample(np.random.default_rng(0), 40, 8)
    assert {key: (values.shape, values.dtype.name) for key, values in batch.items()} == {
        "image": ((40, 8, 4, 4, 3), "uint8"),
        "touch": ((40, 8, 2), "float16"),
        "n_contact": ((40, 8), "int16"),
        "reward": ((40, 8), "float16"),
    }
    for row in range(40):
        number, start = int(batch["touch"][row, 0, 0]), int(batch["touch"][row, 0, 1])
        for key, values in episode(number, (21, 21, 31)[number]).items():
            np.testing.assert_array_equal(batch[key][row], values[start : start + 8])


def test_only_what_is_asked_for_is_read(tmp_path: Path):
    batch = filled(tmp_path).sample(np.random.default_rng(0), 3, 5, keys=["reward", "touch"])
    assert list(batch) == ["reward", "touch"]


def test_episodes_are_uniform_and_the_last_entry_is_never_drawn(tmp_path: Path):
    replay = filled(tmp_path)
    episodes, starts = replay.draw(np.random.default_rng(0), 30_000, 8)
    np.testing.assert_allclose(np.bincount(episodes) / 30_000, 1 / 3, atol=0.01)
    for number, length in enumerate((21, 21, 31)):
        counts = np.bincount(starts[episodes == number])
        assert len(counts) == length - 8, "0 to entries - length, exclusive"
        np.testing.assert_allclose(counts / counts.mean(), 1, atol=0.25)


def test_of_501_entries_the_largest_start_is_450(tmp_path: Path):
    replay = filled(tmp_path, (501,))
    _, starts = replay.draw(np.random.default_rng(0), 20_000, 50)
    assert (starts.min(), starts.max()) == (0, 450)
    assert replay.gather(np.array([0]), np.array([450]), 50)["n_contact"].max() == 499


def test_the_last_entry_is_drawn_where_that_is_asked_for(tmp_path: Path):
    replay = filled(tmp_path, (21,))
    _, starts = replay.draw(np.random.default_rng(0), 14_000, 8, last_entry=True)
    np.testing.assert_allclose(np.bincount(starts), np.full(14, 1000), rtol=0.15)
    batch = replay.sample(np.random.default_rng(0), 200, 8, last_entry=True)
    assert batch["n_contact"].max() == 20


def test_balance_draws_ends_more_often_and_the_last_entry_as_well(tmp_path: Path):
    replay = filled(tmp_path, (21,))
    _, starts = replay.draw(np.random.default_rng(0), 21_000, 8, balance=True)
    counts = np.bincount(starts)
    assert len(counts) == 14
    np.testing.assert_allclose(counts[:13], 1000, rtol=0.15)
    assert counts[13] == pytest.approx(8000, rel=0.05), "8 of 21 starts are moved back"


def test_short_episodes_are_never_drawn(tmp_path: Path):
    replay = filled(tmp_path, (8, 21, 9))
    episodes, _ = replay.draw(np.random.default_rng(0), 2000, 8)
    assert set(episodes) == {1, 2}, "9 entries leave one start, 8 leave none"
    with pytest.raises(
        ValueError, match=r"batch_length must be shorter than the longest episode \(21 entries\), got 21"
    ):
        replay.draw(np.random.default_rng(0), 1, 21)


@pytest.mark.parametrize("memory_bytes", [2**30, 0, 3000])
def test_a_batch_equals_that_of_the_plain_loader(tmp_path: Path, memory_bytes: int):
    replay = filled(tmp_path, memory_bytes=memory_bytes)
    plain = PlainReplay([episode(0), episode(1), episode(2, 31)])
    episodes, starts = replay.draw(np.random.default_rng(1), 20, 6)
    batch, expected = replay.gather(episodes, starts, 6), plain.gather(episodes, starts, 6)
    assert batch.keys() == expected.keys()
    for key, values in batch.items():
        np.testing.assert_array_equal(values, expected[key])


def test_what_does_not_fit_into_memory_is_read_from_its_shard(tmp_path: Path):
    size = 21 * (48 + 4 + 2 + 2)
    replay = filled(tmp_path, (21,) * 5, memory_bytes=2 * size)
    assert [isinstance(each, np.memmap) for each in replay.episodes] == [False, False, True, True, True]
    assert replay.held_bytes == 2 * size


def test_counts(tmp_path: Path):
    replay = filled(tmp_path)
    assert len(replay) == 3
    assert replay.agent_steps == 20 + 20 + 30
    assert len(Replay(tmp_path / "none")) == Replay(tmp_path / "none").agent_steps == 0


def test_a_loaded_replay_continues_the_saved_one(tmp_path: Path):
    replay = filled(tmp_path)
    state = replay.state()
    assert state["lengths"] == [21, 21, 31]
    expected = replay.sample(np.random.default_rng(3), 10, 5)
    replay.add(episode(9))  # written, but no checkpoint counts on it
    other = Replay(tmp_path, memory_bytes=1500)
    other.load(state)
    for key, values in other.sample(np.random.default_rng(3), 10, 5).items():
        np.testing.assert_array_equal(values, expected[key])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"episode-{number:06d}.npy" for number in range(3)]
    other.add(episode(4))
    assert other.state()["lengths"] == [21, 21, 31, 21]
    assert other.gather(np.array([3]), np.array([0]), 1)["touch"][0, 0, 0] == 4


def test_a_missing_or_damaged_shard_is_named_and_nothing_is_deleted(tmp_path: Path):
    replay = filled(tmp_path)
    state = replay.state()
    replay.add(episode(3))
    shard = tmp_path / "episode-000001.npy"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + b"x")
    with pytest.raises(ConfigError, match=r"episode-000001\.npy is damaged \(its sha256 differs"):
        Replay(tmp_path).load(state)
    shard.unlink()
    with pytest.raises(ConfigError, match=r"episode-000001\.npy is missing; start again with --overwrite"):
        Replay(tmp_path).load(state)
    assert (tmp_path / "episode-000003.npy").exists()


def test_episodes_of_another_form_are_refused(tmp_path: Path):
    replay = filled(tmp_path)
    other = episode(0)
    other["touch"] = other["touch"][:, :1]
    with pytest.raises(ValueError, match="an episode of this replay has"):
        replay.add(other)
    other["touch"] = other["touch"][:5]
    with pytest.raises(ValueError, match="the arrays of an episode are of one length"):
        replay.add(other)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_exported_episode_is_named_as_the_original_names_it(tmp_path: Path):
    path = export_npz(episode(2), tmp_path / "episodes", 30, datetime(2021, 5, 6, 7, 8, 9))
    assert re.fullmatch(r"20210506T070809-0{30}1e-21\.npz", path.name)
    with np.load(path, allow_pickle=False) as loaded:
        assert set(loaded) == set(episode(2))
        for key, values in episode(2).items():
            np.testing.assert_array_equal(loaded[key], values)
            assert loaded[key].dtype == values.dtype


def test_an_episode_that_is_exported_again_takes_its_files_place(tmp_path: Path):
    first = export_npz(episode(2), tmp_path, 1, datetime(2021, 5, 6))
    other = export_npz(episode(3), tmp_path, 17, datetime(2021, 5, 6))
    again = export_npz(episode(2), tmp_path, 1, datetime(2021, 5, 7))
    assert {path.name for path in tmp_path.iterdir()} == {other.name, again.name}
    assert first != again
