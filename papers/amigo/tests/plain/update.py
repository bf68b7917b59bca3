"""One update of everything that learns, by PyTorch's own modules, loops and optimisers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amigo.agent import Agent
from amigo.config import AmigoAdaptiveConfig, AmigoConfig, AmigoNoveltyConfig
from amigo.networks import NoveltyNetwork, Student, Teacher, named_in_order
from plain import objectives as plain


def carried(network: Student | NoveltyNetwork, batch_carried: tuple[Tensor, Tensor]) -> Tensor:
    objects, colours = (what.flatten().long() for what in batch_carried)
    return torch.cat([network.stack.embedding("object")[objects], network.stack.embedding("colour")[colours]], 1)


def student(network: Student, frames: Tensor, things: tuple[Tensor, Tensor], goals: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (T, B, A) and values (T, B)."""
    features = network.stack.plain(frames.flatten(0, 1), goals.flatten() if network.stack.with_goal else None)
    x = torch.cat([features, carried(network, things)], 1)
    for layer in network.hidden:
        x = torch.relu(layer(x))
    return network.policy(x).view(*frames.shape[:2], -1), network.baseline(x).view(frames.shape[:2])


def novelty(network: NoveltyNetwork, frames: Tensor, things: tuple[Tensor, Tensor]) -> Tensor:
    flat = frames.flatten(0, 1)
    height = frames.shape[3]
    places = torch.tensor([int((frame[..., 0] == 10).nonzero()[0] @ torch.tensor([height, 1])) for frame in flat])
    x = torch.cat([network.stack.plain(flat, None), network.location(places), carried(network, things)], 1)
    for layer in network.hidden:
        x = torch.relu(layer(x))
    return x.view(*frames.shape[:2], -1)


def teacher(network: Teacher, frames: Tensor) -> tuple[Tensor, Tensor]:
    logits = network.stack.plain(frames, None)
    return logits, network.baseline(logits).squeeze(-1)


