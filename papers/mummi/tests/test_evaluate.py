"""How evaluation is wired: which videos and missing ratios it plays, and that it neither trains nor explores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from toy_agents import small_agent, small_config
from toys import toy_env

from mirl.run import Header, open_run
from mummi.agent import Agent, Memory
from mummi.backgrounds.procedural import ProceduralVideos
from mummi.config import Config
from mummi.envs import EnvOptions
from mummi.envs.workers import Workers
from mummi.evaluate import metrics_of, robustness
from mummi.play import Played
from mummi.settings import RATIOS
from mummi.train import Training
from mummi.worlds import open_worlds

HEADER = Header("mummi", "walker_walk", "mummi", 0, "faithful", "cpu")
STEPS = 5
"""Agent steps of an episode."""


class Moment(NamedTuple):
    """An action that was chosen and played."""

    world: int
    split: str
    ratios: frozenset[float]
    training: bool
    amount: float
    """Standard deviation of the exploration noise."""


class Watch:
    """Every action, and the worlds that were made for them."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.moments: list[Moment] = []
        self.chosen: tuple[bool, float] | None = None

    def choose(self, agent: Agent, observations: Any, memory: Memory, keep: Any, *rest: tf.Tensor) -> Memory:
        """In the place of `Agent.choose`, which would build networks' outputs that nobody looks at."""
        training, amount, _ = rest
        self.chosen = bool(training), round(float(amount), 6)
        return memory

    def make_envs(
        self, task: str, seed: int, backgrounds: ProceduralVideos, options: EnvOptions, envs: int, parallel: str
    ) -> Workers:
        watch, world = self, len(self.seeds)
        self.seeds.append(seed)

        class Watched(Workers):
            def step(self, actions: NDArray[Any]) -> list[Any]:
                assert watch.chosen is not None
                ratios = frozenset(options.miss_ratios.values())
                watch.moments.append(Moment(world, backgrounds.split, ratios, *watch.chosen))
                watch.chosen = None
                return super().step(actions)

        return Watched(toy_env, [(seed, backgrounds, options)], "none")


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Toys in the place of MuJoCo, watched; everything between them and the caller is the room's own."""
    watch = Watch()
    monkeypatch.setattr("mummi.worlds.make_envs", watch.make_envs)
    monkeypatch.setattr(Agent, "choose", lambda agent, *given: watch.choose(agent, *given))
    tf.config.run_functions_eagerly(True)
    yield watch
    tf.config.run_functions_eagerly(False)


def config_in(folder: Path, **changes: Any) -> Config:
    schedule = {
        "time_limit": 2 * STEPS, "prefill": 2 * STEPS, "pretrain": 0, "train_steps": 0, "test_episodes": 2,
        "background_videos": 4, "background_frames": 8, "backgrounds": str(folder), "miss_ratio": 0.2,
        "log_images": False,
    }  # fmt: skip
    return small_config("mummi", **{**schedule, **changes})


def test_the_robustness_test_plays_validation_videos_at_its_own_ratios_and_does_not_explore(
    watch: Watch, tmp_path: Path
):
    config = config_in(tmp_path)
    agent = small_agent("mummi")
    episodes = robustness(agent, HEADER, config, seed=0)
    assert list(episodes) == ["ratio_0", "ratio_0.05", "ratio_0.1"]
    expected = [
        Moment(world, "valid", frozenset({ratio}), training=False, amount=0.0)
        for world, ratio in enumerate((0.0, 0.05, 0.1))
        for _ in range(2 * STEPS)
    ]
    assert watch.moments == expected
    assert len(set(watch.seeds)) == 1  # the same starts at each ratio
    whole = [one.entries[f"{name}_flag"] for one in episodes["ratio_0"] for name in ("image", "depth", "touch")]
    assert all(flags.all() for flags in whole)


def test_where_no_sensor_goes_missing_one_ratio_is_tested(watch: Watch, tmp_path: Path):
    assert list(robustness(small_agent("mummi"), HEADER, config_in(tmp_path, natural=False), 0)) == ["ratio_0"]


def test_one_setting_alone_can_be_tested(watch: Watch, tmp_path: Path):
    assert list(robustness(small_agent("mummi"), HEADER, config_in(tmp_path), 0, settings=["ratio_0.1"])) == [
        "ratio_0.1"
    ]
    assert {moment.ratios for moment in watch.moments} == {frozenset({RATIOS["ratio_0.1"]})}


def test_the_curves_evaluation_plays_validation_videos_and_does_not_explore_and_training_does(
    watch: Watch, tmp_path: Path
):
    config = config_in(tmp_path, miss_ratio_depth=0.3)
    run = open_run(tmp_path / "run", HEADER, config, sinks=())
    assert run is not None
    with run, open_worlds("walker_walk", 0, config) as worlds:
        training = Training(run, config, worlds)
        training.evaluate()
        training.collect()
    train, valid = 0, 1
    ratios = frozenset({0.2, 0.3})
    assert watch.moments == [
        *[Moment(valid, "valid", ratios, training=False, amount=0.0)] * STEPS,
        *[Moment(train, "train", ratios, training=True, amount=0.3)] * STEPS,
    ]
    assert len(set(watch.seeds)) == 2


def test_evaluation_noise_is_its_own(watch: Watch):
    agent = small_agent("mummi", eval_noise=0.1, expl_amount=0.4)
    seen = [{name: np.zeros(1, np.float32) for name in agent.observed}]
    amounts = []
    for training in (False, True):
        agent.act(seen, agent.blank(1), np.array([True]), training, 0)
        amounts.append(watch.chosen)
    assert amounts == [(False, 0.1), (True, 0.4)]


def test_a_test_is_summed_up_by_means_and_population_deviations():
    def returning(*totals: float) -> list[Played]:
        return [Played({}, total, STEPS) for total in totals]

    found = metrics_of({"ratio_0": returning(10, 30), "ratio_0.05": returning(12, 14), "ratio_0.1": returning(5, 5)})
    assert found == pytest.approx(
        {
            "eval/return_ratio_0": 20, "eval/sd_ratio_0": 10, "eval/return_ratio_0.05": 13, "eval/sd_ratio_0.05": 1,
            "eval/return_ratio_0.1": 5, "eval/sd_ratio_0.1": 0, "eval/relative_drop": 0.75,
        }
    )  # fmt: skip
    assert "eval/relative_drop" not in metrics_of({"ratio_0": returning(10, 30)})
