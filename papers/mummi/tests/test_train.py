"""Training on toys in the real loop: resume, several environments, probe, files, a loss that is not finite."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from toy_agents import made_up_batch, small_agent, small_config
from toys import toy_envs

import mummi.train
from mirl.config import ConfigError
from mirl.run import Header, Interrupted, NonFiniteLoss, Run, open_run
from mummi.agent import Agent
from mummi.config import Config
from mummi.evaluate import Test, metrics_of
from mummi.film import continued_predictions, predictions, predicts
from mummi.learner import Learner
from mummi.play import Played, by_agent, play
from mummi.probe import distance_ratio, without
from mummi.replay import Replay
from mummi.train import OpenWorlds
from mummi.worlds import Worlds, options_of

SCHEDULE: dict[str, Any] = {
    "total_env_steps": 120, "time_limit": 20, "prefill": 40, "eval_every": 40, "log_every": 40, "train_every": 20,
    "train_steps": 1, "pretrain": 2, "updates_per_call": 2, "batch_size": 2, "test_episodes": 2, "horizon": 2,
    "batch_length": 3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def eagerly() -> Iterator[None]:
    """Steps so few and networks so small are run faster than their graphs are built; test_cli.py runs the graphs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@contextmanager
def toy_worlds(task: str, seed: int, config: Config) -> Iterator[Worlds]:
    options = options_of(config)
    train = toy_envs(seed, options, config.envs, config.parallel)
    worlds = Worlds(train, toy_envs(seed + 1, options), {"source": "toys", "train_videos": 3})
    try:
        yield worlds
    finally:
        worlds.close()


def toy_test(agent: Agent, header: Header, config: Config, seed: int, between: Any) -> dict[str, list[Played]]:
    between()
    world = toy_envs(seed + 2, options_of(config, 0.1))
    episodes = [play(world, by_agent(agent, 1, False, lambda time: ("test", time)))[0] for _ in range(2)]
    world.close()
    return {"ratio_0": episodes, "ratio_0.1": episodes}


def opened(folder: Path, method: str, config: Config) -> Run:
    run = open_run(folder, Header("mummi", "walker_walk", method, 0, "faithful", "cpu"), config, sinks=())
    assert run is not None
    return run


def train(
    folder: Path, method: str = "mummi", stop_at: int | None = None, worlds: OpenWorlds = toy_worlds,
    test: Test = toy_test, **changes: Any,
) -> Run:  # fmt: skip
    cheap = {} if method == "dreamer" else {"trajectory_opt": False}  # test_cli.py has the costly way to act
    config = small_config(method, **{**SCHEDULE, **cheap, **changes})
    with opened(folder, method, config) as run:
        log = run.log

        def log_and_stop(env_step: int, metrics: Any) -> None:
            log(env_step, metrics)
            if stop_at is not None and env_step >= stop_at:
                run.stop_signal = run.stop_signal or 15

        run.log = log_and_stop  # type: ignore[method-assign]
        try:
            mummi.train.train(run, config, worlds, test)
            run.end("finished")
        except Interrupted:
            run.end("interrupted")
    return run