def losses(logits: Tensor, stored: Tensor, actions: Tensor, rewards: Tensor, discounts: Tensor, values: Tensor,
           bootstrap: Tensor, baseline_cost: float, entropy_cost: float) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Policy, value and entropy terms, (T, B) inputs."""
    policy, behaviour = torch.log_softmax(logits, -1), torch.log_softmax(stored, -1)
    chosen = policy.gather(-1, actions[..., None])[..., 0]
    ratios = (chosen - behaviour.gather(-1, actions[..., None])[..., 0]).detach()
    targets, advantages = plain.vtrace(ratios, discounts, rewards, values.detach(), bootstrap.detach())
    return (
        (-chosen * advantages).mean(1).sum(),
        baseline_cost * 0.5 * (targets - values).pow(2).mean(1).sum(),
        entropy_cost * (policy.exp() * policy).sum(-1).mean(1).sum(),
    )


class Learner:
    """Updates the networks of an agent, whose own learners stay idle."""

    def __init__(self, agent: Agent) -> None:
        self.agent, config = agent, agent.config
        networks: list[nn.Module] = [agent.student.network]
        networks += [agent.teacher.network] if agent.teacher else []
        networks += [agent.novelty.predictor] if agent.novelty else []
        self.optimisers = {
            id(network): torch.optim.RMSprop(network.parameters(), lr=1.0, alpha=config.alpha, eps=config.epsilon)
            for network in networks
        }
        self.pool: list[tuple[Tensor, ...]] = []
        self.student_updates = self.teacher_updates = 0
        self.target, self.count = (config.first_target if isinstance(config, AmigoAdaptiveConfig) else 7), 0

    @staticmethod
    def flat(network: nn.Module) -> Tensor:
        return torch.cat([parameter.detach().flatten() for _, parameter in named_in_order(network)])

    def move(self, network: nn.Module, loss: Tensor, rate: float) -> None:
        optimiser = self.optimisers[id(network)]
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 40.0)
        optimiser.step()

    def rate(self, base: float, updates: int) -> float:
        config = self.agent.config
        frames = updates * config.unroll_length * config.batch_size
        return base * (1 - min(frames, config.total_env_steps) / config.total_env_steps)

    def update(self, batch) -> dict[str, float | Tensor]:  # type: ignore[no-untyped-def]
        agent, config = self.agent, self.agent.config
        told: dict[str, float | Tensor] = {}
        things, later = (batch.carried_object, batch.carried_colour), slice(1, None)
        intrinsic = torch.zeros_like(batch.reward[1:])
        if agent.novelty is not None:
            assert isinstance(config, AmigoNoveltyConfig)
            predicted = novelty(agent.novelty.predictor, batch.frame, things)
            far = (predicted - novelty(agent.novelty.target, batch.frame, things)).norm(dim=-1)
            for t in range(1, len(far)):
                intrinsic[t - 1] = 0.1 * (far[t] - far[t - 1]).clamp(min=0).detach() * batch.first_visit[t]
            loss = config.novelty_loss_cost * far[1:].mean(1).sum()
            self.move(agent.novelty.predictor, loss, 1e-3)
            told["loss/novelty"] = loss.detach()
        elif agent.teacher is not None:
            met = batch.reached[1:].float()
            intrinsic = met * (1 - 0.9 * batch.goal_steps[1:] / agent.max_steps)
        reward = (batch.reward[1:] + intrinsic).clamp(-1, 1) + (batch.reward[1:] > 0).float()
        logits, values = student(agent.student.network, batch.frame, things, batch.goal)
        policy, value, entropy = losses(
            logits[:-1], batch.policy_logits[later], batch.action[later], reward, 0.99 * (~batch.done[later]).float(),
            values[:-1], values[-1], config.baseline_cost, config.entropy_cost,
        )  # fmt: skip
        self.student_updates += 1
        rate = self.rate(config.learning_rate, self.student_updates)
        self.move(agent.student.network, policy + value + entropy, rate)
        told |= {"loss/policy": policy.detach(), "loss/value": value.detach(), "loss/entropy": entropy.detach()}
        if agent.teacher is not None:
            self.teach(batch, told)
        return told

    def teach(self, batch, told: dict[str, float | Tensor]) -> None:  # type: ignore[no-untyped-def]
        config, learner = self.agent.config, self.agent.teacher
        assert isinstance(config, AmigoConfig)
        assert learner is not None
        for reached, flags in ((False, batch.done), (True, batch.reached)):
            for t in range(1, len(flags)):
                for b in range(batch.columns):
                    if flags[t, b]:
                        self.pool.append((
                            batch.initial_frame[t, b].clone(), batch.goal[t, b].clone(), batch.goal_steps[t, b].clone(),
                            batch.teacher_logits[t, b].clone(), batch.reward[t, b].clone(), torch.tensor(reached),
                        ))  # fmt: skip
        if len(self.pool) < config.generator_batch_size:
            return
        taken, self.pool = self.pool[: config.generator_batch_size], self.pool[config.generator_batch_size :]
        frames, goals, steps, stored, extrinsic, reached = (torch.stack(column) for column in zip(*taken, strict=True))
        if isinstance(config, AmigoAdaptiveConfig):
            pays = ((steps >= self.target - config.window) & (steps <= self.target + config.window)).float()
        else:
            pays = (steps >= self.target).float() * reached.float()
        raw = config.generator_reward_negative + pays
        if not isinstance(config, AmigoAdaptiveConfig):
            self.count = self.count + 1 if raw.mean() >= config.generator_threshold else 0
            if self.count >= config.generator_counts:
                self.target, self.count = self.target + 1, 0
        rewards = torch.where(extrinsic > 0, torch.ones(()), raw.clamp(-1, 1))
        logits, values = teacher(learner.network, frames)
        none = torch.zeros(1, len(goals))
        policy, value, entropy = losses(
            logits[None], stored[None], goals[None], rewards[None], none, values[None], none[0],
            config.baseline_cost, config.generator_entropy_cost,
        )  # fmt: skip
        self.teacher_updates += 1
        rate = self.rate(config.generator_learning_rate, self.teacher_updates)
        self.move(learner.network, policy + value + entropy, rate)
        told |= {
            "loss/teacher_policy": policy.detach(), "loss/teacher_value": value.detach(),
            "loss/teacher_entropy": entropy.detach(), "train/teacher_reward": rewards.mean(),
            "train/difficulty": float(self.target),
        }  # fmt: skip
