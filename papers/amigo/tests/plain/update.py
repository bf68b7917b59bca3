"""One update of everything that learns, by PyTorch's own modules, loops and optimisers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from amigo.agent import Agent
from amigo.config import AmigoAdaptiveConfig, AmigoConfig, AmigoNoveltyConfig, ImpalaConfig, TeacherConfig
from amigo.networks import NoveltyNetwork, Student, Teacher, named_in_order
from amigo.unrolls import Unrolls
from plain import objectives as plain


def carried(network: Student | NoveltyNetwork, batch_carried: tuple[Tensor, Tensor]) -> Tensor:
    objects, colours = (what.flatten().long() for what in batch_carried)
    return torch.cat([network.stack.embedding("object")[objects], network.stack.embedding("colour")[colours]], 1)


def student(network: Student, batch: Unrolls, goals: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (T, B, A) and values (T, B)."""
    frames = batch.frame
    features = network.stack.plain(frames.flatten(0, 1), goals.flatten() if network.stack.with_goal else None)
    x = torch.cat([features, carried(network, batch.carried)], 1)
    for layer in network.hidden:
        x = torch.relu(layer(x))
    if network.lstm is not None:
        x = remember(network.lstm, x.view(*frames.shape[:2], -1), batch.done, memory).flatten(0, 1)
    return network.policy(x).view(*frames.shape[:2], -1), network.baseline(x).view(frames.shape[:2])


def remember(lstm: nn.LSTM, x: Tensor, done: Tensor, memory: Tensor) -> Tensor:
    """Layers and steps one by one, by the LSTM's four gates; memory (2 * layers, B, hidden)."""
    hidden, cells = memory[: lstm.num_layers].unbind(), memory[lstm.num_layers :].unbind()
    for k, (h, c) in enumerate(zip(hidden, cells, strict=True)):
        inward, onward = ((getattr(lstm, f"weight_{ih}_l{k}"), getattr(lstm, f"bias_{ih}_l{k}")) for ih in ("ih", "hh"))
        outputs = []
        for t in range(len(x)):
            h, c = h * ~done[t, :, None], c * ~done[t, :, None]
            enter, forget, new, leave = (functional.linear(x[t], *inward) + functional.linear(h, *onward)).chunk(4, 1)
            c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
            h = torch.sigmoid(leave) * torch.tanh(c)
            outputs.append(h)
        x = torch.stack(outputs)
    return x


def novelty(network: NoveltyNetwork, frames: Tensor, things: tuple[Tensor, Tensor]) -> Tensor:
    flat = frames.flatten(0, 1)
    height = frames.shape[3]
    places = torch.tensor([int((frame[..., 0] == 10).nonzero()[0] @ torch.tensor([height, 1])) for frame in flat])
    x = torch.cat([network.stack.plain(flat, None), network.location(places), carried(network, things)], 1)
    for layer in network.hidden:
        x = torch.relu(layer(x))
    return x.view(*frames.shape[:2], -1)