def records(folder: Path, *names: str) -> list[tuple[str, str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        found = [(row["env_step"], row["name"], row["value"]) for row in csv.DictReader(stream)]
    return [one for one in found if not one[1].startswith("time/") and (not names or one[1] in names)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a method's uninterrupted run; `changes` are alike wherever one is named."""
    folder = tmp_path_factory.mktemp("whole")

    def find(method: str, name: str = "", **changes: Any) -> Path:
        if not (folder / f"{method}{name}").exists():
            train(folder / f"{method}{name}", method, **changes)
        return folder / f"{method}{name}"

    return find


@pytest.mark.parametrize(("method", "stop_at"), [("mummi", 20), ("mummi", 70), ("mummi", 120), ("dreamer", 70)])
def test_an_interrupted_run_equals_the_uninterrupted_one(
    tmp_path: Path, whole: Callable[..., Path], method: str, stop_at: int
):
    """Stopped in the prefill, between evaluations, and before the test."""
    run = train(tmp_path / "halved", method, stop_at)
    assert run.record["status"] == "interrupted"
    assert train(tmp_path / "halved", method).record["status"] == "finished"
    assert records(tmp_path / "halved") == records(whole(method))
    for name in ("episodes.csv", "robustness.csv", "backgrounds.json"):
        assert (tmp_path / "halved" / name).read_text() == (whole(method) / name).read_text()
    folders = tmp_path / "halved", whole(method)
    weights = [dict(np.load(next(folder.glob("checkpoint/save-*/weights.npz")))) for folder in folders]
    assert all((weights[0][name] == array).all() for name, array in weights[1].items())


class SignalAfter:
    """A method that sends this process SIGTERM in its n-th call, and counts the calls that come after it."""

    def __init__(self, method: Callable[..., Any], calls: int) -> None:
        self.method, self.left, self.after = method, calls, 0

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        return lambda *given, **named: self.call(instance, *given, **named)

    def call(self, instance: Any, *given: Any, **named: Any) -> Any:
        self.left, self.after = self.left - 1, self.after + (self.left <= 0)
        result = self.method(instance, *given, **named)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return result


BURSTS: dict[str, Any] = {
    "train_every": 10, "train_steps": 3, "updates_per_call": 1, "total_env_steps": 60, "eval_episodes": 2,
    "log_images": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "calls", "parallel"),
    [
        (Learner, "learn", 2, "none"),  # in the first burst, at the beginning of the first evaluation
        (Learner, "learn", 5, "process"),  # in a burst in the middle of an episode that is collected
        (Agent, "act", 15, "none"),  # in the second episode of an evaluation
    ],
)
def test_a_run_stopped_within_a_burst_or_an_episode_obeys_at_once_and_equals_the_uninterrupted_one(
    tmp_path: Path, whole: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
    kind: type, name: str, calls: int, parallel: str,
):  # fmt: skip
    signalled = SignalAfter(getattr(kind, name), calls)
    monkeypatch.setattr(kind, name, signalled)
    assert train(tmp_path, parallel=parallel, **BURSTS).record["status"] == "interrupted"
    assert signalled.after == 0
    monkeypatch.undo()
    assert train(tmp_path, parallel=parallel, **BURSTS).record["status"] == "finished"
    expected = whole("mummi", "bursts", **BURSTS)
    assert records(tmp_path) == records(expected)
    assert (tmp_path / "episodes.csv").read_text() == (expected / "episodes.csv").read_text()


def test_a_signal_in_the_final_test_leaves_a_checkpoint_with_environments_in_processes(
    tmp_path: Path, whole: Callable[..., Path]
):
    def stopped(agent: Agent, header: Header, config: Config, seed: int, between: Any) -> dict[str, list[Played]]:
        os.kill(os.getpid(), signal.SIGTERM)
        return toy_test(agent, header, config, seed, between)

    assert train(tmp_path / "run", test=stopped, parallel="process").record["status"] == "interrupted"
    assert train(tmp_path / "run", parallel="process").record["status"] == "finished"
    assert records(tmp_path / "run") == records(whole("mummi"))
    assert (tmp_path / "run" / "episodes.csv").read_text() == (whole("mummi") / "episodes.csv").read_text()


def test_a_run_does_not_go_on_before_other_videos(tmp_path: Path, whole: Callable[..., Path]):
    @contextmanager
    def other_worlds(task: str, seed: int, config: Config) -> Iterator[Worlds]:
        with toy_worlds(task, seed, config) as worlds:
            yield replace(worlds, videos={"source": "toys", "train_videos": 2})

    train(tmp_path, stop_at=70)
    before = {path.relative_to(tmp_path): path.stat().st_mtime_ns for path in tmp_path.glob("[cr]*/**/*")}
    tables = [(tmp_path / name).read_bytes() for name in ("metrics.csv", "backgrounds.json")]
    with pytest.raises(ConfigError, match=r"not those of the run's start \(train_videos=3, now 2\); bring them back"):
        train(tmp_path, worlds=other_worlds)
    assert {path.relative_to(tmp_path): path.stat().st_mtime_ns for path in tmp_path.glob("[cr]*/**/*")} == before
    assert [(tmp_path / name).read_bytes() for name in ("metrics.csv", "backgrounds.json")] == tables
    assert train(tmp_path).record["status"] == "finished"
    assert records(tmp_path) == records(whole("mummi"))


def test_cvrl_leaves_args_json(whole: Callable[..., Path]):
    content = json.loads((whole("cvrl") / "args.json").read_text())
    assert content["task"] == "walker_walk"
    assert content["traj_opt_lr"] == 0.003


def test_several_environments_count_all_their_steps(tmp_path: Path):
    train(tmp_path, envs=2)
    steps = [int(step) for step, name, _ in records(tmp_path, "train/return")]
    assert steps == [40, 80, 120]
    assert [float(value) for _, _, value in records(tmp_path, "train/episodes")] == [2, 4, 6]


def test_the_probe_measures_before_learning_and_along_the_first_burst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mummi.train.PROBE_UPDATES", 2)
    train(tmp_path, probe=True, total_env_steps=60, pretrain=4, log_images=False)
    losses = [f"eval/loss_{name}" for name in ("image", "depth", "touch", "reward", "div", "model")]
    errors = ["eval/reward_error", "eval/reward_error_depth_alone", "eval/reward_error_of_mean"]
    ratios = ["eval/expert_distance_ratio", "eval/expert_distance_ratio_image_depth"]
    for name in (*losses, *errors, *ratios):
        assert [step for step, _, _ in records(tmp_path, name)] == ["40"] * 3, name
    updates = [float(value) for step, _, value in records(tmp_path, "train/updates") if step == "40"]
    assert updates == [3, 5]
    reward, error = (float(records(tmp_path, name)[0][2]) for name in ("eval/loss_reward", "eval/reward_error"))
    assert reward == pytest.approx(0.5 * error + 0.5 * math.log(2 * math.pi), rel=1e-4)


def test_the_probe_asks_the_same_sequences_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An agent that stands still keeps its losses there, while those of its batches change with what is missing."""
    monkeypatch.setattr("mummi.train.PROBE_UPDATES", 2)
    missing: dict[str, Any] = {"batch_size": 4, "miss_ratio": 0.4, "max_miss_len": 2}
    train(tmp_path, probe=True, total_env_steps=60, pretrain=4, log_images=False, model_lr=1e-12, **missing)
    first, *later = (float(value) for _, _, value in records(tmp_path, "eval/loss_image"))
    assert later == pytest.approx([first] * 2, rel=1e-5)
    one, other = (float(value) for _, _, value in records(tmp_path, "loss/image")[:2])
    assert one != pytest.approx(other, rel=1e-2)


def test_a_loss_that_is_not_finite_fails_the_run_and_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    learn = Agent.learn

    def broken(self: Agent, batches: Any, first: int) -> dict[str, np.ndarray]:
        nothing = np.full(len(batches), np.nan, np.float32)
        return learn(self, batches, first) | ({"loss/depth": nothing} if first >= 3 else {})

    monkeypatch.setattr(Agent, "learn", broken)
    with pytest.raises(NonFiniteLoss, match="loss/depth became nan at env step 60"):
        train(tmp_path, log_every=10_000)


def test_episodes_made_again_after_a_crash_are_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = Run.log

    def crash(self: Run, env_step: int, metrics: Any) -> None:
        log(self, env_step, metrics)
        if env_step == 100 and "train/return" in metrics:
            raise RuntimeError("a crash")

    monkeypatch.setattr(Run, "log", crash)
    changes = {"export_episodes": True, "log_images": False, "total_env_steps": 100}
    with pytest.raises(RuntimeError, match="a crash"):
        train(tmp_path, **changes)
    assert len(list((tmp_path / "episodes").iterdir())) == 5  # the checkpoint counts on 4
    monkeypatch.undo()
    train(tmp_path, **changes)
    names = sorted(path.name.split("-")[1] for path in (tmp_path / "episodes").glob("*-11.npz"))
    assert [int(name, 16) for name in names] == list(range(5))


@pytest.mark.parametrize(("unharmed", "worst", "drop"), [(8, 6, 0.25), (8, 10, -0.25), (0, -2, 1), (-8, -6, 1)])
def test_the_relative_drop_is_a_share_of_what_there_was_to_lose(unharmed: float, worst: float, drop: float):
    episodes = {name: [Played({}, total, 10)] for name, total in (("ratio_0", unharmed), ("ratio_0.1", worst))}
    assert metrics_of(episodes)["eval/relative_drop"] == drop


def test_triggers_catch_up_one_period_a_call():
    learner = Learner(small_agent("mummi", train_every=10, train_steps=2, pretrain=5), replay=None, seed=0)  # type: ignore[arg-type]
    assert [learner.due(step) for step in (100, 104, 110, 112, 145, 145, 145, 145)] == [5, 0, 2, 0, 2, 2, 2, 0]


@pytest.mark.parametrize("last_entry", [False, True])
def test_the_last_entry_is_learnt_from_only_when_asked(tmp_path: Path, last_entry: bool):
    agent, replay = small_agent("mummi", last_entry=last_entry, batch_size=20), Replay(tmp_path)
    one = made_up_batch(small_config("mummi", batch_size=1, batch_length=8))
    replay.add({name: array[0] for name, array in one.items()} | {"reward": np.arange(8, dtype=np.float16)})
    drawn = Learner(agent, replay, seed=0).batch(0)["reward"]
    assert drawn.max() == (7 if last_entry else 6)


def test_only_a_decoder_that_learns_predicts():
    episode = {name: array[0] for name, array in made_up_batch(small_config("dreamer", batch_length=12)).items()}
    agent = small_agent("dreamer")
    assert predicts(agent)
    assert not any(predicts(small_agent(method)) for method in ("mummi", "cvrl"))
    assert not predicts(small_agent("cvrl", obs_model="generative"))
    pictures = predictions(agent, episode)
    assert pictures.shape == (agent.config.batch_length, 192, 384, 3)
    starts = np.linspace(0, 12 - agent.config.batch_length, 6).astype(int)
    assert (pictures[3, :64, 64:128] == episode["image"][starts[1] + 3]).all()
    length = agent.config.batch_length
    beside, unseen = continued_predictions(agent, episode, 12)
    assert beside.shape == (12 // length * length, 64, 128, 3)
    assert (beside[3, :, :64] == pictures[3, 64:128, :64]).all()  # both begin with the episode
    assert unseen[:length].tolist() == [step >= 5 for step in range(length)]


def test_experts_that_agree_have_a_small_distance_ratio():
    draw = np.random.default_rng(0)
    one = draw.standard_normal((400, 8))
    flags = {name: np.ones(400, bool) for name in ("image", "depth")}
    strangers = {"image": one, "depth": draw.standard_normal((400, 8))}
    friends = {"image": one, "depth": one + 0.1 * draw.standard_normal((400, 8))}
    assert distance_ratio(strangers, flags, draw) == pytest.approx(1, abs=0.1)
    assert distance_ratio(friends, flags, draw) < 0.02


def test_a_batch_without_sensors_looks_as_if_they_were_missing():
    batch = made_up_batch(small_config("mummi"), present=1.0)
    blind = without(batch, ("image", "touch"))
    assert not any(blind[name].any() for name in ("image", "image_flag", "touch", "touch_flag"))
    assert (blind["depth"] == batch["depth"]).all()


def test_missing_ratios_reach_the_environments():
    config = replace(small_config("mummi"), miss_ratio_depth=0.2)
    assert options_of(config).miss_ratios == {"touch": 0.05, "image": 0.05, "depth": 0.2}
    assert set(options_of(config, 0.1).miss_ratios.values()) == {0.1}
    assert set(options_of(replace(config, natural=False)).miss_ratios.values()) == {0.0}
