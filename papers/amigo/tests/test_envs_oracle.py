"""Step by step the batch is gym-minigrid: from any state, with any actions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from gym_minigrid.minigrid import COLOR_NAMES, Ball, Box, Door, Key

from amigo.envs import TASKS, BatchedMiniGrid, make_batch
from amigo.envs.codes import BALL, BOX, DOOR, FORWARD, KEY, NOTHING_CARRIED, PICK_UP, STEP_X, STEP_Y, TOGGLE
from amigo.envs.oracle import FullGrid, load_oracle, make_oracle, store_in_oracle

FIRST_FRAMES = {
    "KeyCorridorS3R3": ("514b0fbfce7a5087", "9d3e58d67662e24d", "5e452c68581584eb"),
    "KeyCorridorS4R3": ("e2e4f0dd96252917", "3b3bd79c47662bf0", "cb4f1266365c22bd"),
    "ObstructedMaze-1Dl": ("633ca24aaf191901", "8fb44babd7e177de", "703e8ca264967156"),
    "ObstructedMaze-2Dlhb": ("792e794e2a116eb0", "e1c41969a846e90d", "e8548a9ccf83b63d"),
    "Empty-8x8": ("0e18993d769bad4c",) * 3,
}
"""sha256 (16 digits) of the first frames of seeds 0, 1, 2 (card 9.1)."""
FIRST_POSES = {
    "KeyCorridorS3R3": (3, 3, 0),
    "KeyCorridorS4R3": (4, 3, 1),
    "ObstructedMaze-1Dl": (1, 2, 2),
    "ObstructedMaze-2Dlhb": (13, 8, 0),
    "Empty-8x8": (1, 1, 0),
}
"""The agent's x, y, heading for seed 0 (card 9.1)."""
ROLLING = {
    "KeyCorridorS3R3": ("c19684f976b3141c", 7, 0.0),
    "KeyCorridorS4R3": ("2c449ec211b786cb", 4, 0.0),
    "ObstructedMaze-1Dl": ("4a20da6c59a5bcf9", 6, 0.0),
    "ObstructedMaze-2Dlhb": ("791d6ad3e6ce4154", 3, 0.3140625),
    "Empty-8x8": ("fa5bde90fdb9b0fe", 8, 1.245703125),
}
"""sha256, episodes and summed reward of 2000 random actions from seed 0 (card 9.1)."""
SUITE_TASKS = [
    "Empty-8x8",
    *(f"KeyCorridor{size}" for size in ("S3R1", "S3R2", "S3R3", "S4R3", "S5R3")),
    *(f"ObstructedMaze-{kind}" for kind in ("1Dl", "2Dlhb", "1Q")),
]
"""The tasks of reproduce.yaml; the others are compared over fewer steps."""
EPISODE_STARTS = 12
"""Oracle states from which each task is stepped."""


@pytest.mark.parametrize("name", FIRST_FRAMES)
def test_the_oracle_gives_the_cards_first_frames_and_poses(name: str):
    oracle = make_oracle(name)
    for seed, expected in enumerate(FIRST_FRAMES[name]):
        oracle.seed(seed)
        frame = oracle.reset()
        assert frame.dtype == np.uint8
        assert digest(frame.tobytes()) == expected
        if seed == 0:
            assert (*oracle.unwrapped.agent_pos, oracle.unwrapped.agent_dir) == FIRST_POSES[name]


@pytest.mark.parametrize("name", FIRST_FRAMES)
def test_the_batch_gives_the_cards_first_frames_and_poses(name: str):
    batch = make_batch(name, 3, 0, env_seeds=[0, 1, 2])
    assert tuple(digest(frame.tobytes()) for frame in batch.frame) == FIRST_FRAMES[name]
    assert tuple(batch.agent[0]) == FIRST_POSES[name]


@pytest.mark.parametrize("name", ROLLING)
def test_the_oracle_gives_the_cards_hash_of_2000_random_actions(name: str):
    oracle, actions = make_oracle(name), np.random.RandomState(0)
    oracle.seed(0)
    oracle.reset()
    content, episodes, total = b"", 0, 0.0
    for _ in range(2000):
        frame, reward, done, _ = oracle.step(actions.randint(7))
        content += frame.tobytes() + bytes([done])
        total += reward
        episodes += done
        if done:
            oracle.reset()
    assert (digest(content), episodes, total) == ROLLING[name]


@pytest.mark.parametrize("loaded", [False, True], ids=["seeded", "loaded"])
@pytest.mark.parametrize("name", ROLLING)
def test_the_batch_gives_the_cards_hash_of_2000_random_actions(name: str, loaded: bool):
    batch, actions = make_batch(name, 1, 0, env_seeds=[3 if loaded else 0]), np.random.RandomState(0)
    if loaded:
        oracle = make_oracle(name)
        oracle.seed(0)
        oracle.reset()
        load_oracle(batch, 0, oracle)
    content, episodes, total = b"", 0, 0.0
    for _ in range(2000):
        batch.step([actions.randint(7)], auto_reset=False)
        content += batch.frame[0].tobytes() + bytes([int(batch.done[0])])
        total += float(batch.reward[0])
        episodes += int(batch.done[0])
        batch.restart(batch.done)
    expected_digest, expected_episodes, expected_total = ROLLING[name]
    assert (digest(content), episodes) == (expected_digest, expected_episodes)
    assert total == pytest.approx(expected_total, abs=1e-6)  # the batch's rewards are float32


