"""One method's networks and optimisers: it acts, and it learns from batches of sequences (card 5.4 to 5.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tensorflow import Tensor

from mummi.behaviour import Behaviour, explored
from mummi.config import Config, CvrlConfig
from mummi.distributions import squashed_entropy
from mummi.framework import tf
from mummi.inputs import network_inputs
from mummi.methods import Reconstruction, make_world_model
from mummi.networks import Maker, assign, count, named_variables
from mummi.noise import ActingNoise, UpdateNoise, acting_noise, graph_seed, update_noise
from mummi.objectives import actor_loss, value_loss
from mummi.optimiser import Adam
from mummi.rssm import Latent


class Memory(NamedTuple):
    """What the agent carries from step to step in each environment."""

    latent: Latent
    action: Tensor
    """(n, A): the last action, exploration noise included."""


class Gradients(NamedTuple):
    """Of the three losses, each for its own networks, in the order of its optimiser's variables."""

    model: list[Tensor]
    value: list[Tensor]
    actor: list[Tensor]


class Agent(tf.Module):  # type: ignore[misc]
    """Everything that learns."""

    def __init__(self, config: Config, action_size: int, touch_size: int, seed: int) -> None:
        super().__init__()
        self.config, self.action_size, self.seed = config, action_size, seed
        make = Maker(seed, tf.float16 if config.precision == 16 else tf.float32)
        self.model = make_world_model(make, config, action_size, touch_size)
        self.behaviour = Behaviour(make, config, self.model, action_size)
        shared: dict[str, Any] = {
            "clip": config.grad_clip, "decay": config.weight_decay, "decay_pattern": config.weight_decay_pattern,
            "scaled": config.precision == 16,
        }  # fmt: skip
        self.model_adam = Adam("model", self.trained_model(), config.model_lr, **shared)
        self.value_adam = Adam("value", self.behaviour.value.variables, config.value_lr, **shared)
        self.actor_adam = Adam("actor", self.behaviour.actor.variables, config.actor_lr, **shared)
        self.traces: list[str] = []
        """A word for each time that a graph was traced."""
        self.compiled_step = tf.function(self.update_step, jit_compile=True) if config.jit_compile else self.update_step
        self.compiled_updates: Any = None
        self.compiled_act = tf.function(self.choose)

    # Acting

    def blank(self, rows: int) -> Memory:
        """The memory before anything was seen."""
        return Memory(self.model.rssm.initial(rows), tf.zeros((rows, self.action_size)))

    def act(
        self, observations: Sequence[Mapping[str, Any]], memory: Memory, resets: NDArray[np.bool_],
        training: bool, number: int, purpose: str = "act",
    ) -> tuple[NDArray[np.float32], Memory]:  # fmt: skip
        """Actions (n, A) for the environments' observations, and the memory with them.

        resets: (n,), where an episode has just begun; `number`, unique within `purpose`, keys the random draws, as does
        `purpose`. In training, `number` is the environment step, by which exploration decays.
        """
        stacked = {name: np.stack([one[name] for one in observations]) for name in self.observed}
        stacked = {
            name: array if array.dtype == np.uint8 else array.astype(np.float32) for name, array in stacked.items()
        }
        amount = self.exploration(number) if training else self.config.eval_noise
        memory = self.compiled_act(
            {name: tf.constant(array) for name, array in stacked.items()}, memory,
            tf.constant(1.0 - resets.astype(np.float32)[:, None]), tf.constant(training),
            tf.constant(amount, tf.float32), tf.constant(graph_seed(self.seed, purpose, number)),
        )  # fmt: skip
        return memory.action.numpy(), memory

    @property
    def observed(self) -> list[str]:
        """Keys of an observation that the networks read."""
        return [*self.model.modalities, *(f"{name}_flag" for name in self.model.modalities)]

    def exploration(self, env_step: int) -> float:
        """How much training explores: a standard deviation, or a chance (card 2.6: expl_amount, decay, min)."""
        config = self.config
        decayed = (
            config.expl_amount * 0.5 ** (env_step / config.expl_decay) if config.expl_decay else config.expl_amount
        )
        return max(decayed, config.expl_min)

    def choose(
        self, observations: Mapping[str, Tensor], memory: Memory, keep: Tensor, training: Tensor, amount: Tensor,
        seed: Tensor,
    ) -> Memory:  # fmt: skip
        """`act` as a graph."""
        self.traces.append("act")
        noise = acting_noise(seed, self.config, self.action_size, keep.shape[0])
        return self.choose_with(observations, memory, keep, training, amount, noise)

    def choose_with(
        self, observations: Mapping[str, Tensor], memory: Memory, keep: Tensor, training: Tensor, amount: Tensor,
        noise: ActingNoise,
    ) -> Memory:  # fmt: skip
        """Filter the observation into the latent state, then choose and disturb an action (card 5.8)."""
        config: Any = self.config
        before = Latent(*(part * keep for part in memory.latent))
        embedding = self.model.embed(network_inputs(observations, config)).fused
        latent = self.model.rssm.posterior_step(before, memory.action * keep, embedding, noise.posterior)
        if getattr(config, "trajectory_opt", False):
            action = self.behaviour.optimised(latent, noise.imagination, config.traj_opt_lr)
        elif getattr(config, "forward_search", False):
            action = self.behaviour.searched(latent, noise.imagination, config.num_samples)
        else:
            sample = self.behaviour.sample(latent, noise.imagination.actions[0])
            action = tf.where(training, sample, self.behaviour.mode(latent, noise.mode))
        disturbed = explored(action, config.expl, amount, noise.exploration)
        return Memory(latent, tf.where(training | (amount > 0), disturbed, action))

    # Learning

    def learn(self, batches: Sequence[Mapping[str, NDArray[Any]]], first: int) -> dict[str, NDArray[np.float32]]:
        """A gradient step a batch, numbered from `first` on; returns each metric's value at each of them, (k,)."""
        stacked = {name: tf.constant(np.stack([batch[name] for batch in batches])) for name in self.learnt}
        seeds = np.stack([graph_seed(self.seed, "update", first + number) for number in range(len(batches))])
        if self.compiled_updates is None:
            specs = {name: tf.TensorSpec((None, *array.shape[1:]), array.dtype) for name, array in stacked.items()}
            signature = (specs, tf.TensorSpec((None, 2), tf.int32))  # any number of batches: one trace
            self.compiled_updates = tf.function(self.update_steps, input_signature=signature)
        values = self.compiled_updates(stacked, tf.constant(seeds)).numpy()
        return dict(zip(self.metric_names, values.T, strict=True))

    @property
    def learnt(self) -> list[str]:
        """Keys of a batch that learning reads."""
        return [*self.observed, "action", "reward", *(["discount"] if self.config.pcont else [])]

    def update_steps(self, batches: Mapping[str, Tensor], seeds: Tensor) -> Tensor:
        """Gradient steps one after another in one call; batches: (k, B, L, ...), seeds: (k, 2).

        Returns their metrics in the order of `metric_names`, (k, metrics).
        """
        self.traces.append("update")
        names, total = self.metric_names, tf.shape(seeds)[0]

        def step(number: Tensor, found: tf.TensorArray) -> tuple[Tensor, tf.TensorArray]:
            noise = update_noise(seeds[number], self.config, self.action_size)  # XLA would draw other numbers
            metrics = self.compiled_step({name: array[number] for name, array in batches.items()}, noise)
            return number + 1, found.write(number, tf.stack([metrics[name] for name in names]))

        found = tf.TensorArray(tf.float32, total, element_shape=(len(names),))
        found = tf.while_loop(lambda number, _: number < total, step, (tf.constant(0), found))[1]
        return found.stack()

    def update_step(self, batch: Mapping[str, Tensor], noise: UpdateNoise) -> dict[str, Tensor]:
        """One gradient step of all three optimisers, from the same forward pass."""
        gradients, metrics = self.gradients(batch, noise)
        metrics["train/model_grad_norm"] = self.model_adam.apply(gradients.model)
        metrics["train/value_grad_norm"] = self.value_adam.apply(gradients.value)
        metrics["train/actor_grad_norm"] = self.actor_adam.apply(gradients.actor)
        return metrics

    def gradients(self, batch: Mapping[str, Tensor], noise: UpdateNoise) -> tuple[Gradients, dict[str, Tensor]]:
        """Gradients of the three losses, times their loss scales, and what is logged (card 5.4, 5.7)."""
        inputs = network_inputs(batch, self.config)
        adams = (self.model_adam, self.value_adam, self.actor_adam)
        with tf.GradientTape(watch_accessed_variables=False) as model_tape:
            model_tape.watch(self.model_adam.moved)
            model_loss, posts, metrics = self.model.loss(batch, inputs, noise.posterior)
            scaled_model = model_loss * self.model_adam.scale
        start = self.starts(posts)
        actor_tape = tf.GradientTape(watch_accessed_variables=False)
        value_tape = tf.GradientTape(watch_accessed_variables=False)
        with actor_tape, value_tape:  # one forward pass; each gradient stops at the networks that its tape watches
            actor_tape.watch(self.actor_adam.moved)
            value_tape.watch(self.value_adam.moved)
            imagined = self.behaviour.appraise(self.behaviour.imagine(start, noise.imagination))
            actor = actor_loss(imagined.returns, imagined.weights)
            value = value_loss(imagined.returns, imagined.values, imagined.weights)
            scaled_actor, scaled_value = actor * self.actor_adam.scale, value * self.value_adam.scale
        found = [
            tape.gradient(loss, adam.moved, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            for tape, loss, adam in zip(
                (model_tape, value_tape, actor_tape), (scaled_model, scaled_value, scaled_actor), adams, strict=True
            )
        ]
        features = tf.reshape(posts.feature, (-1, self.model.feature_size))
        entropy = squashed_entropy(self.behaviour.actor(features), noise.entropy)
        metrics |= {"loss/value": value, "loss/actor": actor, "train/action_ent": entropy}
        return Gradients(*found), metrics

    def starts(self, posts: Latent) -> Latent:
        """Where imagination begins: every posterior state (with pcont all but each sequence's last), as rows."""
        kept = Latent(*(part[:, :-1] for part in posts)) if self.config.pcont else posts
        return Latent(*(tf.stop_gradient(tf.reshape(part, (-1, part.shape[-1]))) for part in kept))

    def trained_model(self) -> list[tf.Variable]:
        """The model's variables that learn: the released CVRL left its decoders out (card 5.5)."""
        variables = list(self.model.variables)
        if isinstance(self.config, CvrlConfig) and isinstance(self.model, Reconstruction):
            idle = [] if self.config.train_decoders or not self.config.has_decoders else self.model.decoders.values()
            left_out = {id(variable) for decoder in idle for variable in decoder.variables}
            variables = [variable for variable in variables if id(variable) not in left_out]
        return variables

    @property
    def metric_names(self) -> list[str]:
        """What a gradient step logs."""
        if isinstance(self.config, CvrlConfig):
            terms = list(self.model.modalities) if self.config.has_decoders else ["image"]
        else:
            terms = list(self.model.modalities)
        terms += ["reward", *(["pcont"] if self.config.pcont else [])]
        losses = [f"loss/{name}" for name in (*terms, "div", "model", "value", "actor")]
        train = ("prior_ent", "post_ent", "action_ent", "model_grad_norm", "value_grad_norm", "actor_grad_norm")
        return [*losses, *(f"train/{name}" for name in train)]

    # Weights

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Every number that learning changes, weights and optimisers, by name."""
        return {name: variable.numpy() for name, variable in named_variables(self).items()}

    def set_parameters(self, values: Mapping[str, NDArray[Any]]) -> None:
        """The inverse; raises ConfigError where a name or shape does not fit."""
        assign(named_variables(self), values)

    def parameter_counts(self) -> dict[str, int]:
        """Numbers in each network, and in all that the model's optimiser trains (card 5.1)."""
        model = self.model
        parts: dict[str, tf.Module] = {f"{name}_encoder": encoder for name, encoder in model.encoders.items()}
        for kind in ("expert", "decoder"):
            parts |= {f"{name}_{kind}": part for name, part in getattr(model, f"{kind}s", {}).items()}
        parts |= {"rssm": model.rssm, "reward": model.reward}
        parts |= {name: getattr(model, name) for name in ("pcont", "latent_map") if hasattr(model, name)}
        counts = {name: count(part) for name, part in parts.items()}
        if hasattr(model, "critic_codes"):
            counts["critic"] = sum(count(layer) for layer in (*model.critic_features, *model.critic_codes))
        trained = sum(int(np.prod(variable.shape)) for variable in self.model_adam.moved)
        behaviour = {"actor": count(self.behaviour.actor), "value": count(self.behaviour.value)}
        return counts | {"model": trained} | behaviour