def teacher(network: Teacher, frames: Tensor, aligned: bool) -> tuple[Tensor, Tensor]:
    logits = network.stack.plain(frames, None)
    width, height = frames.shape[1:3]
    cells = [k % height * width + k // height for k in range(width * height)]
    return logits[:, cells] if aligned else logits, network.baseline(logits).squeeze(-1)


def student_reward(config: ImpalaConfig, extrinsic: Tensor, intrinsic: Tensor) -> Tensor:
    paid = intrinsic if config.no_extrinsic_rewards else extrinsic + intrinsic
    if config.reward_clipping == "soft_asymmetric":
        paid = torch.where(paid > 0, 5.0, 1.5) * torch.tanh(paid / 5)
    elif config.reward_clipping == "abs_one":
        paid = paid.clamp(-1, 1)
    bonus = config.success_bonus == "always" or not config.no_extrinsic_rewards
    return paid + (extrinsic > 0) if bonus else paid


def teacher_raw_reward(config: TeacherConfig, steps: int, reached: bool, target: int) -> float:
    """Of one ended goal, without the bonus for things."""
    penalty = config.generator_reward_negative
    if isinstance(config, AmigoAdaptiveConfig):
        return penalty + (abs(steps - target) <= config.window and (reached or config.window_reward == "any"))
    assert isinstance(config, AmigoConfig)
    distance = steps - config.generator_target
    if config.generator_loss_form == "threshold":
        raw = penalty + (steps >= target and reached)
    elif config.generator_loss_form == "dummy":
        raw = penalty + (steps >= config.generator_target and reached)
    elif config.generator_loss_form == "gaussian":
        height = 2 - distance**2 / (2 * config.target_variance**2)
        raw = config.generator_reward_coef * height * reached - 1
    else:
        near = steps / config.generator_target if distance <= 0 else math.exp(-distance / 20)
        raw = 2 * reached * near - 1
    return raw


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
    """Updates the networks of an agent, whose own learners stay idle; every value is read from its config."""

    def __init__(self, agent: Agent) -> None:
        self.agent, config = agent, agent.config
        networks: list[nn.Module] = [agent.student.network]
        networks += [agent.teacher.network] if agent.teacher else []
        networks += [agent.novelty.predictor] if agent.novelty else []
        self.optimisers = {
            id(network): torch.optim.RMSprop(
                network.parameters(), lr=1.0, alpha=config.alpha, eps=config.epsilon, momentum=config.momentum
            )
            for network in networks
        }
        self.pool: list[tuple[Tensor, ...]] = []
        self.student_updates = self.teacher_updates = 0
        self.target = config.first_target if isinstance(config, AmigoAdaptiveConfig) else 7
        self.successes = self.failures = 0

    @staticmethod
    def flat(network: nn.Module) -> Tensor:
        return torch.cat([parameter.detach().flatten() for _, parameter in named_in_order(network)])

    def move(self, network: nn.Module, loss: Tensor, rate: float, fresh: bool = True) -> None:
        optimiser = self.optimisers[id(network)]
        optimiser.param_groups[0]["lr"] = rate
        if fresh:
            optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), self.agent.config.grad_norm)
        optimiser.step()

    def rate(self, base: float, updates: int) -> float:
        """After `updates` updates before this one."""
        config = self.agent.config
        counted = updates + 1 if config.student_schedule == "ahead" else updates
        frames = counted * config.unroll_length * config.batch_size
        return base * (1 - min(frames, config.total_env_steps) / config.total_env_steps)

    def update(self, batch: Unrolls) -> dict[str, float | Tensor]:
        agent, config = self.agent, self.agent.config
        told: dict[str, float | Tensor] = {}
        intrinsic = self.intrinsic_reward(batch, told)
        rewards = student_reward(config, batch.reward[1:], intrinsic)
        goals, memory = batch.goal, batch.memory
        if isinstance(config, TeacherConfig) and config.learner_goal == "acted":
            goals = goals.roll(-1, 0)
            goals[-1] = batch.goal[-1]
        if config.lstm_start == "zeros":
            memory = 0 * memory
        logits, values = student(agent.student.network, batch, goals, memory)
        policy, value, entropy = losses(
            logits[:-1], batch.policy_logits[1:], batch.action[1:], rewards,
            config.discounting * (~batch.done[1:]).float(), values[:-1], values[-1], config.baseline_cost,
            config.entropy_cost,
        )  # fmt: skip
        rate = self.rate(config.learning_rate, self.student_updates)
        self.move(agent.student.network, policy + value + entropy, rate)
        told |= {"loss/policy": policy.detach(), "loss/value": value.detach(), "loss/entropy": entropy.detach(),
                 "train/reward": rewards.mean(), "train/intrinsic_reward": intrinsic.mean()}  # fmt: skip
        if agent.teacher is not None:
            self.collect(batch)
            self.teach(told)
        self.student_updates += 1
        return told

    def intrinsic_reward(self, batch: Unrolls, told: dict[str, float | Tensor]) -> Tensor:
        """(T, B); where it is novelty the predictor learns."""
        agent, config, paid = self.agent, self.agent.config, torch.zeros_like(batch.reward[1:])
        if agent.novelty is not None:
            assert isinstance(config, AmigoNoveltyConfig)
            predicted = novelty(agent.novelty.predictor, batch.frame, batch.carried)
            far = (predicted - novelty(agent.novelty.target, batch.frame, batch.carried)).norm(dim=-1)
            for t in range(1, len(far)):
                more = (far[t] - far[t - 1]).clamp(min=0).detach()
                paid[t - 1] = config.novelty_coefficient * more * batch.first_visit[t]
            loss = config.novelty_loss_cost * far[1:].mean(1).sum()
            fresh = config.novelty_gradients == "fresh"
            self.move(agent.novelty.predictor, loss, config.novelty_learning_rate, fresh)
            told["loss/novelty"] = loss.detach()
        elif isinstance(config, TeacherConfig):
            weight = config.intrinsic_reward_coef
            pays = weight * (weight - 0.9 * batch.goal_steps[1:] / agent.max_steps)
            paid = torch.where(batch.reached[1:], pays, 0.0)
        return paid

    def collect(self, batch: Unrolls) -> None:
        config = self.agent.config
        assert isinstance(config, TeacherConfig)
        frames = batch.frame if config.teacher_frame == "current" and self.pool else batch.initial_frame
        failed = batch.done if config.done_and_reached == "twice" else batch.done & ~batch.reached
        for reached, flags in ((False, failed), (True, batch.reached)):
            for t in range(1, len(flags)):
                for b in range(batch.columns):
                    if flags[t, b]:
                        self.pool.append((
                            frames[t, b].clone(), batch.goal[t, b].clone(), batch.goal_steps[t, b].clone(),
                            batch.teacher_logits[t, b].clone(), batch.reward[t, b].clone(), torch.tensor(reached),
                        ))  # fmt: skip

    def teach(self, told: dict[str, float | Tensor]) -> None:
        config, learner = self.agent.config, self.agent.teacher
        assert isinstance(config, TeacherConfig)
        assert learner is not None
        if len(self.pool) < config.generator_batch_size:
            return
        taken, self.pool = self.pool[: config.generator_batch_size], self.pool[config.generator_batch_size :]
        frames, goals, steps, stored, extrinsic, reached = (torch.stack(column) for column in zip(*taken, strict=True))
        height = frames.shape[2]
        things = [int(frame[goal // height, goal % height, 0]) > 2 for frame, goal in zip(frames, goals, strict=True)]
        raw = torch.tensor(
            [teacher_raw_reward(config, int(steps[n]), bool(reached[n]), self.target) for n in range(len(goals))]
        )
        self.move_target(config, float(raw.mean()), float(extrinsic.mean()))
        if config.novelty:
            raw = raw + config.novelty_bonus * torch.tensor(things)
        solved = (extrinsic > 0) & (not config.no_extrinsic_rewards)
        rewards = torch.where(solved, torch.ones(()), raw.clamp(-1, 1))
        logits, values = teacher(learner.network, frames, config.goal_layout == "aligned")
        none = torch.zeros(1, len(goals))
        policy, value, entropy = losses(
            logits[None], stored[None], goals[None], rewards[None], none, values[None], none[0],
            config.baseline_cost, config.generator_entropy_cost,
        )  # fmt: skip
        counted = self.teacher_updates if config.teacher_schedule == "updates" else self.student_updates
        self.move(learner.network, policy + value + entropy, self.rate(config.generator_learning_rate, counted))
        self.teacher_updates += 1
        told |= {
            "loss/teacher_policy": policy.detach(), "loss/teacher_value": value.detach(),
            "loss/teacher_entropy": entropy.detach(), "train/teacher_reward": rewards.mean(),
            "train/difficulty": float(self.target),
        }  # fmt: skip

    def move_target(self, config: TeacherConfig, mean_reward: float, mean_extrinsic: float) -> None:
        """t*, after a batch that was paid for the old one."""
        succeeds, counts = mean_reward >= config.generator_threshold, config.generator_counts
        adaptive = isinstance(config, AmigoAdaptiveConfig)
        self.successes = self.successes + 1 if succeeds else self.successes * adaptive
        self.failures += not succeeds
        change = 0
        if isinstance(config, AmigoConfig):
            change = int(self.successes >= counts and self.target <= config.generator_maximum)
        elif (self.successes >= counts or mean_extrinsic >= 0.8) and self.target > 20:
            change = -1
        elif self.failures >= counts and self.target < 270:
            change = 1
        if change:
            self.target, self.successes, self.failures = self.target + change, 0, 0
