"""The agents: what an iteration does, in which order, and that it repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mime.adaptation import adapt
from mime.agent import MamlAgent, MamlExplAgent, MimeAgent, make_agent
from mime.config import CONFIGS, MamlNoiseConfig, configure
from mime.envs import BatchedEnvironment, batch_of, make
from mime.evaluate import SETTINGS, environment_for, metrics_of, run_tests
from mime.networks import policy_mean
from mime.objectives import mixed_rewards
from mime.rollout import Episodes, rows
from mime.streams import Streams, generator
from mime.surrogate import MetaBatch

SMALL = {"meta_batch_size": 2, "fast_batch_size": 3}


def small_agent(method: str, seed: int = 0, fidelity: str = "faithful", **changes: object) -> MamlAgent:
    fast = {"dyn_first_updates": 2, "pre_epochs": 0} if method in ("mime", "maml_expl") else {}
    config = replace(configure("wide_ring", method, fidelity), **(SMALL | fast | changes))  # type: ignore[arg-type]
    return make_agent(config, 2, 2, seed)


def batch_for(agent: MamlAgent, iteration: int) -> tuple[MetaBatch, Streams]:
    environment = make("2DNavigationSparse-v0", 0).unwrapped
    tasks = [{"goal": 0.2 * task["goal"]} for task in environment.sample_tasks(2)]
    draw = Streams(0, iteration)
    batched = batch_of(environment, tasks, 3, 100)
    return agent.collect(batched, 2, 3, draw, 1, agent.explores(iteration)), draw


def iterate(agent: MamlAgent, iterations: int) -> list[dict[str, float]]:
    metrics = []
    for iteration in range(iterations):
        batch, draw = batch_for(agent, iteration)
        metrics.append(agent.update(batch, draw) | agent.statistics(batch))
    return metrics


@pytest.mark.parametrize("method", CONFIGS)
def test_the_same_seed_gives_the_same_parameters_and_metrics(method: str):
    agents = [small_agent(method) for _ in range(2)]
    first, second = (iterate(agent, 3) for agent in agents)
    assert first == second
    for name, value in agents[0].state().items():
        assert torch.equal(value, agents[1].state()[name]), name


def test_another_seed_gives_other_parameters():
    assert not torch.equal(small_agent("mime", 0).policy, small_agent("mime", 1).policy)


def test_streams_depend_on_their_key_alone():
    first = Streams(0, 3).normal("actions", 5)
    Streams(0, 3).normal("something else", 7)
    assert torch.equal(first, Streams(0, 3).normal("actions", 5))
    others = [Streams(1, 3), Streams(0, 4), Streams(0, 3, prefix="test ")]
    assert not any(torch.equal(first, stream.normal("actions", 5)) for stream in others)


def test_reward_noise_has_the_registered_spread_and_is_absent_from_tests():
    agent = small_agent("maml_noise", noise_sd=0.1)
    batch, draw = batch_for(agent, 0)
    noise = batch.valid.intrinsic
    assert noise is not None
    assert float(noise.std()) == pytest.approx(0.1, rel=0.1)
    torch.testing.assert_close(noise, 0.1 * draw.normal("valid noise", 2, 100, 3))
    rewards = batch.valid.extrinsic + noise
    torch.testing.assert_close(batch.valid.advantages, agent.advantages(rewards, batch.valid.values))
    tested = replace(agent.config, evaluation_steps=1, evaluation_batches=1)
    (test,) = run_tests(agent, tested, "wide_ring")
    assert test.data.valid.intrinsic is None


def test_the_noise_is_a_tenth_unless_fixed():
    faithful, fixed = (configure("wide_ring", "maml_noise", fidelity) for fidelity in ("faithful", "fixed"))
    assert isinstance(faithful, MamlNoiseConfig)
    assert isinstance(fixed, MamlNoiseConfig)
    assert (faithful.noise_sd, fixed.noise_sd) == (0.1, 1.0)


def test_without_noise_maml_noise_learns_what_maml_learns():
    maml, noisy = small_agent("maml"), small_agent("maml_noise", noise_sd=0.0)
    iterate(maml, 2)
    iterate(noisy, 2)
    assert torch.equal(maml.policy, noisy.policy)


def test_with_a_fixed_share_eta_stays_where_it_is_and_the_bonus_is_mixed_all_the_same():
    agent = small_agent("maml_expl")
    assert isinstance(agent, MamlExplAgent)
    metrics = iterate(agent, 3)
    assert float(agent.eta.sigmoid()) == pytest.approx(0.1)
    assert "train/eta" not in metrics[-1]
    assert metrics[-1]["train/intrinsic_return"] > 0
    assert "eta" not in agent.state()


def test_the_dynamics_model_sees_the_leading_numbers_only():
    config = replace(configure("ml10", "mime", "faithful"), dyn_samples=1)
    agent = make_agent(config, 12, 4, 0, dynamics_size=6)
    assert isinstance(agent, MimeAgent)
    assert (agent.layout.size, agent.model.layout.size) == (5256, 10_508)
    episodes = Episodes(torch.randn(1, 5, 2, 12), torch.randn(1, 5, 2, 4), torch.zeros(1, 5, 2), torch.zeros(1, 5, 2))
    inputs, targets = agent.transitions(episodes)
    assert (inputs.shape, targets.shape) == ((1, 4, 2, 10), (1, 4, 2, 6))
    torch.testing.assert_close(targets, episodes.observations[:, 1:, :, :6])


def out_of_reach() -> BatchedEnvironment:
    """Two tasks whose goals nobody comes near."""
    return batch_of(make("2DNavigationSparse-v0", 0).unwrapped, [{"goal": np.array([50.0, 0.0])}] * 2, 3, 100)


@pytest.mark.parametrize(("method", "moves"), [("maml", False), ("e_maml", False), ("maml_noise", True)])
def test_without_any_reward_only_noise_moves_a_policy(method: str, moves: bool):
    """So that on such tasks nothing tells a learner of the others that does not learn (README)."""
    agent = small_agent(method)
    before, draw = agent.policy.clone(), Streams(0, 0)
    batch = agent.collect(out_of_reach(), 2, 3, draw, 1, agent.explores(0))
    (train,) = batch.train
    adapted = adapt(agent.layout, before.expand(2, -1), [(train.episodes, train.advantages)], 0.1).adapted
    assert torch.equal(adapted, before.expand(2, -1)) != moves
    assert agent.update(batch, draw)["train/policy_updated"] == moves
    assert torch.equal(agent.policy, before) != moves


def test_trajectories_have_noise_of_their_own():
    """Goals are out of reach, so that all policies are the first one; what actions add to its means is noise."""
    agent = small_agent("maml_noise")
    batched = out_of_reach()
    seen = []
    for iteration in range(2):
        batch = agent.collect(batched, 2, 3, Streams(0, iteration), 1, exploring=False)
        for experience in (*batch.train, batch.valid):
            episodes = experience.episodes
            parameters = agent.policy.expand(2, -1)
            means = policy_mean(agent.layout, parameters, rows(episodes.observations)).view_as(episodes.actions)
            seen.append((episodes.actions - means).transpose(1, 2).flatten(0, 1).flatten(1))
    noise = torch.cat(seen)  # (iterations x phases x tasks x episodes, time x actions)
    assert noise.shape == (2 * 2 * 2 * 3, 200)
    likeness = torch.corrcoef(noise) - torch.eye(len(noise))
    assert float(likeness.abs().max()) < 0.35  # 5 standard deviations of independent rows; shared ones: 1
    assert float(noise.std()) == pytest.approx(1.0, abs=0.05)


def test_every_trajectorys_rewards_have_noise_of_their_own():
    agent = small_agent("maml_noise")
    batch, _ = batch_for(agent, 0)
    added = [experience.intrinsic for experience in (*batch.train, batch.valid)]
    noise = torch.cat([part.transpose(1, 2).flatten(0, 1) for part in added if part is not None])
    assert noise.shape == (2 * 2 * 3, 100)
    assert float((torch.corrcoef(noise) - torch.eye(len(noise))).abs().max()) < 0.5


def test_state_is_everything_that_is_learnt():
    agent, twin = small_agent("mime"), small_agent("mime", seed=1)
    iterate(agent, 2)
    twin.load(agent.state())
    batch, draw = batch_for(agent, 5)
    again, _ = batch_for(twin, 5)
    assert agent.update(batch, draw) == twin.update(again, draw)


def test_another_methods_state_is_refused():
    maml, mime = small_agent("maml"), small_agent("mime")
    with pytest.raises(ValueError, match="must hold policy; got policy, dynamics, dynamics_gradient, eta"):
        maml.load(mime.state())
    with pytest.raises(ValueError, match="must hold policy, dynamics, dynamics_gradient, eta; got policy"):
        mime.load(maml.state())


def test_the_bonus_begins_after_the_pre_epochs():
    agent = small_agent("mime", pre_epochs=3)
    assert [agent.explores(iteration) for iteration in range(6)] == [False] * 4 + [True] * 2
    assert not small_agent("maml").explores(99)


def test_without_the_bonus_mime_learns_what_maml_learns():
    maml, mime = small_agent("maml"), small_agent("mime", pre_epochs=5)
    iterate(maml, 2)
    metrics = iterate(mime, 2)
    assert torch.equal(maml.policy, mime.policy)
    assert metrics[-1]["train/eta"] == pytest.approx(0.1)
    assert metrics[-1]["train/intrinsic_return"] == 0


def test_with_the_bonus_eta_moves_and_by_at_most_0_3_logits():
    agent = small_agent("mime")
    iterate(agent, 1)
    before = agent.eta
    batch, draw = batch_for(agent, 1)
    agent.update(batch, draw)
    assert 0 < abs(float(agent.eta - before)) <= 0.3 + 1e-6


@pytest.mark.parametrize("fidelity", ["faithful", "fixed"])
def test_the_line_search_sees_the_new_eta_only_when_faithful(fidelity: str, monkeypatch: pytest.MonkeyPatch):
    agent = small_agent("mime", fidelity=fidelity)
    assert isinstance(agent, MimeAgent)
    batch, draw = batch_for(agent, 1)
    seen = []
    improve = agent.improve_policy
    monkeypatch.setattr(agent, "improve_policy", lambda *given: (seen.append(given), improve(*given))[1])
    eta = agent.eta
    agent.update(batch, draw)
    ((objective, (train, valid)),) = seen
    expected = agent.rebuilt_advantages(batch.valid, agent.eta if fidelity == "faithful" else eta)
    torch.testing.assert_close(valid, expected)
    torch.testing.assert_close(objective.advantages[1], batch.valid.advantages)
    assert len(train) == 1
    assert not torch.equal(agent.eta, eta)


def test_the_training_bonus_comes_from_the_base_dynamics_and_the_later_one_from_the_adapted():
    agent = small_agent("mime")
    assert isinstance(agent, MimeAgent)
    batch, draw = batch_for(agent, 1)
    episodes = batch.valid.episodes
    base = agent.bonus(episodes, [], draw, "same")
    adapted = agent.bonus(episodes, batch.train, draw, "same")
    assert base.shape == (2, 100, 3)
    assert not torch.equal(base, adapted)
    torch.testing.assert_close(base[:, -1], base[:, -2], rtol=0, atol=0)


def test_learning_rewards_are_the_mix_and_logged_returns_are_raw():
    agent = small_agent("mime")
    assert isinstance(agent, MimeAgent)
    batch, _ = batch_for(agent, 1)
    assert batch.valid.intrinsic is not None
    rewards = mixed_rewards(batch.valid.extrinsic, batch.valid.intrinsic, agent.eta)
    expected = agent.advantages(rewards, batch.valid.values)
    torch.testing.assert_close(batch.valid.advantages, expected)
    raw = batch.valid.episodes.rewards.sum(1).mean()
    assert agent.statistics(batch)["train/adapted_return"] == pytest.approx(float(raw))


def test_success_counts_tasks_with_any_success_and_trajectory_success_counts_trajectories():
    agent = small_agent("maml")
    batch, _ = batch_for(agent, 0)
    episodes = batch.valid.episodes
    episodes.successes.zero_()
    episodes.successes[0, 50, 1] = 1
    statistics = episodes.statistics()
    assert statistics["success"] == pytest.approx(1 / 2)
    assert statistics["trajectory_success"] == pytest.approx(1 / 6)


def test_travel_is_the_distance_between_the_first_and_the_last_observation():
    agent = small_agent("maml")
    batch, _ = batch_for(agent, 0)
    observations = batch.valid.episodes.observations
    observations[:, 0], observations[:, -1] = torch.tensor([1.0, 0.0]), torch.tensor([4.0, 4.0])
    assert batch.valid.episodes.statistics()["travel"] == pytest.approx(5.0)


@pytest.mark.parametrize("setting", SETTINGS)
def test_testing_changes_nothing_and_repeats(setting: str):
    agent = small_agent("mime", evaluation_steps=2, evaluation_batches=2)
    before = {name: value.clone() for name, value in agent.state().items()}
    results = [metrics_of(run_tests(agent, agent.config, "wide_ring", setting)) for _ in range(2)]
    assert results[0] == results[1]
    assert all(torch.equal(value, agent.state()[name]) for name, value in before.items())
    assert results[0]["eval/return"] == results[0]["eval/return_step_2"]
    assert results[0]["eval/return_unadapted"] == results[0]["eval/return_step_0"]


def test_testing_plays_the_compass_goals_and_mime_explores_while_it_adapts():
    agent = small_agent("mime", evaluation_steps=2, evaluation_batches=1)
    (batch,) = run_tests(agent, agent.config, "wide_ring")
    assert len(batch.tasks) == 16
    assert len(batch.data.train) == 2
    assert all(phase.intrinsic is not None for phase in [*batch.data.train, batch.data.valid])


@pytest.mark.parametrize("seed", range(2))
def test_evaluating_on_the_training_distribution_never_replays_the_training_goals(seed: int):
    agent = small_agent("maml", seed, evaluation_seed=seed, evaluation_steps=0, evaluation_batches=2)
    (*_, seen), repeated = (run_tests(agent, agent.config, "wide_ring", "train") for _ in range(2))
    trained_on = {
        tuple(task["goal"]) for task in environment_for("wide_ring", seed, agent.config).unwrapped.sample_tasks(100)
    }
    assert not trained_on & {tuple(task["goal"]) for task in seen.tasks}
    np.testing.assert_equal(seen.tasks, repeated[-1].tasks)


def test_the_test_reports_travel_before_and_after_adaptation():
    agent = small_agent("maml", evaluation_steps=1, evaluation_batches=1)
    (batch,) = run_tests(agent, agent.config, "wide_ring")
    metrics = metrics_of([batch])
    assert metrics["eval/travel"] == pytest.approx(float(batch.adapted.travel().mean()))
    assert metrics["eval/travel_unadapted"] == pytest.approx(float(batch.unadapted.travel().mean()))


def test_generators_are_keyed_by_purpose():
    numbers = {torch.randn(1, generator=generator(0, 0, purpose)).item() for purpose in "abcdef"}
    assert len(numbers) == 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("method", ["maml", "mime"])
def test_a_gpu_gives_what_the_cpu_gives(method: str):
    fast = {"dyn_first_updates": 2, "pre_epochs": 0} if method == "mime" else {}
    config = replace(configure("wide_ring", method, "faithful"), **(SMALL | fast))  # type: ignore[arg-type]
    returns = []
    for device in ("cpu", "cuda"):
        agent = make_agent(config, 2, 2, 0, device)
        environment = make("2DNavigationSparse-v0", 0).unwrapped
        tasks = [{"goal": 0.2 * task["goal"]} for task in environment.sample_tasks(2)]
        draw = Streams(0, 1, device)
        batch = agent.collect(batch_of(environment, tasks, 3, 100, device), 2, 3, draw, 1, agent.explores(1))
        agent.update(batch, draw)
        returns.append((agent.statistics(batch), agent.policy.cpu()))
    assert returns[0][0]["train/return"] == pytest.approx(returns[1][0]["train/return"], abs=1.0)
    torch.testing.assert_close(returns[0][1], returns[1][1], rtol=0.1, atol=0.02)
