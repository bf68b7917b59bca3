"""PEARL: sizes, losses, posterior sampling, replay and data collection (card 4.5, 5.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import plain
import pytest
import torch

from mime.config import SETTINGS_FILES as ALL_TASKS
from mime.methods import parameter_counts
from mime.pearl.agent import PearlAgent
from mime.pearl.config import SETTINGS_FILES, PearlConfig, configure
from mime.pearl.evaluate import agent_for, metrics_of, play_test
from mime.pearl.objectives import kl_to_prior, product_of_factors, squashed
from mime.pearl.replay import Replay
from mime.pearl.rollout import Sampler, World, collect, collect_first, make_world
from mime.pearl.train import update
from mime.streams import Streams
from mirl.config import ConfigError, field_docstrings

SMALL = {"net_size": 8, "context_net_size": 6, "meta_batch": 2, "batch_size": 5, "embedding_batch_size": 7,
         "num_initial_steps": 100, "num_tasks_sample": 3, "num_steps_posterior": 300}  # fmt: skip


def small_world(task: str = "wide_ring", **changes: object) -> tuple[World, PearlAgent]:
    config = replace(configure(task, "faithful"), **(SMALL | changes))  # type: ignore[arg-type]
    world = make_world(task, config, seed=0)
    return world, agent_for(world, seed=0, device="cpu")


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# Sizes and settings


@pytest.mark.parametrize(
    ("task", "counts"),
    [
        ("wide_ring", {"q1": 183_901, "value": 183_301, "policy": 184_204, "encoder": 83_610}),
        ("pendulum", {"q1": 183_901, "value": 183_601, "policy": 183_902, "encoder": 84_210}),
    ],
)
def test_networks_have_the_cards_parameter_counts(task: str, counts: dict[str, int]):
    assert parameter_counts(task, "pearl") == counts


@pytest.mark.parametrize("task", SETTINGS_FILES)
def test_every_configuration_is_the_cards(task: str):
    config = configure(task, "faithful")
    shared = (config.latent_size, config.net_size, config.context_net_size, config.batch_size, config.soft_target_tau)
    assert shared == (5, 300, 200, 256, 0.005)
    assert {config.policy_lr, config.qf_lr, config.vf_lr, config.context_lr} == {3e-4}
    if task.startswith("pendulum"):
        assert (config.n_train_tasks, config.n_eval_tasks, config.meta_batch, config.num_tasks_sample) == (20, 4, 10, 5)
        steps = config.num_initial_steps, config.num_steps_prior, config.num_steps_posterior
        assert (*steps, config.num_extra_rl_steps_posterior) == (2000, 400, 0, 600)
        assert (config.num_train_steps_per_itr, config.max_path_length, config.num_exp_traj_eval) == (4000, 50, 2)
        assert (config.reward_scale, config.kl_lambda, config.discount) == (5.0, 0.1, 0.99)
        assert (config.num_steps_per_eval, config.embedding_batch_size) == (600, 100)
        assert config.use_next_obs_in_context
        assert config.total_env_steps == 40_000 + 500 * 5_000
    else:
        assert (config.n_train_tasks, config.n_eval_tasks) == (10, 16 if task == "wide_ring" else 8)
        assert (config.meta_batch, config.num_tasks_sample, config.num_train_steps_per_itr) == (16, 10, 1000)
        steps = config.num_initial_steps, config.num_steps_prior, config.num_steps_posterior
        assert (*steps, config.num_extra_rl_steps_posterior) == (200, 100, 900, 0)
        assert (config.reward_scale, config.kl_lambda, config.discount) == (1.0, 1.0, 1.0)
        assert (config.num_steps_per_eval, config.num_exp_traj_eval, config.embedding_batch_size) == (400, 5, 1024)
        assert not config.use_next_obs_in_context
        assert config.max_path_length == (300 if task == "close_ring" else 100)
    if task in ("wide_ring", "hard_exploration"):
        assert config.total_env_steps == 2_000 + 500 * 10_000


@pytest.mark.parametrize("task", sorted(set(ALL_TASKS) - set(SETTINGS_FILES)))
def test_a_task_that_pearl_does_not_know_is_refused_in_one_line(task: str):
    with pytest.raises(ConfigError, match=f"pearl has no settings for task {task}") as caught:
        configure(task, "faithful")
    assert "\n" not in str(caught.value)


def test_every_field_says_what_it_is():
    assert set(field_docstrings(PearlConfig)) == {field.name for field in fields(PearlConfig)}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"meta_batch": 0}, "--meta-batch must be at least 1, got 0"),
        ({"qf_lr": -1.0}, "--qf-lr must be positive and finite, got -1.0"),
        ({"discount": 1.5}, r"--discount must be in \(0, 1\], got 1.5"),
        ({"kl_lambda": float("nan")}, "--kl-lambda must be at least 0 and finite, got nan"),
    ],
)
def test_bad_values_name_the_flag_and_what_is_allowed(changes: dict[str, object], complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        replace(configure("wide_ring", "faithful"), **changes)  # type: ignore[arg-type]


# Initial weights


def test_networks_begin_as_the_public_implementations():
    config = configure("pendulum", "faithful")
    agent = agent_for(make_world("pendulum", config, 0), 0, "cpu")
    for name, network in agent.networks.items():
        *hidden, output = (layer for layer in network.body if isinstance(layer, torch.nn.Linear))
        assert [layer.out_features for layer in hidden] == [200 if name == "encoder" else 300] * 3
        for layer in hidden:  # the inputs of the first are few: the bound is that of its outputs
            assert (layer.bias == 0.1).all()
            assert 0.97 < float(layer.weight.detach().abs().max()) * layer.out_features**0.5 <= 1
        bound = 1e-3 if name == "policy" else 3e-3
        for parameter in (output.weight, output.bias):
            assert float(parameter.detach().abs().max()) <= bound
        assert float(output.weight.detach().abs().max()) > 0.97 * bound


# Mathematics


def test_the_posterior_is_the_product_of_its_factors(double: None):
    mean, raw = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    product_mean, variance = product_of_factors(mean, raw)
    precision = (1 / torch.log(1 + raw.exp())).sum(1)
    torch.testing.assert_close(variance, 1 / precision)
    torch.testing.assert_close(product_mean, (mean / torch.log(1 + raw.exp())).sum(1) / precision)


def test_a_factors_variance_never_falls_below_1e_7():
    _, variance = product_of_factors(torch.zeros(1, 5), torch.full((1, 5), -100.0))
    torch.testing.assert_close(variance, torch.full((5,), 1e-7))


def test_the_divergence_from_the_prior_is_summed_over_tasks_and_latent_numbers():
    assert float(kl_to_prior(torch.zeros(3, 5), torch.ones(3, 5))) == 0
    assert float(kl_to_prior(torch.ones(3, 5), torch.ones(3, 5))) == pytest.approx(7.5)


def test_squashed_actions_keep_finite_probabilities_at_the_border():
    action, log_probability = squashed(torch.full((1, 2), 30.0), torch.zeros(1, 2), torch.zeros(1, 2))
    assert (action == 1).all()
    assert log_probability.isfinite().all()


@pytest.mark.parametrize("task", ["wide_ring", "pendulum"])
def test_the_losses_equal_the_plain_ones(task: str, double: None):
    _world, agent = small_world(task)
    width = agent.columns.width
    source = torch.Generator().manual_seed(1)
    batch, context = torch.randn(2, 5, width, generator=source), torch.randn(2, 7, width, generator=source)
    noise = torch.randn(2, 5, generator=source), torch.randn(2, 5, agent.action_size, generator=source)
    frozen = PearlAgent(agent.config, agent.columns.observation, agent.action_size, seed=0)
    for name in ("q1", "q2", "encoder"):  # so that the later losses see the critics as they were
        for group in agent.optimisers[name].param_groups:
            group["lr"] = 0.0
    for name, loss in plain.pearl.losses(frozen, batch, context, noise).items():
        if name == "critic":
            found = agent.update(batch, context, noise)
        assert found[f"loss/{name}"] == pytest.approx(float(loss.detach()), rel=1e-8), name


def test_an_update_moves_every_network_and_the_target_by_its_share():
    _world, agent = small_world()
    before = {name: flat(network) for name, network in agent.networks.items()}
    batch, context = torch.randn(2, 5, agent.columns.width), torch.randn(2, 7, agent.columns.width)
    agent.update(batch, context, (torch.randn(2, 5), torch.randn(2, 5, 2)))
    after = {name: flat(network) for name, network in agent.networks.items()}
    assert all(not torch.equal(before[name], after[name]) for name in before)
    expected = before["target_value"].lerp(after["value"], 0.005)
    torch.testing.assert_close(after["target_value"], expected)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_encoder_learns_from_the_critics_and_its_weighted_divergence(weight: float, double: None):
    _world, agent = small_world(kl_lambda=weight)
    batch, context, noise = random_batch(agent)
    losses = plain.pearl.losses(agent, batch, context, noise)
    encoder = list(agent.networks["encoder"].parameters())
    expected = torch.autograd.grad(losses["critic"] + weight * losses["encoder_kl"], encoder)
    agent.update(batch, context, noise)
    for parameter, gradient in zip(encoder, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-9)


def test_the_critics_look_ahead_with_the_target_of_v_and_not_with_v(double: None):
    _world, agent = small_world()
    batch, context, noise = random_batch(agent)
    found = []
    for _ in range(2):
        with torch.no_grad():  # a new target and an old V
            for parameter in agent.networks["target_value"].parameters():
                parameter.add_(0.1)
        expected = plain.pearl.losses(agent, batch, context, noise)["critic"]
        found.append(float(agent.update(batch, context, noise)["loss/critic"]))
        assert found[-1] == pytest.approx(float(expected.detach()), rel=1e-8)
    assert found[0] != pytest.approx(found[1], rel=1e-3)


def random_batch(agent: PearlAgent) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Transitions of two tasks, their contexts, and noise."""
    source, width = torch.Generator().manual_seed(1), agent.columns.width
    batch, context = torch.randn(2, 5, width, generator=source), torch.randn(2, 7, width, generator=source)
    return batch, context, (torch.randn(2, 5, generator=source), torch.randn(2, 5, agent.action_size, generator=source))


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach().clone()