@pytest.mark.parametrize("name", TASKS)
def test_every_step_is_the_oracles(name: str):
    compare_steps(name, steps=5000 if name in SUITE_TASKS else 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_every_step_of_a_hundred_thousand_is_the_oracles(name: str):
    compare_steps(name, steps=100_000)


@pytest.mark.parametrize("name", ["KeyCorridorS4R3", "ObstructedMaze-2Dlhb", "Empty-Random-6x6"])
def test_a_state_goes_to_the_oracle_and_back_unchanged(name: str):
    rng, oracle, batch = np.random.default_rng(8), make_oracle(name), make_batch(name, 2, 0)
    for _ in range(20):
        scramble(oracle, rng)
        load_oracle(batch, 0, oracle)
        other = make_oracle(name)
        store_in_oracle(batch, 0, other)
        other.unwrapped.np_random.set_state(oracle.unwrapped.np_random.get_state())
        load_oracle(batch, 1, other)
        for field, array in batch.state_dict().items():
            if field != "first_stream":
                np.testing.assert_array_equal(array[0], array[1], err_msg=field)


def test_a_box_with_anything_but_a_key_is_refused():
    oracle, batch = make_oracle("ObstructedMaze-1Dlh"), make_batch("ObstructedMaze-1Dlh", 1, 0)
    oracle.unwrapped.carrying = Box("red", Ball("blue"))
    with pytest.raises(ValueError, match="a box holds a ball"):
        load_oracle(batch, 0, oracle)


def compare_steps(name: str, steps: int) -> None:
    """Step a batch and one oracle together from `EPISODE_STARTS` scrambled states, through resets, for `steps` in all.

    Half of the actions are uniform, half are those that do something. To save time the oracle here leaves out its
    7 × 7 view, which card 4.3 throws away.
    """
    rng, oracle, batch = np.random.default_rng(sum(name.encode())), make_oracle(name), make_batch(name, 2, 0)
    oracle.seed(11)
    oracle.unwrapped.gen_obs = lambda: {"image": None, "direction": 0, "mission": ""}
    for _ in range(EPISODE_STARTS):
        scramble(oracle, rng)
        load_oracle(batch, 1, oracle)
        total = 0.0
        for _ in range(steps // EPISODE_STARTS):
            action = int(rng.integers(7)) if rng.random() < 0.5 else busy_action(batch, rng)
            frame, reward, done, _ = oracle.step(action)
            batch.step([6, action])
            total += reward
            length = oracle.unwrapped.step_count
            if done:
                frame = oracle.reset()
            assert_equal_records(batch, oracle, frame, (reward, done, total, length))
            total = 0.0 if done else total


def assert_equal_records(
    batch: BatchedMiniGrid, oracle: FullGrid, frame: np.ndarray, record: tuple[float, ...]
) -> None:
    """Frame, carried thing and (reward, done, return, length) of the batch's environment 1 are the oracle's."""
    reward, done, total, length = record
    assert batch.frame[1].tobytes() == frame.tobytes()
    assert (batch.carried_object[1], batch.carried_colour[1]) == oracle.carried
    assert (batch.reward[1], batch.done[1]) == (np.float32(reward), done)
    assert (batch.episode_return[1], batch.episode_length[1]) == (np.float32(total), length)


def busy_action(batch: BatchedMiniGrid, rng: np.random.Generator) -> int:
    """What a curious agent does: take or open what lies ahead, else walk on or turn."""
    x, y, heading = batch.agent[1]
    ahead = batch.frame[1, x + STEP_X[heading], y + STEP_Y[heading], 0]
    if ahead in (KEY, BALL, BOX, DOOR):
        return int(rng.choice([PICK_UP, TOGGLE, FORWARD]))
    return int(rng.choice([FORWARD, FORWARD, 0, 1]))


def scramble(oracle: FullGrid, rng: np.random.Generator) -> None:
    """A new episode, in the midst: some doors open, the agent anywhere, perhaps with something in its hands."""
    oracle.reset()
    inner = oracle.unwrapped
    for thing in inner.grid.grid:
        if isinstance(thing, Door) and rng.random() < 0.4:
            thing.is_open, thing.is_locked = True, False
    target = getattr(inner, "obj", None)
    colours = [colour for colour in COLOR_NAMES if target is None or colour != target.color]
    inner.carrying = rng.choice(
        [
            None,
            Key(rng.choice(COLOR_NAMES)),
            Ball(rng.choice(colours)),
            Box("grey", Key(rng.choice(COLOR_NAMES))),
            Box("red"),
        ]
    )
    while True:
        x, y = rng.integers((1, 1), (inner.width - 1, inner.height - 1))
        cell = inner.grid.get(x, y)
        if cell is None or cell.can_overlap():
            break
    inner.agent_pos, inner.agent_dir = np.array((x, y)), int(rng.integers(4))
    inner.step_count = int(rng.integers(inner.max_steps // 2))


def digest(content: bytes) -> str:
    """The first 16 hexadecimal digits of the sha256."""
    return hashlib.sha256(content).hexdigest()[:16]


def test_empty_hands_are_reported_alike():
    assert make_oracle("Empty-5x5").carried == NOTHING_CARRIED
