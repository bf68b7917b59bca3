"""Gaps in the sensors: when they start, how long they last, what is seen of them (card 4.6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from toys import toy_env

from mummi.backgrounds.procedural import ProceduralVideos
from mummi.envs import EnvOptions
from mummi.envs.missing import Gaps
from mummi.envs.tasks import SENSORS

VIDEOS = ProceduralVideos("train", videos=2, frames=4)


class Scripted:
    """Chance with known outcomes: U(0, 1) as 1 - random(), and lengths of gaps."""

    def __init__(self, uniforms: list[float], lengths: list[int]) -> None:
        self.uniforms, self.lengths = iter(uniforms), iter(lengths)
        self.bounds: list[tuple[int, int]] = []

    def random(self) -> float:
        return 1 - next(self.uniforms)

    def integers(self, low: int, high: int) -> int:
        self.bounds.append((low, high))
        return next(self.lengths)


def presence(gaps: Gaps, steps: int) -> Iterator[dict[str, bool]]:
    """The reset's observation and those of `steps` steps, in the environment's rhythm."""
    yield gaps.present()
    for _ in range(steps):
        yield gaps.present()
        gaps.time += 1


def flags_of_the_image(monkeypatch: pytest.MonkeyPatch, uniforms: list[float], lengths: list[int]) -> list[float]:
    """The image's flags in five observations of the real wrapper; the other two never miss and draw around it."""
    draws = [value for each in uniforms for value in (0.9, each, 0.9)] + [0.9] * 100
    monkeypatch.setattr("mummi.envs.missing.stream", lambda *key: Scripted(draws, lengths))
    env = toy_env(0, VIDEOS, EnvOptions())
    return [env.reset()["image_flag"][0]] + [env.step(np.zeros(6))[0]["image_flag"][0] for _ in range(4)]


def test_chance_decides_on_touch_then_image_then_depth():
    for number, sensor in enumerate(("touch", "image", "depth")):
        uniforms = [0.9, 0.9, 0.9]
        uniforms[number] = 0.25  # a draw equal to the ratio starts a gap
        chance = Scripted(uniforms, [3])
        present = Gaps(chance, dict.fromkeys(SENSORS, 0.25), 15).present()  # type: ignore[arg-type]
        assert [key for key, there in present.items() if not there] == [sensor]
        assert chance.bounds == [(1, 15)], "uniform from 1 to 14"


def test_a_running_gap_draws_nothing():
    chance = Scripted([0.9, 0.01, 0.9, 0.9, 0.9, 0.9, 0.01, 0.9], [2, 4])
    gaps = Gaps(chance, dict.fromkeys(SENSORS, 0.05), 15)  # type: ignore[arg-type]
    gaps.present()
    gaps.time = 1
    assert not gaps.present()["image"]
    gaps.time = 2
    assert not gaps.present()["image"], "the third observation drew 0.01 again"


def test_a_gap_begun_at_the_reset_lasts_one_observation_more(monkeypatch: pytest.MonkeyPatch):
    # the reset's observation and the first step's are both of time 0
    assert flags_of_the_image(monkeypatch, [0.01], [2]) == [0, 0, 0, 1, 1]
    assert flags_of_the_image(monkeypatch, [0.9, 0.01], [2]) == [1, 0, 0, 1, 1]
    assert flags_of_the_image(monkeypatch, [0.9, 0.9, 0.01], [1]) == [1, 1, 0, 1, 1]


def test_gaps_may_follow_one_another():
    chance = Scripted([0.9, 0.01, 0.9, *[0.9, 0.9], *[0.9, 0.01, 0.9], *[0.9] * 30], [1, 1])
    gaps = Gaps(chance, dict.fromkeys(SENSORS, 0.05), 15)  # type: ignore[arg-type]
    assert [each["image"] for each in presence(gaps, 3)] == [False, False, False, True]


def missing_share(ratio: float, episodes: int = 400) -> tuple[float, list[int]]:
    """Share of missing observations, and lengths of all gaps of the image that ended."""
    missing, lengths = [], []
    for episode in range(episodes):
        gaps = Gaps(np.random.default_rng([5, episode]), dict.fromkeys(SENSORS, ratio), 15)
        seen = [each["image"] for each in presence(gaps, 500)]
        missing += seen
        words = "".join("." if there else "x" for there in seen).split(".")
        lengths += [len(word) for word in words[:-1] if word]
    return 1 - float(np.mean(missing)), lengths


@pytest.mark.parametrize(("ratio", "low", "high"), [(0.05, 0.27, 0.29), (0.1, 0.44, 0.46), (0.0, 0.0, 0.0)])
def test_the_share_of_missing_observations_is_the_cards(ratio: float, low: float, high: float):
    share, _ = missing_share(ratio)
    assert low <= share <= high


def test_gaps_last_one_to_fourteen_observations_unless_they_merge():
    _, lengths = missing_share(0.01, episodes=200)
    counts = np.bincount(lengths, minlength=16)
    assert counts[0] == 0
    assert (counts[1:15] > 0).all()
    assert counts[16:].sum() < 0.03 * len(lengths), "merged ones are few where gaps are rare"


def test_what_is_missing_is_zero_and_flagged_and_the_background_goes_with_it():
    env = toy_env(0, VIDEOS, EnvOptions().with_miss_ratio(0.1))
    observations = [env.reset()]
    for _ in range(60):
        observations.append(env.step(np.ones(6))[0])
    for sensor in SENSORS:
        flags = np.array([each[f"{sensor}_flag"] for each in observations])
        assert flags.shape == (61, 1)
        assert flags.dtype == np.float16
        assert 0.2 < flags.mean() < 0.8
        for flag, each in zip(flags[:, 0], observations, strict=True):
            if not flag:
                assert not each[sensor].any()
            elif sensor != "touch":
                assert each[sensor].any()


def test_each_sensor_has_a_ratio_of_its_own():
    env = toy_env(0, VIDEOS, EnvOptions(image_miss_ratio=1, depth_miss_ratio=0, touch_miss_ratio=0))
    observation = env.reset()
    assert [observation[f"{sensor}_flag"][0] for sensor in ("image", "depth", "touch")] == [0, 1, 1]


def test_without_natural_backgrounds_nothing_is_missing_and_the_flags_say_so():
    env = toy_env(0, VIDEOS, EnvOptions(natural=False).with_miss_ratio(1))
    observation = env.reset()
    assert all(observation[f"{sensor}_flag"] == 1 for sensor in SENSORS)
    assert set(np.unique(observation["image"])) <= {40, 60, 120, 200}, "the toy's own colours"


def test_gaps_differ_between_episodes_and_repeat_with_the_seed():
    def flags(seed: int, episodes: int) -> list[np.ndarray]:
        env = toy_env(seed, VIDEOS, EnvOptions(time_limit=60))
        played = []
        for _ in range(episodes):
            env.reset()
            done = False
            while not done:
                _, _, done, info = env.step(np.zeros(6))
            played.append(info["episode"]["image_flag"])
        return played

    first, second = flags(0, 2)
    assert (first != second).any()
    np.testing.assert_array_equal(flags(0, 1)[0], first)
    assert (flags(1, 1)[0] != first).any()