# Data


def test_collecting_clears_a_tasks_context_and_keeps_its_replay():
    world, agent = small_world(num_extra_rl_steps_posterior=200)
    replay = Replay(10, agent.columns.width)
    first = collect_first(Sampler(world, agent, Streams(0, 0)), replay)
    assert first[0].env_steps == 10 * 100
    assert replay.contexts == [(0, 100)] * 10
    phases = collect(Sampler(world, agent, Streams(0, 1)), replay)
    steps = sum(episodes.env_steps for phase in phases.values() for episodes in phase)
    assert steps == 3 * (100 + 300 + 200) == world.config.env_steps_per_iteration
    drawn = [task for task in range(10) if replay.sizes[task] > 100]
    assert drawn
    for task in drawn:
        start, stop = replay.contexts[task]
        assert (stop - start, replay.sizes[task] - stop) == (400, 200)


def test_every_phase_begins_with_a_trajectory_from_the_prior(monkeypatch: pytest.MonkeyPatch):
    world, agent = small_world(num_steps_posterior=300, num_extra_rl_steps_posterior=400)
    sampler, given, inferred = Sampler(world, agent, Streams(0, 1)), {}, []
    infer, play = agent.infer, sampler.play

    def noted_infer(context: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        inferred.append(infer(context, noise))
        return inferred[-1]

    def noted_play(indices: list[int], latent: torch.Tensor, purpose: str) -> object:
        given[purpose] = latent
        return play(indices, latent, purpose)

    monkeypatch.setattr(agent, "infer", noted_infer)
    monkeypatch.setattr(sampler, "play", noted_play)
    replay = Replay(10, agent.columns.width)
    phases = collect(sampler, replay)
    drawn = {purpose: sampler.noise(*latent.shape[:2], purpose) for purpose, latent in given.items()}
    from_prior = [purpose for purpose in given if torch.equal(given[purpose], drawn[purpose])]
    assert from_prior == ["prior", "posterior 0", "extra from the prior"]
    from_posterior = [latent for purpose, latent in given.items() if purpose not in from_prior]
    assert [tuple(latent.shape[:2]) for latent in from_posterior] == [(3, 1), (3, 1), (3, 3)]
    assert all(torch.equal(mine, its) for mine, its in zip(from_posterior, inferred, strict=True))
    counted = {origin: sum(episodes.returns().shape[1] for episodes in phase) for origin, phase in phases.items()}
    assert counted == {"prior": 3, "posterior": 5}


def test_rows_hold_what_was_played():
    world, agent = small_world()
    sampler = Sampler(world, agent, Streams(0, 0))
    played = sampler.play([0, 3], sampler.noise(2, 1, "x"), "x")
    observations, actions, rewards, following = agent.columns.split(played.rows)
    torch.testing.assert_close(observations[:, :, 1:], following[:, :, :-1])
    torch.testing.assert_close(rewards[:, 0], played.episodes.rewards[:, :, 0])
    assert float(actions.abs().max()) <= 1
    torch.testing.assert_close(following - observations, 0.1 * actions, rtol=0, atol=1e-5)


def test_the_replay_comes_back_from_its_shards(tmp_path: Path):
    replay = Replay(2, 3)
    replay.add(0, "begins", torch.arange(6.0).view(2, 3))
    replay.write_shard(tmp_path)
    replay.add(0, "joins", torch.ones(1, 3))
    replay.add(1, "begins", torch.zeros(4, 3))
    replay.add(0, "apart", torch.full((5, 3), 7.0))
    replay.write_shard(tmp_path)
    replay.write_shard(tmp_path)
    again = Replay(2, 3)
    again.read_shards(tmp_path, replay.shards)
    assert (again.sizes, again.contexts, len(again.shards)) == ([8, 4], [(0, 3), (0, 4)], 2)
    for mine, theirs, size in zip(again.rows, replay.rows, replay.sizes, strict=True):
        assert torch.equal(mine[:size], theirs[:size])
    (tmp_path / "000001.pt").write_bytes(b"torn")
    with pytest.raises(ConfigError, match=r"000001\.pt is missing or damaged"):
        Replay(2, 3).read_shards(tmp_path, replay.shards)


def test_context_is_drawn_from_the_context_alone():
    replay = Replay(1, 1)
    replay.add(0, "begins", torch.zeros(50, 1))
    replay.add(0, "begins", torch.ones(10, 1))
    replay.add(0, "apart", torch.full((40, 1), 2.0))
    source = torch.Generator().manual_seed(0)
    assert set(replay.sample_context([0], 200, source).flatten().tolist()) == {1.0}
    assert set(replay.sample([0], 400, source).flatten().tolist()) == {0.0, 1.0, 2.0}


def test_training_goals_are_drawn_from_the_seed_and_tests_are_fixed():
    config = configure("hard_exploration", "faithful")
    first, again, other = (make_world("hard_exploration", config, seed) for seed in (0, 0, 1))
    goals = [[tuple(task["goal"]) for task in world.tasks] for world in (first, again, other)]
    assert goals[0] == goals[1]
    assert not set(goals[0][:10]) & set(goals[2][:10])
    assert goals[0][10:] == goals[2][10:]
    assert len(goals[0]) == 18
    assert first.test == list(range(10, 18))


def test_the_pendulum_draws_every_pair_when_it_is_told_to():
    for fidelity, number in (("faithful", 5), ("fixed", 6)):
        config = replace(configure("pendulum", fidelity), n_train_tasks=200)
        pairs = {(task["mass"], task["length"]) for task in make_world("pendulum", config, 0).tasks[:200]}
        assert len(pairs) == number


def recorded_updates(monkeypatch: pytest.MonkeyPatch, *keys: tuple[int, int]) -> list[tuple[torch.Tensor, ...]]:
    """What `update` hands to the agent, (batch, context, two noises), for each (iteration, updates left): every row
    says which task it is of and whether it is context (1) or not (0)."""
    _world, agent = small_world(n_train_tasks=4, meta_batch=6, batch_size=40, embedding_batch_size=30)
    replay = Replay(4, agent.columns.width)
    numbers = torch.Generator().manual_seed(0)
    for task in range(4):
        for part, role in enumerate(("begins", "begins", "apart")):
            rows = torch.rand(50, agent.columns.width, generator=numbers)
            rows[:, 0], rows[:, 1] = task, float(part == 1)
            replay.add(task, role, rows)  # type: ignore[arg-type]
    seen: list[tuple[torch.Tensor, ...]] = []
    monkeypatch.setattr(agent, "update", lambda batch, context, noise: seen.append((batch, context, *noise)) or {})
    for iteration, left in keys:
        update(agent, replay, Streams(0, iteration, "cpu", "pearl "), left)
    return seen


def test_a_batch_comes_from_the_whole_replay_and_the_encoders_context_from_the_context_of_the_same_tasks(
    monkeypatch: pytest.MonkeyPatch,
):
    drawn = set()
    for batch, context, _, _ in recorded_updates(monkeypatch, *((0, left) for left in range(1, 9))):
        assert batch.shape[:2] == (6, 40)
        assert context.shape[:2] == (6, 30)
        assert set(batch[..., 1].flatten().tolist()) == {0.0, 1.0}
        assert set(context[..., 1].flatten().tolist()) == {1.0}
        assert (batch[..., 0] == batch[:, :1, 0]).all()
        assert (context[..., 0] == batch[:, :1, 0]).all()
        drawn.add(tuple(batch[:, 0, 0].int().tolist()))
    assert {task for tasks in drawn for task in tasks} == {0, 1, 2, 3}
    assert len(drawn) > 4


def test_every_update_of_every_iteration_has_a_batch_and_noise_of_its_own(monkeypatch: pytest.MonkeyPatch):
    first, second, later, again = recorded_updates(monkeypatch, (0, 2), (0, 1), (1, 2), (0, 2))
    for part, other, next_iteration, repeated in zip(first, second, later, again, strict=True):
        assert not torch.equal(part, other)
        assert not torch.equal(part, next_iteration)
        assert torch.equal(part, repeated)


# The test


def test_as_released_a_navigation_test_ends_before_the_posterior_is_used():
    for task in ("wide_ring", "close_ring"):
        faithful, fixed = (configure(task, fidelity) for fidelity in ("faithful", "fixed"))
        assert faithful.trajectories(faithful.num_steps_per_eval) < faithful.num_exp_traj_eval
        assert fixed.trajectories(fixed.num_steps_per_eval) == fixed.num_exp_traj_eval + 1
    assert configure("pendulum", "fixed").num_steps_per_eval == 600


@pytest.mark.parametrize("fidelity", ["faithful", "fixed"])
def test_a_test_infers_the_task_from_its_earlier_trajectories_only_when_fixed(
    fidelity: str, monkeypatch: pytest.MonkeyPatch
):
    steps = configure("wide_ring", fidelity).num_steps_per_eval
    world, agent = small_world(num_steps_per_eval=steps)
    seen: list[torch.Size] = []
    infer = agent.infer
    monkeypatch.setattr(agent, "infer", lambda rows, noise: (seen.append(rows.shape), infer(rows, noise))[1])
    phases = play_test(world, agent, world.config)
    assert len(phases) == (4 if fidelity == "faithful" else 6)
    assert seen == ([] if fidelity == "faithful" else [(16, 2, 500, 7)])
    metrics = metrics_of(phases)
    assert metrics["eval/return"] == metrics[f"eval/return_step_{len(phases) - 1}"]


def test_a_test_takes_the_policys_likeliest_actions_and_training_does_not():
    world, agent = small_world(num_steps_per_eval=200)
    sampler = Sampler(world, agent, Streams(world.config.evaluation_seed, 0, "cpu", "pearl test "))
    for number, episodes in enumerate(play_test(world, agent, world.config)):
        latent = sampler.noise(len(world.test), 2, f"trajectory {number}")[:, None].expand(-1, 100, -1, -1)
        with torch.no_grad():
            mean, _ = agent.networks["policy"](episodes.observations, latent)
        torch.testing.assert_close(episodes.actions, mean.tanh())
    played = sampler.play([0, 3], sampler.noise(2, 1, "x"), "x").episodes
    assert float(played.actions.std()) > 0.3  # the untrained policy's spread is 1 before tanh


def test_the_pendulum_is_tested_on_one_training_pair_as_released_and_on_each_test_pair_when_fixed():
    tested = {}
    for fidelity in ("faithful", "fixed"):
        world = make_world("pendulum", configure("pendulum", fidelity), 0)
        tested[fidelity] = [(world.tasks[index]["mass"], world.tasks[index]["length"]) for index in world.test]
    assert tested == {"faithful": [(0.5, 0.7)] * 4, "fixed": [(0.6, 0.6), (0.6, 0.8), (0.8, 0.6), (0.8, 0.8)]}


def test_testing_repeats_and_changes_nothing():
    world, agent = small_world("pendulum", num_steps_per_eval=150)
    before = flat(agent.networks["policy"])
    assert metrics_of(play_test(world, agent, world.config)) == metrics_of(play_test(world, agent, world.config))
    assert torch.equal(before, flat(agent.networks["policy"]))


def test_the_same_seed_gives_the_same_networks():
    results = []
    for _ in range(2):
        world, agent = small_world()
        replay, draw = Replay(10, agent.columns.width), Streams(0, 0)
        collect_first(Sampler(world, agent, draw), replay)
        for left in (3, 2, 1):
            losses = update(agent, replay, draw, left)
        results.append((losses, flat(agent.networks["policy"])))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])
