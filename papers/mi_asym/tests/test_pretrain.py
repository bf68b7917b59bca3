"""Stage 2: fast losses against the plain twin, learning, files, and going on after a stop."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import plain.representation as plain
import pytest
import torch

from mi_asym.collect import Data, collect, load_data
from mi_asym.config import pretrain_config
from mi_asym.envs import task_spec
from mi_asym.pretrain import PretrainingStopped, encoder_folder, load_encoders, pretrain
from mi_asym.representation.learner import RepresentationLearner, make_encoder
from mi_asym.representation.samples import samples_of
from mi_asym.streams import generator
from mirl.config import ConfigError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    return {task: collect(task, 0, 12, folder) for task in ("heaven_hell", "sphinx", "carflag_2d")}


@pytest.mark.parametrize("task", ["heaven_hell", "sphinx", "carflag_2d"])
def test_losses_and_gradients_equal_the_plain_twins(data: dict[str, Path], task: str):
    config = replace(pretrain_config(task), state_information_weight=0.1)
    learner, samples = RepresentationLearner(task, config), samples_of(load_data(data[task]))
    chosen = torch.randperm(len(samples), generator=generator(0, 0, "chosen"))[:60]
    permutation = torch.randperm(60, generator=generator(0, 0, "permutation"))
    fast, slow = learner.losses(samples, chosen, permutation), plain.losses(learner, samples, chosen, permutation)
    assert set(fast) == set(slow)
    for name in slow:
        torch.testing.assert_close(fast[name], slow[name], rtol=1e-4, atol=1e-5)
    parameters = [*learner.state_encoder.parameters(), *learner.observation_encoder.parameters()]
    of_fast, of_slow = (torch.autograd.grad(learner.total(losses), parameters) for losses in (fast, slow))
    for ours, theirs in zip(of_fast, of_slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("distinct", [3, 80])  # 64 and fewer take a way of their own
def test_robots_pictures_are_kept_in_half_precision_and_learnt_from_in_single(distinct: int):
    spec, draw = task_spec("drawer_opening"), generator(0, 0, "pictures")
    pictures = torch.rand(distinct, spec.state_size, generator=draw).half()
    steps = torch.arange(2 * 40).view(2, 40) % distinct
    recorded = Data(
        obss=pictures[steps].flip(0), states=pictures[steps], actions=torch.rand(2, 40, 5, generator=draw) * 2 - 1,
        masks=torch.ones(2, 40), rewards=torch.rand(2, 40, generator=draw),
    )  # fmt: skip
    learner, samples = RepresentationLearner("drawer_opening", pretrain_config("drawer_opening")), samples_of(recorded)
    assert samples.states.shape == (distinct, spec.state_size)
    assert samples.states.dtype == torch.float16
    chosen = torch.arange(len(samples))
    fast, slow = (
        losses(samples, chosen, chosen.flip(0)) for losses in (learner.losses, partial(plain.losses, learner))
    )
    for name in slow:
        torch.testing.assert_close(fast[name], slow[name], rtol=1e-4, atol=1e-5)


def test_samples_are_the_recorded_steps_and_their_successors(data: dict[str, Path]):
    recorded, samples = load_data(data["heaven_hell"]), samples_of(load_data(data["heaven_hell"]))
    mask = recorded.masks > 0
    torch.testing.assert_close(samples.observations[samples.observation], recorded.obss[mask])
    torch.testing.assert_close(samples.states[samples.state], recorded.states[mask])
    assert int((samples.followed == 0).sum()) == len(recorded.masks)
    follows = samples.followed[:-1] > 0
    assert torch.equal(samples.next_state[:-1][follows], samples.state[1:][follows])
    assert samples_of(recorded, one_hot=4).action.shape[1] == 4


def test_features_are_learnt_and_written_down(data: dict[str, Path], tmp_path: Path):
    config = replace(pretrain_config("heaven_hell"), pretrain_epochs=6, pretrain_batch_size=50)
    folder = pretrain("heaven_hell", config, data["heaven_hell"], tmp_path, log_freq=2)
    assert folder == tmp_path / encoder_folder("heaven_hell", 0, 5)
    rows = list(csv.DictReader((tmp_path / "pretrain.csv").open()))
    assert len(rows) == 6
    assert float(rows[-1]["max_o_zo"]) < float(rows[0]["max_o_zo"])
    for epoch in (0, 2, 4, 5):
        assert (tmp_path / encoder_folder("heaven_hell", 0, epoch) / "s_encoder.pt").exists()
    state = torch.load(folder / "s_encoder.pt", weights_only=True)
    assert sum(value.numel() for value in state.values()) == 21_152


def test_a_stopped_stage_goes_on_and_ends_equal(data: dict[str, Path], tmp_path: Path):
    config = replace(pretrain_config("sphinx"), pretrain_epochs=3, pretrain_batch_size=50)
    whole = pretrain("sphinx", config, data["sphinx"], tmp_path / "whole")
    (tmp_path / "broken").mkdir()
    with pytest.raises(PretrainingStopped):
        pretrain("sphinx", config, data["sphinx"], tmp_path / "broken", should_stop=lambda: True)
    broken = pretrain("sphinx", config, data["sphinx"], tmp_path / "broken")
    assert (tmp_path / "whole" / "pretrain.csv").read_bytes() == (tmp_path / "broken" / "pretrain.csv").read_bytes()
    for name in ("s_encoder.pt", "o_encoder.pt"):
        ours, theirs = (torch.load(folder / name, weights_only=True) for folder in (broken, whole))
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_a_checkpoint_of_another_config_is_refused(data: dict[str, Path], tmp_path: Path):
    config = replace(pretrain_config("sphinx"), pretrain_epochs=3, pretrain_batch_size=50)
    with pytest.raises(PretrainingStopped):
        pretrain("sphinx", config, data["sphinx"], tmp_path, should_stop=lambda: True)
    before = (tmp_path / "pretrain.pt").read_bytes()
    for task, other in (("sphinx", replace(config, pretrain_seed=7)), ("carflag_2d", config)):
        with pytest.raises(ConfigError, match="begun with another task, config or data"):
            pretrain(task, other, data[task], tmp_path)
    assert (tmp_path / "pretrain.pt").read_bytes() == before


def test_a_seed_and_an_initial_model_matter(data: dict[str, Path], tmp_path: Path):
    config = replace(pretrain_config("heaven_hell"), pretrain_epochs=1, pretrain_batch_size=50)
    first = pretrain("heaven_hell", config, data["heaven_hell"], tmp_path / "a")
    other = pretrain("heaven_hell", replace(config, pretrain_seed=1), data["heaven_hell"], tmp_path / "b")
    onward = pretrain("heaven_hell", config, data["heaven_hell"], tmp_path / "c", init_model=first)
    weights = [torch.load(f / "s_encoder.pt", weights_only=True)["first.0.weight"] for f in (first, other, onward)]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_files_of_something_else_get_one_line(tmp_path: Path):
    encoders = [make_encoder("heaven_hell", generator(0, 0, "x")) for _ in range(2)]
    with pytest.raises(ConfigError, match="does not exist"):
        load_encoders(*encoders, tmp_path)
    torch.save({"other": torch.zeros(1)}, tmp_path / "s_encoder.pt")
    with pytest.raises(ConfigError, match="does not hold this task's weights"):
        load_encoders(*encoders, tmp_path)
