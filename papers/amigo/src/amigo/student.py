"""The student as a learner: IMPALA on goals and intrinsic rewards (card 5.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from amigo.acting import Acting
from amigo.config import ImpalaConfig, TeacherConfig
from amigo.convolutions import Prepared
from amigo.learning import Learning
from amigo.networks import GridSize, LstmState, PolicyOutput, Student
from amigo.objectives import Losses, actor_critic_losses, log_ratios, student_reward, vtrace
from amigo.optimiser import RmsProp
from amigo.unrolls import Unrolls

Metrics = dict[str, Tensor | float]


class StudentLearner:
    """Network, optimiser and learning rate of the student."""

    def __init__(
        self, size: GridSize, config: ImpalaConfig, with_goal: bool, device: str, seed: torch.Generator
    ) -> None:
        self.config = config
        layers = config.num_lstm_layers if config.use_lstm else 0
        self.network = Student(size, config.state_embedding_dim, with_goal, layers, seed).to(device)
        self.optimiser = RmsProp(self.network, config.alpha, config.momentum, config.epsilon, config.grad_norm)
        self.updates = 0
        self.learning: Learning | None = None
        self.prepare()

    def prepare(self) -> None:
        """The weights have changed: what actors make of them is made anew when they next act."""
        self.acting: tuple[int, Prepared | None, Acting | None] | None = None

    def act(
        self, frames: Tensor, carried: tuple[Tensor, Tensor], goals: Tensor, done: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See rollout.Policy; tensors (E, ...)."""
        if self.acting is None or self.acting[0] != len(frames):
            prepared = self.network.stack.prepare_to_act()
            fast = prepared is not None and self.network.lstm is None
            acting = Acting(self.network, prepared, len(frames)) if prepared is not None and fast else None
            self.acting = len(frames), prepared, acting
        _, prepared, acting = self.acting
        if acting is not None:
            return acting.logits(frames, carried, goals), memory
        with torch.inference_mode():
            one_step = tuple(what[None] for what in carried)
            state = split(memory)
            carried = one_step[0], one_step[1]
            output = self.network(frames[None], carried, goals[None], done[None], state, prepared)
            return output.logits[0], memory if output.state is None else torch.cat(output.state)

    @property
    def learning_rate(self) -> float:
        """Of the next update: falling linearly with the frames of all updates, this one included if `ahead`."""
        updates = self.updates + (self.config.student_schedule == "ahead")
        frames, total = updates * self.config.frames_per_update, self.config.total_env_steps
        return self.config.learning_rate * (1 - min(frames, total) / total)

    def update(self, batch: Unrolls, intrinsic: Tensor) -> Metrics:
        """One step on unrolls of T + 1 slots and B columns with intrinsic rewards (T, B)."""
        rate = self.learning_rate
        by_hand = self.network.lstm is None and batch.frame.device.type == "cpu"
        output = self.passes(batch, by_hand)
        losses, reward = self.losses(batch, intrinsic, output)
        self.optimiser.gradient.zero_()
        losses.total.backward()  # type: ignore[no-untyped-call]
        if by_hand:
            assert self.learning is not None
            self.learning.backward(output)
        self.optimiser.move(rate)
        self.updates += 1
        self.prepare()
        detached = Losses(*(loss.detach() for loss in losses))
        return {
            "loss/student": detached.total,
            "loss/policy": detached.policy,
            "loss/value": detached.value,
            "loss/entropy": detached.entropy,
            "train/reward": reward.mean(),
            "train/intrinsic_reward": intrinsic.mean(),
            "train/learning_rate": rate,
        }

    def passes(self, batch: Unrolls, by_hand: bool) -> PolicyOutput:
        """What the present network says of every slot; `by_hand`: as leaves, whose gradients `learning` passes on."""
        if not by_hand:
            return self.evaluate(batch)
        rows = batch.reward.numel()
        if self.learning is None or self.learning.rows != rows:
            self.learning = Learning(self.network, rows)
        return self.learning.forward(batch.frame, batch.carried, self.goals(batch))

    def losses(self, batch: Unrolls, intrinsic: Tensor, output: PolicyOutput) -> tuple[Losses, Tensor]:
        """The terms of the loss, and the reward (T, B) that they are made of."""
        config = self.config
        log_policy = functional.log_softmax(output.logits[:-1], -1)
        bonus = config.success_bonus == "always" or not config.no_extrinsic_rewards
        reward = student_reward(
            batch.reward[1:], intrinsic, config.reward_clipping, not config.no_extrinsic_rewards, bonus
        )
        actions, values = batch.action[1:], output.values[:-1]
        targets = vtrace(
            log_ratios(log_policy, batch.policy_logits[1:], actions),
            config.discounting * (~batch.done[1:]).float(),
            reward,
            values.detach(),
            output.values[-1].detach(),
        )
        return actor_critic_losses(
            log_policy, actions, values, targets, config.baseline_cost, config.entropy_cost
        ), reward

    def evaluate(self, batch: Unrolls) -> PolicyOutput:
        """What the present network says of every slot."""
        memory = batch.memory if self.config.lstm_start == "stored" else torch.zeros_like(batch.memory)
        output: PolicyOutput = self.network(batch.frame, batch.carried, self.goals(batch), batch.done, split(memory))
        return output

    def goals(self, batch: Unrolls) -> Tensor:
        """Those that the learner takes for each slot, (T + 1, B)."""
        if isinstance(self.config, TeacherConfig) and self.config.learner_goal == "acted":
            return torch.cat([batch.goal[1:], batch.goal[-1:]])
        return batch.goal


def split(memory: Tensor) -> LstmState | None:
    """(2 * layers, B, hidden) -> hidden and cell state, None where there are no layers."""
    if not len(memory):
        return None
    hidden, cell = memory.chunk(2)
    return hidden.contiguous(), cell.contiguous()
