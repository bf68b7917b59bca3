"""Videos behind the robot: which pixels, which frame, when another video (card 4.5)."""

from __future__ import annotations

import numpy as np
import pytest
from toys import ToySimulator, toy_env

from mummi.envs import EnvOptions, make_env
from mummi.envs.natural import FOREGROUND, NaturalBackground
from mummi.envs.wrappers import ActionRepeat

NOTHING_MISSING = EnvOptions().with_miss_ratio(0)


class Numbered:
    """Frames that tell their video (green) and number (blue)."""

    source, videos, frames = "numbered", 50, 7

    def frame(self, video: int, number: int) -> np.ndarray:
        assert 0 <= video < self.videos
        assert 0 <= number < self.frames
        return np.full((64, 64, 3), (255, video, number), np.uint8)


def pointer(observation: dict[str, np.ndarray]) -> tuple[int, int]:
    """(video, frame) shown in the corner that the toy's dot never reaches."""
    _, video, number = observation["image"][0, 0]
    return int(video), int(number)


def test_bright_red_pixels_stay_and_all_others_are_the_video():
    simulator = ToySimulator()
    env = NaturalBackground(simulator, Numbered())
    env.seed(0)
    blended, raw = env.reset(), simulator.observation()
    foreground = raw["image"][..., 0] > FOREGROUND
    assert foreground.sum() == 16
    np.testing.assert_array_equal(blended["image"][foreground], raw["image"][foreground])
    np.testing.assert_array_equal(blended["image"][~foreground], Numbered().frame(env.video, 1)[~foreground])
    np.testing.assert_array_equal(blended["depth"], raw["depth"])
    assert blended["image"].dtype == np.uint8


def test_a_walker_stands_before_the_video_and_its_depth_does_not_change():
    raw = make_env("walker_walk", 0, Numbered(), EnvOptions(natural=False))
    blended = make_env("walker_walk", 0, Numbered(), NOTHING_MISSING)
    before, behind = raw.reset(), blended.reset()
    foreground = before["image"][..., 0] > 100
    assert 0.04 < foreground.mean() < 0.12, "card: 7 %"
    np.testing.assert_array_equal(behind["image"][foreground], before["image"][foreground])
    assert (behind["image"][~foreground] == (255, blended.video, 1)).all()
    np.testing.assert_array_equal(behind["depth"], before["depth"])
    raw.close(), blended.close()


def test_red_of_exactly_a_hundred_is_background():
    env = NaturalBackground(ToySimulator(), Numbered())
    image = np.zeros((64, 64, 3), np.uint8)
    image[0, :2, 0] = 100, 101
    shown = env.blended({"image": image}, done=False)["image"]
    assert shown[0, 0, 0] == 255
    assert shown[0, 1].tolist() == [101, 0, 0]


def test_the_frame_advances_once_per_agent_step_and_starts_again():
    env = toy_env(0, Numbered(), NOTHING_MISSING)
    shown = [pointer(env.reset())] + [pointer(env.step(np.zeros(6))[0]) for _ in range(9)]
    assert [frame for _, frame in shown] == [1, 2, 3, 4, 5, 6, 0, 1, 2, 3], "two control steps each, modulo 7"
    assert len({video for video, _ in shown}) == 1


def test_the_end_shows_frame_zero_of_the_next_video_and_the_reset_its_frame_one():
    env = toy_env(0, Numbered(), NOTHING_MISSING, limit=8)
    videos = []
    first, _ = pointer(env.reset())
    for _ in range(5):
        done = False
        while not done:
            observation, _, done, _ = env.step(np.zeros(6))
        terminal = pointer(observation)
        assert terminal[1] == 0
        assert pointer(env.reset()) == (terminal[0], 1)
        videos.append(terminal[0])
    assert len({first, *videos}) > 3, "drawn anew"


def test_an_end_by_the_outer_time_limit_alone_leaves_the_video_running():
    env = toy_env(0, Numbered(), EnvOptions(time_limit=4).with_miss_ratio(0), limit=1000)
    video, _ = pointer(env.reset())
    env.step(np.zeros(6))
    observation, _, done, _ = env.step(np.zeros(6))
    assert done
    assert pointer(observation) == (video, 3)
    assert pointer(env.reset()) == (video, 4)


def test_the_pointer_is_part_of_the_state():
    env = toy_env(0, Numbered(), NOTHING_MISSING, limit=8)
    env.reset()
    for _ in range(4):
        env.step(np.zeros(6))
    state = env.state()
    assert state.keys() == {"episode", "video", "frame"}
    expected = pointer(env.reset())
    other = toy_env(0, Numbered(), NOTHING_MISSING, limit=8)
    other.load_state(state)
    assert pointer(other.reset()) == expected


def test_seeding_starts_with_a_video_of_that_seed():
    env = toy_env(0, Numbered(), NOTHING_MISSING)

    def first(seed: int) -> tuple[int, int]:
        env.seed(seed)
        return pointer(env.reset())

    shown = [first(seed) for seed in range(8)]
    assert len({video for video, _ in shown}) > 3
    assert all(frame == 1 for _, frame in shown)
    assert [first(seed) for seed in range(8)] == shown


@pytest.mark.parametrize("worker", [1, 2])
def test_workers_draw_videos_of_their_own(worker: int):
    chosen = [
        [pointer(toy_env(seed, Numbered(), NOTHING_MISSING, each).reset())[0] for seed in range(6)]
        for each in (0, worker)
    ]
    assert chosen[0] != chosen[1]


def test_the_background_stands_outside_the_repeat():
    env = NaturalBackground(ActionRepeat(ToySimulator(), 3), Numbered())
    env.reset()
    before = env.frame
    env.step(np.zeros(6))
    assert (env.frame - before) % Numbered.frames == 1
